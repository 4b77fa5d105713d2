"""How Jenkins is spoken to: who we are, what is sent again, and what never is."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from email.utils import formatdate
from pathlib import Path

import pytest
from pydantic import ValidationError

from pydeploy.clients import jenkins as clients
from pydeploy.clients import jenkins_http
from pydeploy.clients.jenkins import Jenkins
from pydeploy.clients.jenkins_answers import Away, Refused, Unsettled
from pydeploy.clients.jenkins_http import Login, Upload
from pydeploy.config.site import Site
from pydeploy.errors import ServiceError, SiteConfigError
from tests.unit.jenkins import fake as kinds
from tests.unit.jenkins.conftest import Door
from tests.unit.jenkins.fake import FakeJenkins, Job

TOKEN = "a-token-of-the-job"


@pytest.fixture
def job(fake: FakeJenkins) -> Job:
    fake.jobs["hello"] = Job()
    return fake.jobs["hello"]


@pytest.fixture
def asked(fake: FakeJenkins) -> Job:
    """A job with parameters."""
    fake.jobs["hello"] = Job([kinds.string("BRANCH", "master"), kinds.file("NOTES")])
    return fake.jobs["hello"]


# -- who we are -------------------------------------------------------------------------


def test_an_api_token_needs_no_crumb(fake: FakeJenkins, jenkins: Jenkins, job: Job) -> None:
    """One POST, and nothing before it."""
    jenkins.build("hello", is_parameterized=False)
    assert ["POST"] == [one.method for one in fake.requests]


def test_a_password_brings_a_crumb_and_the_cookie_of_its_session(
    fake: FakeJenkins, door: Door, password: Login, job: Job
) -> None:
    """A crumb is worth nothing in another session."""
    door(password).build("hello", is_parameterized=False)
    (post,) = fake.posts()
    assert post.headers["Jenkins-Crumb"]
    assert "JSESSIONID" in post.headers["Cookie"]
    assert 1 == len(fake.items)


def test_a_jenkins_without_crumbs_is_asked_without(
    fake: FakeJenkins, door: Door, password: Login, job: Job
) -> None:
    """The protection against CSRF can be switched off: crumbIssuer is 404 then."""
    fake.has_crumbs = False
    door(password).build("hello", is_parameterized=False)
    assert 1 == len(fake.items)


def test_a_crumb_that_went_stale_is_replaced_once(
    fake: FakeJenkins, door: Door, password: Login, job: Job
) -> None:
    """After a restart of Jenkins its sessions are gone; the second POST passes, and there is none
    after it."""
    jenkins = door(password)
    jenkins.build("hello", is_parameterized=False)
    fake.forget_sessions()
    jenkins.build("hello", is_parameterized=False)
    assert 3 == len(fake.posts())
    assert 2 == len(fake.gets("crumbIssuer"))


def test_a_crumb_is_not_replaced_for_ever(
    fake: FakeJenkins, door: Door, password: Login, job: Job
) -> None:
    """Where a proxy takes the header away: two POSTs, then what to do about it."""
    fake.fail("forgotten session", "POST", times=9)
    with pytest.raises(Refused, match="does not let ci start hello") as refused:
        door(password).build("hello", is_parameterized=False)
    assert 2 == len(fake.posts())
    assert "API token" in refused.value.hint


def test_a_wrong_password_is_said(fake: FakeJenkins, door: Door, job: Job) -> None:
    """401 is the operator's turn; the secret is not in the message."""
    wrong = Login(username="ci", secret="11" + "00" * 16)
    with pytest.raises(Refused, match="does not accept the credentials of ci") as refused:
        door(wrong).read("job/hello", "show hello")
    assert 401 == refused.value.status
    assert "00" not in str(refused.value) + refused.value.hint


def test_nobody_is_told_to_give_an_account(fake: FakeJenkins, door: Door, job: Job) -> None:
    """An anonymous 403 names the variables."""
    with pytest.raises(Refused, match=r"anonymous.*hudson\.model\.Hudson\.Read") as refused:
        door(Login()).read("job/hello", "show hello")
    assert "PYDEPLOY_JENKINS_TOKEN" in refused.value.hint


