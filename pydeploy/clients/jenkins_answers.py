"""What Jenkins' answers mean, and what to do next."""

from __future__ import annotations

import re
import time
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from pydeploy.errors import ServiceError

if TYPE_CHECKING:
    import requests

_LOGIN = re.compile(r"/(login|securityRealm|j_\w+|oauth|oic|saml)", re.IGNORECASE)
_TOO_MANY = 429
# Jenkins starts or stops, a proxy finds nobody behind it, or one of them has too much to do.
_NOT_NOW = (_TOO_MANY, 502, 503, 504)
_STARTING = re.compile("Please wait while Jenkins is (getting ready to work|restarting)")
_MUCH = 64 << 10  # bytes of a page that are looked at


class Away(ServiceError):
    """No answer, or one that says "not now"; nothing was done, and waiting may help.

    `retry_after` is how many seconds to wait at the least, as the answer says.
    """

    def __init__(self, message: str, *, hint: str = "", retry_after: float = 0.0) -> None:
        super().__init__(message, service="jenkins", hint=hint, is_passing=True)
        self.retry_after = retry_after


class Unsettled(ServiceError):
    """A request was sent, and nobody knows whether it was carried out."""


class Refused(ServiceError):
    """Jenkins said no, with this HTTP status; nothing was done."""

    def __init__(self, message: str, *, status: int, hint: str = "") -> None:
        super().__init__(message, service="jenkins", hint=hint)
        self.status = status


def is_about_crumb(response: requests.Response) -> bool:
    """Whether this 403 says that the crumb is missing, or of another session (CrumbFilter).

    The words, not the word: every page of Jenkins has a crumb in it.
    """
    return "No valid crumb" in response.text[:_MUCH]


def is_unsettled(response: requests.Response) -> bool:
    """Whether this failure of a POST leaves open what Jenkins did: a proxy may have answered."""
    return response.status_code >= 500 and not _is_jenkins(response)


def is_login(response: requests.Response) -> bool:
    """Whether we are sent to a page where people log in."""
    where = response.headers.get("Location", "").split("?")[0]
    return bool(_LOGIN.search(where)) and 300 <= response.status_code < 400


def _is_jenkins(response: requests.Response) -> bool:
    """Whether it answered itself.  The page of a start (HudsonIsLoading) has not the header."""
    return "X-Jenkins" in response.headers or bool(_STARTING.search(response.text[:_MUCH]))


def failure(response: requests.Response, url: str, what: str, username: str | None) -> ServiceError:
    """The error for an answer that is no success; `what` is what we wanted: `start docs/build`."""
    status = response.status_code
    if status in _NOT_NOW or (status >= 500 and not _is_jenkins(response)):
        return _not_now(response, url)
    if 300 <= status < 400:
        return _elsewhere(response, url)
    if status == 401:
        return _unknown(url, status, username)
    if status == 403:
        who = username or "anonymous"
        return Refused(
            f"Jenkins does not let {who} {what} (HTTP 403){_permission(response)}",
            status=status,
            hint=_hint_403(response, username),
        )
    messages = {
        400: f"Jenkins refused the request to {what}",
        404: f"Jenkins at {url} cannot {what}: it knows no such thing",
        409: f"Jenkins does not {what}: it is disabled",
        500: f"Jenkins failed when it was asked to {what}",
    }
    hints = {
        404: "see that it exists and that this account may see it: `pydeploy jobs`",
        409: "enable it in Jenkins, on the page of the job",
        500: "see the log of Jenkins (Manage Jenkins, System Log); a value that a parameter does "
        "not take ends like this, too",
    }
    return Refused(
        f"{messages.get(status, f'Jenkins at {url} did not {what}')} (HTTP {status})",
        status=status,
        hint=hints.get(status, "see the log of Jenkins, and of the proxy in front of it"),
    )


def no_json(url: str) -> ServiceError:
    return ServiceError(
        f"what answers at {url} is not Jenkins: its api/json is no JSON",
        service="jenkins",
        hint="write the root of Jenkins in site.yml: jenkins.url, with its path if it has one",
    )


def _not_now(response: requests.Response, url: str) -> ServiceError:
    status, later = response.status_code, _retry_after(response)
    if status == _TOO_MANY:
        return Away(
            f"too much is asked of Jenkins at {url} (HTTP {status})",
            hint="run it again later, or see the limits of the proxy in front of it",
            retry_after=later,
        )
    if _is_jenkins(response):
        return Away(
            f"Jenkins at {url} is starting or going down (HTTP {status})",
            hint="wait until it is up, then run it again",
            retry_after=later,
        )
    return Away(
        f"what is in front of Jenkins at {url} does not reach it (HTTP {status})",
        hint="see that Jenkins runs, and the proxy in front of it",
        retry_after=later,
    )


def _retry_after(response: requests.Response) -> float:
    """Seconds, which may be written as a date (RFC 9110, 10.2.3); 0 where it says nothing."""
    text = response.headers.get("Retry-After", "").strip()
    if text.isdecimal():
        return float(text)
    try:
        return max(parsedate_to_datetime(text).timestamp() - time.time(), 0.0)
    except (ValueError, OverflowError):
        return 0.0


def _elsewhere(response: requests.Response, url: str) -> ServiceError:
    if is_login(response):
        return _unknown(url, response.status_code, None)
    where = response.headers.get("Location", "").split("?")[0]
    return Refused(
        f"{url} leads to {where or 'nowhere'}, and credentials are not sent there",
        status=response.status_code,
        hint="write the address at which Jenkins itself answers in site.yml: jenkins.url",
    )


def _unknown(url: str, status: int, username: str | None) -> Refused:
    if username is None:
        return Refused(
            f"Jenkins at {url} wants to know who we are (HTTP {status})",
            status=status,
            hint="give an account in $PYDEPLOY_JENKINS_USERNAME and $PYDEPLOY_JENKINS_TOKEN",
        )
    return Refused(
        f"Jenkins at {url} does not accept the credentials of {username} (HTTP {status})",
        status=status,
        hint="see $PYDEPLOY_JENKINS_USERNAME and $PYDEPLOY_JENKINS_TOKEN; an API token is made in "
        "Jenkins on the user's own page, below Security",
    )


def _permission(response: requests.Response) -> str:
    """`: it takes hudson.model.Item.Build` (AccessDeniedException3.reportAsHeaders)."""
    wanted = response.headers.get("X-Required-Permission", "")
    return f": that takes the permission {wanted}" if wanted else ""


def _hint_403(response: requests.Response, username: str | None) -> str:
    if is_about_crumb(response):
        return (
            "it refused the crumb: give an API token in $PYDEPLOY_JENKINS_TOKEN, which needs none; "
            "or see that no proxy takes the crumb's header or the session cookie away"
        )
    if username is None:
        return (
            "give an account in $PYDEPLOY_JENKINS_USERNAME and $PYDEPLOY_JENKINS_TOKEN; if a "
            "trigger token was given, see that it is the job's"
        )
    return "grant it in Jenkins; if a trigger token was given, see that it is the job's"
