"""Does Jenkins answer, does it take our credentials, and can we change something there?"""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from pydeploy.clients.jenkins import Jenkins
from pydeploy.clients.jenkins_answers import Refused
from pydeploy.clients.registry import is_loopback
from pydeploy.platform.checks.verdict import Context, Verdict, error, ok, warning

_ACCOUNT = "set PYDEPLOY_JENKINS_USERNAME and PYDEPLOY_JENKINS_TOKEN"


def check(context: Context) -> Iterator[Verdict]:
    if context.site.jenkins.url is None:  # nothing is asked of it then
        return
    jenkins = Jenkins.of_site(context.site)
    try:
        name, version = jenkins.whoami()
    except Refused as no:
        yield error("jenkins", no.message, no.hint)
        return
    yield ok("jenkins", f"{version or 'answers'} at {jenkins.url}")
    yield from _clear_text(jenkins)
    if not name:
        yield _anonymous(jenkins)
        return
    yield ok("jenkins", f"it takes us for {name}")
    yield from _crumb(jenkins)


def _clear_text(jenkins: Jenkins) -> Iterator[Verdict]:
    parts = urlsplit(jenkins.url)
    if jenkins.login.secrets and parts.scheme == "http" and not is_loopback(parts.netloc):
        yield warning(
            "jenkins",
            "credentials go over the network in clear text",
            "give it TLS, and write https:// in jenkins.url",
        )


def _anonymous(jenkins: Jenkins) -> Verdict:
    if jenkins.login.trigger_token:
        return ok("jenkins", "there is a trigger token and no account")
    return warning("jenkins", "there are no credentials: builds cannot be started", _ACCOUNT)


def _crumb(jenkins: Jenkins) -> Iterator[Verdict]:
    if jenkins.login.has_api_token:
        yield ok("jenkins", "an API token: no crumb is needed")
    elif jenkins.crumb_field():
        yield ok("jenkins", "a password, and it hands out crumbs; an API token needs none")
    else:
        yield warning(
            "jenkins",
            "it hands out no crumbs: any web page may act as whoever is logged in",
            "switch the protection against CSRF on, in Manage Jenkins, Security",
        )