def test_a_missing_permission_is_named(fake: FakeJenkins, jenkins: Jenkins, job: Job) -> None:
    """As Jenkins names it in X-Required-Permission."""
    fake.users["ci"].may_build = False
    with pytest.raises(Refused, match=r"let ci start hello .*: .*hudson\.model\.Item\.Build"):
        jenkins.build("hello", is_parameterized=False)


def test_the_jobs_own_token_stands_for_an_account(fake: FakeJenkins, door: Door, job: Job) -> None:
    """ "Trigger builds remotely": the token is in the body, the URL shows nothing of it."""
    fake.anonymous_reads, job.trigger_token = True, TOKEN
    door(Login(trigger_token=TOKEN)).build("hello", is_parameterized=False, cause="pydeploy m")
    (post,) = fake.posts()
    assert post.path == "/ci/job/hello/build"
    assert [{"note": "pydeploy m", "addr": "127.0.0.1"}] == fake.items[42].causes


def test_the_jobs_own_token_stands_beside_an_account_that_may_only_read(
    fake: FakeJenkins, door: Door, asked: Job
) -> None:
    """Also in a multipart body."""
    fake.users["ci"].may_build, asked.trigger_token = False, TOKEN
    login = Login(username="ci", secret=fake.users["ci"].api_token, trigger_token=TOKEN)
    upload = Upload(name="NOTES", file_name="n.txt", content=b"\x00\xff")
    door(login).build("hello", is_parameterized=True, uploads=[upload])
    assert {"NOTES": ("n.txt", b"\x00\xff")} == fake.items[42].files


def test_a_wrong_token_of_the_job_is_said(fake: FakeJenkins, door: Door, job: Job) -> None:
    """Once: 403 that is not about a crumb is final."""
    fake.anonymous_reads, job.trigger_token = True, TOKEN
    with pytest.raises(Refused) as refused:
        door(Login(trigger_token="wrong-token")).build("hello", is_parameterized=False)
    assert "trigger token" in refused.value.hint
    assert 1 == len(fake.posts())


def test_no_secret_is_in_a_repr() -> None:
    """A traceback that shows values shows none of them."""
    shown = repr(Login(username="ci", secret="s3cret-1", trigger_token="s3cret-2"))
    assert "s3cret" not in shown


# -- what is sent -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    ["a b/ü?c", "p/feature%2Fx", "x;y=1/#&", "über/.hidden", "job/job", "a:b/c+d", "%2e%2e/x"],
)
def test_every_part_of_a_name_is_quoted(fake: FakeJenkins, jenkins: Jenkins, name: str) -> None:
    """What Jenkins unquotes is the name again: `feature%2Fx` goes out as `feature%252Fx`."""
    fake.jobs[name] = Job()
    assert jenkins.read(clients.path_of(name), "show it")["fullName"] == name
    jenkins.build(name, is_parameterized=False)
    assert name == fake.items[42].job


UGLY = "ü €\n'; rm -rf ~; ' & = + %20 \" $(touch /tmp/x) \\"


def test_values_arrive_unchanged_in_a_form(fake: FakeJenkins, jenkins: Jenkins, asked: Job) -> None:
    """In the body: the URL has no query."""
    jenkins.build("hello", is_parameterized=True, fields=[("BRANCH", UGLY)])
    assert {"BRANCH": UGLY} == fake.items[42].parameters
    assert "?" not in fake.posts()[0].path


def test_values_arrive_unchanged_beside_a_file(
    fake: FakeJenkins, jenkins: Jenkins, asked: Job
) -> None:
    """Multipart, with the charset that Jenkins would else guess wrong."""
    content = bytes(range(256)) + b"\r\n--x\r\n"
    upload = Upload(name="NOTES", file_name='ü"\n.txt', content=content)
    jenkins.build("hello", is_parameterized=True, fields=[("BRANCH", UGLY)], uploads=[upload])
    item = fake.items[42]
    assert {"BRANCH": UGLY} == item.parameters
    assert content == item.files["NOTES"][1]


def test_only_the_number_is_taken_from_location(
    fake: FakeJenkins, jenkins: Jenkins, job: Job
) -> None:
    """Behind a proxy it names another host: nothing is ever sent there."""
    fake.location = "https://evil.example/ci/"
    assert 42 == jenkins.build("hello", is_parameterized=False).queue_id
    assert 42 == (jenkins.queue_item(42) or {})["id"]


