"""HTTP as Jenkins wants it: who we are, crumbs, time limits, and what may be sent again.

A GET is repeated while Jenkins is away or starting.  A POST is sent again in two cases only: no
connection came about, so it was never received; or Jenkins refused its crumb, which it looks at
before anything else (CrumbFilter).  Redirects are not followed, so that credentials go nowhere
but to the configured URL.
"""

from __future__ import annotations

import base64
import re
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from pydeploy import __version__, interrupts
from pydeploy.clients import jenkins_answers as answers
from pydeploy.clients import reach
from pydeploy.clients.jenkins_answers import Away, Refused, Unsettled
from pydeploy.errors import ServiceError

if TYPE_CHECKING:
    import requests

Field = tuple[str, str]
_Body = tuple[bytes, str]  # content and its media type
_API_TOKEN = re.compile(r"(11)?[0-9a-f]{32}")  # ApiTokenStore: version 11, or one of before 2.129
_CONNECT = 5.0  # seconds; a machine that is there answers sooner
_FIRST_PAUSE = 0.5


@dataclass(frozen=True, kw_only=True)
class Login:
    """Who we are: an account, a job's own trigger token, both, or nobody."""

    username: str | None = None
    secret: str | None = field(default=None, repr=False)  # an API token, or the password
    trigger_token: str | None = field(default=None, repr=False)

    @property
    def has_api_token(self) -> bool:
        """Jenkins wants no crumb then (ApiCrumbExclusion)."""
        return bool(self.secret and _API_TOKEN.fullmatch(self.secret))

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not be shown."""
        return tuple(one for one in (self.secret, self.trigger_token) if one)


@dataclass(frozen=True, kw_only=True)
class Upload:
    """A file parameter's content."""

    name: str  # of the parameter
    file_name: str
    content: bytes = field(repr=False)


