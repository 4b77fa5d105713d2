"""Jenkins by its remote access API: python-jenkins' words, and what it lacks.

python-jenkins knows the addresses of jobs, builds and queue items.  Ours are: parameters in the
body, files, the queue item's number from `Location`, the console by byte offset, and how all of
it is sent (`jenkins_http`); see docs/adr/0021-python-jenkins-and-what-we-add.md.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote, unquote, urlencode, urlsplit

from pydeploy.clients import jenkins_answers as answers
from pydeploy.clients.jenkins_answers import Away, Refused
from pydeploy.clients.jenkins_http import Field, Login, Session, Upload
from pydeploy.errors import SiteConfigError

if TYPE_CHECKING:
    import requests

    from pydeploy.config.site import Site

Force = Literal["stop", "term", "kill"]
_QUEUE_ITEM = re.compile(r"/queue/item/(\d+)/?$")
_CHUNK = 64 << 10
# `token` is the job's own secret, `cause` what its builds say of who started them.
TRIGGER_TOKEN, CAUSE = "token", "cause"
CAUSES = "causes[userId,note,shortDescription]"


@dataclass(frozen=True, kw_only=True)
class Queued:
    """What Jenkins says to a trigger."""

    queue_id: int
    is_merged: bool  # into an item that waited already, with the same parameters


@dataclass(frozen=True, kw_only=True)
class Piece:
    """Bytes of a console; `body` is read once.  `size` is where to go on, in the log itself."""

    body: Iterator[bytes]
    size: int
    has_more: bool  # the build still writes


class Jenkins:
    """One Jenkins; for one thread.  A job is named by its full name: `folder/job`."""

    def __init__(self, url: str, *, login: Login, **options: Any) -> None:
        """`options` are those of Session."""
        self.url = url.rstrip("/")
        self.login = login
        self._session = Session(self.url, login=login, **options)
        self._library = _library(self.url, self._session)

    @classmethod
    def of_site(cls, site: Site, env_vars: Mapping[str, str] | None = None) -> Jenkins:
        """The one that `site` names; SiteConfigError where it names none."""
        settings = site.jenkins
        if settings.url is None:
            raise SiteConfigError(
                "site.yml names no Jenkins",
                hint="write `jenkins: {url: https://jenkins.example.org}`",
            )
        login = login_of(site, os.environ if env_vars is None else env_vars)
        return cls(settings.url, login=login, ca=settings.ca, timeout=float(settings.timeout))

    # -- reading ------------------------------------------------------------------------

    def read(self, path: str, what: str, tree: str = "") -> dict[str, Any]:
        """The api/json of what is at `path` below the root (not quoted), as far as `tree` says."""
        query = f"?{urlencode({'tree': tree})}" if tree else None
        return self._ask(what, lambda library: library.get_info(path, query))

    def queue_item(self, number: int) -> dict[str, Any] | None:
        """None once it is no longer known: about five minutes after it left the queue."""
        try:
            return self._ask(
                f"show queue item {number}", lambda library: library.get_queue_item(number)
            )
        except Refused as no:
            if no.status == 404:
                return None
            raise

    def queue(self) -> list[dict[str, Any]]:
        """Everything that waits, with parameters and causes."""
        tree = f"items[id,why,task[name,url],actions[parameters[name,value],{CAUSES}]]"
        items: list[dict[str, Any]] = self.read("queue", "show its queue", tree).get("items", [])
        return items

    def whoami(self) -> tuple[str, str]:
        """Our name there, empty for nobody, and its version, empty where a proxy hides it."""
        response = self._session.get(f"{self.url}/whoAmI/api/json", "say who we are")
        try:
            found = response.json()
            name = "" if found["anonymous"] else str(found["name"])
        except (ValueError, LookupError, TypeError) as problem:
            raise answers.no_json(self.url) from problem
        return name, response.headers.get("X-Jenkins", "")

    def log(self, job: str, number: int, start: int) -> Piece:
        """The console from byte `start` of the log on (LargeText.doProgressText).

        The body is no slice of the log: line ends and annotations are changed on the way, so only
        X-Text-Size says where the next piece begins.
        """
        response = self._session.get(
            f"{self.url}/{quote(path_of(job))}/{number}/logText/progressiveText",
            f"show the console of {job} {number}",
            params=[("start", str(start))],
            is_stream=True,
        )
        size = response.headers.get("X-Text-Size", "")
        if not size.isdecimal():
            response.close()
            raise answers.no_json(self.url)
        return Piece(
            body=_body(response, self.url),
            size=int(size),
            has_more=response.headers.get("X-More-Data") == "true",
        )

    def _ask(self, what: str, ask: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        import jenkins  # type: ignore[import-untyped]

        self._library.wanted = what
        try:
            return ask(self._library)
        except jenkins.JenkinsException as problem:  # all it says: that is no JSON, or nothing
            raise answers.no_json(self.url) from problem

    # -- changing -----------------------------------------------------------------------

    def build(
        self,
        job: str,
        *,
        is_parameterized: bool,
        fields: Sequence[Field] = (),
        uploads: Sequence[Upload] = (),
        is_multipart: bool = False,
        cause: str = "",
    ) -> Queued:
        """Ask for a build.  Unsettled when nobody knows whether Jenkins got the request."""
        what = f"start {job}"
        url = (
            f"{self.url}/{quote(path_of(job))}/build{'WithParameters' if is_parameterized else ''}"
        )
        token = self.login.trigger_token
        secret = [(TRIGGER_TOKEN, token), *([(CAUSE, cause)] if cause else [])] if token else []
        response = self._session.post(
            url, what, fields=[*fields, *secret], uploads=uploads, is_multipart=is_multipart
        )
        where = urlsplit(response.headers.get("Location", "")).path
        item = _QUEUE_ITEM.search(where)
        if item:  # only its number: the root URL that Jenkins knows may be another one
            return Queued(queue_id=int(item[1]), is_merged=response.status_code == 303)
        if answers.is_login(response):
            raise answers.failure(response, self.url, what, self.login.username)
        if response.status_code == 302:  # to the job's page: a QueueDecisionHandler was against it
            raise Refused(
                f"Jenkins did not put {job} into its queue",
                status=response.status_code,
                hint="it may be preparing to shut down; see its front page, and its log",
            )
        raise answers.Unsettled(
            f"Jenkins took the request to {what} and did not say which queue item it is",
            service="jenkins",
            hint="look at the job in Jenkins; a proxy may have taken the header Location away",
        )

    def stop(self, job: str, number: int, force: Force = "stop") -> None:
        """Ask a build to stop; `term` and `kill` are for pipelines that do not."""
        url = f"{self.url}/{quote(path_of(job))}/{number}/{force}"
        self._session.post(url, f"stop {job} {number}")

    def cancel(self, queue_id: int) -> None:
        """Take an item out of the queue; Refused (404, or 500) when it had left it."""
        self._session.post(
            f"{self.url}/queue/cancelItem",
            f"cancel queue item {queue_id}",
            fields=[("id", str(queue_id))],
        )

    def crumb_field(self) -> str:
        """The name of the header; empty where Jenkins hands out no crumbs."""
        try:
            return str(self.read("crumbIssuer", "get a crumb").get("crumbRequestField", ""))
        except Refused as no:
            if no.status == 404:
                return ""
            raise

    def build_url(self, job: str, number: int) -> str:
        return f"{self.url}/{quote(path_of(job))}/{number}/"

    def queue_url(self, queue_id: int) -> str:
        return f"{self.url}/queue/item/{queue_id}/"


def login_of(site: Site, env_vars: Mapping[str, str]) -> Login:
    """Who we are, as the process environment says; SiteConfigError for a token without a user.

    A line feed at the end of a secret is no part of it: it is that of the file where it was kept.
    """

    def given(variable: str) -> str | None:
        return env_vars.get(variable, "").rstrip("\r\n") or None

    username = given("PYDEPLOY_JENKINS_USERNAME") or site.jenkins.username
    secret = given("PYDEPLOY_JENKINS_TOKEN")
    if secret and not username:
        raise SiteConfigError(
            "$PYDEPLOY_JENKINS_TOKEN is set, but nobody says whose it is",
            hint="set PYDEPLOY_JENKINS_USERNAME, or write jenkins.username in site.yml",
        )
    return Login(
        username=username if secret else None,
        secret=secret,
        trigger_token=given("PYDEPLOY_JENKINS_TRIGGER_TOKEN"),
    )


def path_of(job: str) -> str:
    """`job/a/job/b` of `a/b`; not quoted."""
    return "/".join(f"job/{part}" for part in job.split("/"))


def is_of_job(url: str, job: str) -> bool:
    """Whether this is the job's URL as Jenkins writes it, with whatever root it believes in."""
    path, end = unquote(urlsplit(url).path).rstrip("/"), f"/{path_of(job)}"
    is_deeper = re.search(r"/job/[^/]+$", path.removesuffix(end))
    return path.endswith(end) and not is_deeper


def _body(response: requests.Response, url: str) -> Iterator[bytes]:
    """The bytes as they come; Away when they end too early."""
    import requests

    try:
        yield from response.iter_content(_CHUNK)
    except requests.RequestException as problem:
        raise Away(f"Jenkins at {url} broke off within a console") from problem
    finally:
        response.close()


def _library(url: str, session: Session) -> Any:
    """python-jenkins, with all it sends going through `session`."""
    import jenkins

    class Library(jenkins.Jenkins):  # type: ignore[misc]
        """Without its own constructor: that one switches TLS verification off where a variable
        of the process environment says so, and logs headers that another one holds.
        """

        def __init__(self) -> None:
            self.server = f"{url}/"
            self.wanted = ""  # what we ask for, in words

        def jenkins_request(
            self,
            req: requests.Request,
            add_crumb: bool = True,
            resolve_auth: bool = True,
            stream: bool | None = None,
        ) -> requests.Response:
            if req.method != "GET":
                raise NotImplementedError(f"{req.method}: what changes something is sent by us")
            return session.get(str(req.url), self.wanted)

    return Library()