def test_a_location_without_a_host_will_do(fake: FakeJenkins, jenkins: Jenkins, job: Job) -> None:
    """Newer servers send a path only."""
    fake.location = "/ci/"
    assert 42 == jenkins.build("hello", is_parameterized=False).queue_id


def test_what_waits_already_is_told(fake: FakeJenkins, jenkins: Jenkins, asked: Job) -> None:
    """303: the same parameters wait in the queue, and Jenkins makes one build of both."""
    first = jenkins.build("hello", is_parameterized=True)
    again = jenkins.build("hello", is_parameterized=True)
    assert (False, True) == (first.is_merged, again.is_merged)
    assert first.queue_id == again.queue_id


def test_a_trigger_that_was_not_queued_is_a_failure(
    fake: FakeJenkins, jenkins: Jenkins, job: Job
) -> None:
    """A redirect to the job's page is all that Jenkins says when it is shutting down."""
    fake.is_quiet_down = True
    with pytest.raises(Refused, match="did not put hello into its queue"):
        jenkins.build("hello", is_parameterized=False)


@pytest.mark.parametrize(
    ("is_disabled", "is_parameterized", "status"), [(True, False, 409), (False, True, 400)]
)
def test_a_refusal_has_its_status(
    fake: FakeJenkins,
    jenkins: Jenkins,
    job: Job,
    is_disabled: bool,
    is_parameterized: bool,
    status: int,
) -> None:
    """409 disabled, 400 not parameterized; 404 and 500 alike."""
    job.is_disabled = is_disabled
    with pytest.raises(Refused) as refused:
        jenkins.build("hello", is_parameterized=is_parameterized)
    assert status == refused.value.status
    assert refused.value.hint


def test_an_unknown_choice_is_a_500_with_a_word_on_it(fake: FakeJenkins, jenkins: Jenkins) -> None:
    """That is how Jenkins says it."""
    fake.jobs["hello"] = Job([kinds.choice("COLOUR", "red", "blue")])
    with pytest.raises(Refused, match="failed") as refused:
        jenkins.build("hello", is_parameterized=True, fields=[("COLOUR", "green")])
    assert "value" in refused.value.hint


# -- what is sent again -----------------------------------------------------------------


@pytest.mark.parametrize("kind", ["starting", "drop", "proxy 502", "proxy 429", "proxy 520"])
def test_a_get_is_repeated(fake: FakeJenkins, door: Door, job: Job, kind: str) -> None:
    """Also while Jenkins starts; with pauses that grow."""
    fake.fail(kind, times=2)
    pauses: list[float] = []
    door(patience=60.0, sleep=pauses.append).read("job/hello", "show hello")
    assert [0.5, 1.0] == pauses


def test_a_get_is_repeated_when_the_answer_says(fake: FakeJenkins, door: Door, job: Job) -> None:
    """Retry-After, in seconds or as a date; not at all where patience ends before."""
    fake.fail("later 7")
    fake.fail(f"later {formatdate(time.time() + 20, usegmt=True)}")
    fake.fail("later in a while")
    pauses: list[float] = []
    jenkins = door(patience=60.0, sleep=pauses.append)
    jenkins.read("job/hello", "show hello")
    assert [7.0, pytest.approx(20, abs=2), 2.0] == pauses
    fake.fail("later 61")
    with pytest.raises(Away, match="too much is asked") as away:
        jenkins.read("job/hello", "show hello")
    assert 61 == away.value.retry_after


def test_a_get_is_not_repeated_for_ever(fake: FakeJenkins, door: Door, job: Job) -> None:
    """It says that Jenkins is starting, and what to do."""
    fake.fail("starting", times=99)
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    with pytest.raises(Away, match="starting") as away:
        door(patience=10.0, sleep=sleep, clock=lambda: now[0]).read("job/hello", "show hello")
    assert 7.5 == now[0]
    assert "wait" in away.value.hint


@pytest.mark.parametrize("kind", ["drop", "drop after", "hang", "proxy 502"])
def test_a_post_is_not_repeated_blindly(fake: FakeJenkins, door: Door, job: Job, kind: str) -> None:
    """No answer, a late one, or a proxy's: nobody knows, and it is said."""
    fake.fail(kind, "POST")
    with pytest.raises(Unsettled, match="nobody knows"):
        door(timeout=0.5, patience=60.0).build("hello", is_parameterized=False)
    assert 1 == len(fake.posts())