class Session:
    """One session with one Jenkins; its cookies belong to its crumb.  For one thread."""

    def __init__(
        self,
        url: str,
        *,
        login: Login,
        ca: Path | None = None,
        timeout: float = 30.0,
        patience: float = 15.0,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        import requests

        from pydeploy.clients.jenkins_limits import LimitedAdapter

        self.url = url.rstrip("/")
        self._login = login
        self._timeout = (min(timeout, _CONNECT), timeout)
        self._patience = patience
        self._sleep = sleep
        self._clock = clock
        self._crumb: dict[str, str] | None = None
        self._limits = LimitedAdapter(connect=self._timeout[0], answer=timeout)
        self._http = requests.Session()
        self._http.mount("http://", self._limits)
        self._http.mount("https://", self._limits)
        self._http.trust_env = False  # no .netrc, and no other certificates than these
        self._http.verify = _authorities(ca)
        self._http.headers["User-Agent"] = f"pydeploy/{__version__}"
        self._http.headers["Accept-Language"] = "en"  # some pages are told by their words
        if login.username and login.secret:
            pair = f"{login.username}:{login.secret}".encode("utf-8", "surrogateescape")
            self._http.headers["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"

    # -- GET ----------------------------------------------------------------------------

    def get(
        self, url: str, what: str, *, params: Sequence[Field] = (), is_stream: bool = False
    ) -> requests.Response:
        """The answer, which is 200; Away when it does not come, Refused when Jenkins says no."""
        return self._patiently(lambda: self._get_once(url, what, params, is_stream))

    def _get_once(
        self, url: str, what: str, params: Sequence[Field], is_stream: bool
    ) -> requests.Response:
        import requests

        headers = {"Accept-Encoding": "identity"} if is_stream else {}
        try:
            with self._limits.total():
                response = self._http.get(
                    url,
                    params=list(params),
                    headers=headers,
                    timeout=self._timeout,
                    allow_redirects=False,
                    stream=is_stream,
                )
                if response.status_code != 200:
                    response.content  # noqa: B018 (read here, where it may fail)
        except requests.RequestException as problem:
            raise self._away(problem) from problem
        if response.status_code != 200:
            raise answers.failure(response, self.url, what, self._login.username)
        return response

    def _patiently(self, attempt: Callable[[], requests.Response]) -> requests.Response:
        """Its answer; tried again while Jenkins is away, with growing pauses."""
        started, pause = self._clock(), _FIRST_PAUSE
        while True:
            try:
                return attempt()
            except Away as away:
                wait = max(pause, away.retry_after)
                if self._clock() - started + wait > self._patience:
                    raise
            with interrupts.allowed():
                self._sleep(wait)
            pause *= 2

    # -- POST ---------------------------------------------------------------------------

    def post(
        self,
        url: str,
        what: str,
        *,
        fields: Sequence[Field] = (),
        uploads: Sequence[Upload] = (),
        is_multipart: bool = False,
    ) -> requests.Response:
        """The answer, which is a 2xx or a redirect.

        Refused, Away and ServiceError mean that nothing was done; Unsettled that nobody knows.
        Where it is called `interrupts.deferred`, so does Interrupted mean that nothing was done:
        only while a request is under way a signal waits.
        """
        if not self._login.has_api_token and self._crumb is None:
            self._crumb = self._new_crumb()
        body = _body(fields, uploads, is_multipart=is_multipart or bool(uploads))
        response = self._sent(url, what, body)
        if response.status_code == 403 and answers.is_about_crumb(response):
            self._crumb = self._new_crumb()
            response = self._sent(url, what, body)
        if response.status_code < 400:
            return response
        if answers.is_unsettled(response):
            raise Unsettled(
                f"something in front of Jenkins answered HTTP {response.status_code}; nobody knows "
                f"whether Jenkins got the request to {what}",
                service="jenkins",
                hint="look at the job in Jenkins before you try again",
            )
        raise answers.failure(response, self.url, what, self._login.username)

    def _sent(self, url: str, what: str, body: _Body) -> requests.Response:
        """Sent once; again only while no connection comes about."""
        return self._patiently(lambda: self._post_once(url, what, body))

    def _post_once(self, url: str, what: str, body: _Body) -> requests.Response:
        import requests

        # A connection that was idle may have been closed by now, which looks like a lost answer.
        self._http.close()
        content, kind = body
        try:
            with self._limits.total(len(content)):
                return self._http.post(
                    url,
                    data=content,
                    headers={"Content-Type": kind} | (self._crumb or {}),
                    timeout=self._timeout,
                    allow_redirects=False,
                )
        except requests.RequestException as problem:
            if _was_never_sent(problem):
                raise self._away(problem) from problem
            raise self._unanswered(what, reach.reason(problem)) from problem
        except interrupts.Overdue as late:
            raise self._unanswered(what, f"{late.message}, and no longer waited for") from late

    def _new_crumb(self) -> dict[str, str]:
        """The header with a crumb for this session; none where Jenkins wants none."""
        try:
            with interrupts.allowed():
                answer = self.get(f"{self.url}/crumbIssuer/api/json", "get a crumb").json()
            return {str(answer["crumbRequestField"]): str(answer["crumb"])}
        except Refused as no:
            if no.status in (403, 404):  # switched off; or not for us, which the POST will tell
                return {}
            raise
        except (ValueError, LookupError, TypeError) as problem:
            raise answers.no_json(self.url) from problem

    def _unanswered(self, what: str, why: str) -> Unsettled:
        return Unsettled(
            f"Jenkins at {self.url} did not answer the request to {what} ({why}); nobody knows "
            "whether it got it",
            service="jenkins",
            hint="look at the job in Jenkins before you try again",
        )

    def _away(self, problem: Exception) -> ServiceError:
        why = reach.reason(problem)
        if _is_untrusted(problem):  # waiting does not mend it
            return ServiceError(
                f"the certificate of Jenkins at {self.url} is not trusted: {why}",
                service="jenkins",
                hint="name who signed it in site.yml: jenkins.ca",
            )
        return Away(
            f"Jenkins does not answer at {self.url}: {why}",
            hint="see that it runs and is reachable from here: `pydeploy doctor`; jenkins.url in "
            "site.yml",
        )


def _authorities(ca: Path | None) -> str | bool:
    """Whom we trust: `ca` alone, else whom the system trusts."""
    paths = ssl.get_default_verify_paths()
    return str(ca) if ca else paths.cafile or paths.capath or True


def _body(fields: Sequence[Field], uploads: Sequence[Upload], *, is_multipart: bool) -> _Body:
    """Parameters are in the body: URLs are logged by every proxy, and have a greatest length."""
    from urllib3.fields import RequestField
    from urllib3.filepost import encode_multipart_formdata

    if not is_multipart:
        form = urlencode(list(fields), encoding="utf-8", errors="surrogateescape")
        return form.encode(), "application/x-www-form-urlencoded; charset=UTF-8"
    parts = []
    for name, value in fields:
        part = RequestField(name, value.encode("utf-8", "surrogateescape"))
        # Without a charset Jenkins reads it as ISO-8859-1 (DiskFileItem.getString).
        part.make_multipart(content_type="text/plain; charset=UTF-8")
        parts.append(part)
    for one in uploads:
        part = RequestField(one.name, one.content, filename=one.file_name)
        part.make_multipart(content_type="application/octet-stream")
        parts.append(part)
    return encode_multipart_formdata(parts)


def _was_never_sent(problem: BaseException) -> bool:
    """Whether there was no connection on which anything could have gone out."""
    from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

    kinds = (NewConnectionError, ConnectTimeoutError)
    return _is_untrusted(problem) or any(isinstance(one, kinds) for one in _chain(problem))


def _is_untrusted(problem: BaseException) -> bool:
    """Whether the certificate was refused; TLS may fail in other ways, also after the request."""
    return any(isinstance(one, ssl.SSLCertVerificationError) for one in _chain(problem))


def _chain(problem: BaseException) -> Iterator[BaseException]:
    """It, and what it was made of: libraries wrap one in the other."""
    yield problem
    for one in (*problem.args, getattr(problem, "reason", None)):
        if isinstance(one, BaseException):
            yield from _chain(one)