def test_a_post_while_it_starts_was_not_carried_out(
    fake: FakeJenkins, door: Door, job: Job
) -> None:
    """Jenkins' own 503: nothing was done, and that is sure."""
    fake.fail("starting", "POST")
    with pytest.raises(Away, match="starting"):
        door(patience=60.0).build("hello", is_parameterized=False)
    assert 1 == len(fake.posts())


def test_a_post_is_repeated_when_no_connection_came_about(fake: FakeJenkins, job: Job) -> None:
    """Connection refused: it was never received."""
    port = _free_port()
    late: list[FakeJenkins] = []

    def sleep(_: float) -> None:
        if not late:
            late.append(FakeJenkins(port=port))
            late[0].jobs["hello"] = Job()

    login = Login(username="ci", secret="11" + "ab" * 16)
    jenkins = Jenkins(f"http://127.0.0.1:{port}/ci", login=login, patience=9.0, sleep=sleep)
    assert 42 == jenkins.build("hello", is_parameterized=False).queue_id
    assert 1 == len(late[0].posts())
    late[0].close()


def test_a_post_does_not_use_a_connection_that_was_idle(
    fake: FakeJenkins, jenkins: Jenkins, job: Job
) -> None:
    """Jenkins may have closed it by then, which would look like a lost answer."""
    jenkins.read("job/hello", "show hello")
    fake.fail("idle for too long", "POST")
    assert 42 == jenkins.build("hello", is_parameterized=False).queue_id


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def test_nobody_at_home_is_said_with_the_reason(fake: FakeJenkins) -> None:
    """Exit 6, the URL, and the next action."""
    jenkins = Jenkins(f"http://127.0.0.1:{_free_port()}", login=Login(), patience=0.0)
    with pytest.raises(Away, match=r"does not answer at .*Connection refused") as away:
        jenkins.read("", "show it")
    assert 6 == away.value.exit_code
    assert "jenkins.url" in away.value.hint


def test_an_answer_that_does_not_come_ends_the_wait(
    door: Door, fake: FakeJenkins, job: Job
) -> None:
    """jenkins.timeout holds for every request."""
    fake.fail("hang")
    started = time.monotonic()
    with pytest.raises(Away):
        door(timeout=0.3).read("job/hello", "show hello")
    assert time.monotonic() - started < 3


def _queued(connection: socket.socket) -> None:
    """A reader that begins late, and then takes all of it."""
    time.sleep(1.0)
    got = b""
    while not got.endswith(b"--\r\n"):
        got = got[-64:] + connection.recv(1 << 20)
    connection.sendall(
        b"HTTP/1.1 201 C\r\nLocation: /ci/queue/item/42/\r\nContent-Length: 0\r\n\r\n"
    )


def _dripping_head(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 O")
    _drip(connection)


def _dripping_body(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{")
    _drip(connection)


def _drip(connection: socket.socket) -> None:
    with suppress(OSError):
        for _ in range(100):
            connection.sendall(b" ")
            time.sleep(0.1)


@contextmanager
def answering(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """The URL of something that answers like this."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    answer(connection)

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/ci"
        listener.shutdown(socket.SHUT_RDWR)


def test_an_upload_has_more_time_than_a_connect(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy may take it slowly; and nobody would know what became of it."""
    monkeypatch.setattr(jenkins_http, "_CONNECT", 0.3)
    upload = Upload(name="F", file_name="f", content=bytes(20 << 20))
    login = Login(username="ci", secret="11" + "ab" * 16)
    with answering(_queued) as url:
        jenkins = Jenkins(url, login=login, timeout=30.0)
        found = jenkins.build("hello", is_parameterized=True, uploads=[upload])
    assert 42 == found.queue_id


@pytest.mark.parametrize("drip", [_dripping_head, _dripping_body])
def test_an_answer_has_its_time_in_total(drip: Callable[[socket.socket], None]) -> None:
    """One that comes byte by byte is none: jenkins.timeout is for the whole request."""
    login = Login(username="ci", secret="11" + "ab" * 16)
    with answering(drip) as url:
        jenkins = Jenkins(url, login=login, timeout=0.4, patience=0.0)
        for error, ask in (
            (Away, lambda: jenkins.read("job/hello", "show hello")),
            (Unsettled, lambda: jenkins.stop("hello", 1)),
        ):
            started = time.monotonic()
            with pytest.raises(error, match=r"no whole answer within"):
                ask()
            assert time.monotonic() - started < 3


def test_one_call_has_its_time_in_total(
    fake: FakeJenkins, door: Door, job: Job, password: Login
) -> None:
    """Patience, and one request that was begun within it; a POST that, and the same for its crumb.

    Here a Jenkins that takes every request and answers none.
    """
    fake.fail("hang", times=99)
    for login, ask, longest in (
        (None, lambda jenkins: jenkins.read("job/hello", "show hello"), 1.0 + 2 * 0.3),
        (None, lambda jenkins: jenkins.stop("hello", 1), 2 * 0.3),
        (password, lambda jenkins: jenkins.stop("hello", 1), 1.0 + 2 * 0.3),
    ):
        started = time.monotonic()
        with pytest.raises((Away, Unsettled)):
            ask(door(login, timeout=0.3, patience=1.0))
        assert time.monotonic() - started < longest + 1.0


# -- where credentials go ---------------------------------------------------------------


@pytest.fixture
def elsewhere() -> Iterator[tuple[str, list[bytes]]]:
    """A server that notes what it gets; its URL."""
    got: list[bytes] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            got.append(connection.recv(65536))
            connection.close()

    threading.Thread(target=serve, daemon=True).start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}/ci/", got
    listener.close()


def test_redirects_are_not_followed(
    fake: FakeJenkins,
    jenkins: Jenkins,
    job: Job,
    elsewhere: tuple[str, list[bytes]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever answers in Jenkins' place must not lead our credentials to another host."""
    url, got = elsewhere

    def redirect(*_: object) -> None:
        raise kinds._Answer(302, Location=f"{url}?secret=1")

    monkeypatch.setattr(kinds._Handler, "_dispatch", redirect)
    with pytest.raises(Refused, match=r"leads to http://127\.0\.0\.1:\d+/ci/, and cred"):
        jenkins.read("job/hello", "show hello")
    jenkins.stop("hello", 1)
    assert [] == got


def test_a_page_to_log_in_is_no_answer(
    jenkins: Jenkins, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Single sign-on answers strangers with a redirect."""

    def redirect(*_: object) -> None:
        raise kinds._Answer(302, Location="https://sso/securityRealm/commenceLogin?from=x")

    monkeypatch.setattr(kinds._Handler, "_dispatch", redirect)
    with pytest.raises(Refused, match="wants to know who we are"):
        jenkins.build("hello", is_parameterized=False)


def test_another_server_is_told_from_jenkins(
    jenkins: Jenkins, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page where JSON should be: the URL in site.yml is wrong."""

    def page(*_: object) -> None:
        raise kinds._Answer(200, b"<html>welcome</html>")

    monkeypatch.setattr(kinds._Handler, "_dispatch", page)
    with pytest.raises(ServiceError, match="is not Jenkins") as wrong:
        jenkins.read("job/hello", "show hello")
    assert "jenkins.url" in wrong.value.hint
    with pytest.raises(ServiceError, match="is not Jenkins"):
        jenkins.log("hello", 1, 0)


def test_variables_of_libraries_change_nothing(
    fake: FakeJenkins, door: Door, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    """python-jenkins takes headers, and the end of TLS verification, from the environment."""
    monkeypatch.setenv("PYTHONHTTPSVERIFY", "0")
    monkeypatch.setenv("JENKINS_API_EXTRA_HEADERS", "X-Odd: 1")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere")
    jenkins = door()
    jenkins.read("job/hello", "show hello")
    assert "X-Odd" not in fake.requests[0].headers
    assert jenkins._session._http.verify


# -- TLS --------------------------------------------------------------------------------


@pytest.fixture
def tls(tmp_path: Path) -> Iterator[tuple[FakeJenkins, Path]]:
    """A Jenkins with a certificate that nobody knows, and that certificate."""
    certificate = _certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    fake = FakeJenkins(tls=context)
    fake.jobs["hello"] = Job()
    yield fake, certificate
    fake.close()


def _certificate(folder: Path) -> Path:
    import subprocess

    path = folder / "both.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-days", "2", "-subj", "/CN=127.0.0.1", "-keyout", str(path)),
            *("-addext", "subjectAltName=IP:127.0.0.1", "-out", str(folder / "cert.pem")),
        ],
        check=True,
        capture_output=True,
    )
    path.write_text(path.read_text() + (folder / "cert.pem").read_text())
    return path


def test_a_certificate_is_verified(tls: tuple[FakeJenkins, Path], fake: FakeJenkins) -> None:
    """A stranger's is refused before anything is sent; the message names jenkins.ca."""
    login = Login(username="ci", secret="11" + "ab" * 16)
    jenkins = Jenkins(tls[0].url, login=login, patience=60.0)
    for call in (lambda: jenkins.read("", "show it"), lambda: jenkins.stop("hello", 1)):
        with pytest.raises(ServiceError, match="is not trusted") as refused:
            call()
        assert "jenkins.ca" in refused.value.hint
    assert [] == tls[0].requests


def test_tls_that_breaks_off_after_a_post_leaves_it_open(tls: tuple[FakeJenkins, Path]) -> None:
    """Not every failure of TLS comes before the request."""
    fake, certificate = tls
    login = Login(username="ci", secret=fake.users["ci"].api_token)
    fake.fail("drop after", "POST")
    with pytest.raises(Unsettled):
        Jenkins(fake.url, login=login, ca=certificate).build("hello", is_parameterized=False)
    assert 1 == len(fake.items)


def test_the_sites_authority_is_trusted(tls: tuple[FakeJenkins, Path]) -> None:
    """jenkins.ca."""
    fake, certificate = tls
    login = Login(username="ci", secret=fake.users["ci"].api_token)
    jenkins = Jenkins(fake.url, login=login, ca=certificate, patience=0.0)
    assert 42 == jenkins.build("hello", is_parameterized=False).queue_id


# -- what the site says -----------------------------------------------------------------


def test_a_site_without_jenkins_says_what_to_write() -> None:
    """The operator's turn."""
    with pytest.raises(SiteConfigError) as missing:
        Jenkins.of_site(Site(), {})
    assert "jenkins: {url:" in missing.value.hint


def site(**settings: object) -> Site:
    return Site.model_validate({"jenkins": {"url": "https://j.example/ci/", **settings}})


def test_secrets_come_from_the_process_environment() -> None:
    """The variable's user wins over the file's."""
    login = clients.login_of(
        site(username="file"),
        {
            "PYDEPLOY_JENKINS_USERNAME": "env",
            "PYDEPLOY_JENKINS_TOKEN": "s",
            "PYDEPLOY_JENKINS_TRIGGER_TOKEN": "t",
        },
    )
    assert Login(username="env", secret="s", trigger_token="t") == login
    assert ("s", "t") == login.secrets


def test_a_line_feed_at_its_end_is_no_part_of_a_secret() -> None:
    """Mounted files have one; spaces stay, which a password may have."""
    api_token = "11" + "ab" * 16
    login = clients.login_of(
        site(),
        {
            "PYDEPLOY_JENKINS_USERNAME": "ci\n",
            "PYDEPLOY_JENKINS_TOKEN": f"{api_token}\r\n",
            "PYDEPLOY_JENKINS_TRIGGER_TOKEN": " t \n",
        },
    )
    assert Login(username="ci", secret=api_token, trigger_token=" t ") == login
    assert login.has_api_token
    assert Login() == clients.login_of(site(), {"PYDEPLOY_JENKINS_TOKEN": "\n"})


@pytest.mark.parametrize("timeout", ["11m", 601, "1d"])
def test_a_request_has_a_longest_time(timeout: object) -> None:
    """A day in site.yml is a slip, and would be the time that a lost answer is waited for."""
    with pytest.raises(ValidationError, match="600"):
        site(timeout=timeout)
    assert 600 == site(timeout="10m").jenkins.timeout


def test_a_user_without_a_secret_is_nobody() -> None:
    """As with the registry: the file alone logs nobody in."""
    assert Login() == clients.login_of(site(username="file"), {})


def test_a_secret_without_a_user_is_an_error() -> None:
    """Else it would silently be anonymous."""
    with pytest.raises(SiteConfigError, match="whose"):
        clients.login_of(site(), {"PYDEPLOY_JENKINS_TOKEN": "s"})
