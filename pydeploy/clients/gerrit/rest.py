"""Gerrit by REST (its documentation, "REST API"): below `/a/`, JSON after one magic line."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode, urlsplit

from pydeploy.clients.gerrit import detail
from pydeploy.clients.gerrit.detail import Detail, Found, Person
from pydeploy.clients.gerrit.model import (
    PAGE,
    Account,
    Change,
    NotFound,
    Refused,
    Review,
    message,
)
from pydeploy.clients.reach import reason
from pydeploy.errors import ServiceError

if TYPE_CHECKING:
    import urllib3

_MAGIC = b")]}'"  # before every answer, so that no browser takes it for a script
_WHOLE = ("CURRENT_REVISION", "MESSAGES", "DETAILED_ACCOUNTS", "DETAILED_LABELS")
_LISTED = ("CURRENT_REVISION", "DETAILED_ACCOUNTS", "DETAILED_LABELS")
_SHOWN = ("ALL_REVISIONS", "DETAILED_ACCOUNTS", "DETAILED_LABELS")
_LOOKED_AT = 25  # open changes, to see on what we may vote
_TOO_MANY = 429
_BUSY = (502, 503, 504)  # of a proxy in front, or a server that is starting


class Rest:
    """One Gerrit by HTTP; `login` is a user with an HTTP password, or a bearer token."""

    def __init__(
        self,
        url: str,
        *,
        login: tuple[str, str] | None = None,
        token: str | None = None,
        ca: Path | None = None,
        timeout: float = 10.0,
    ) -> None:
        import urllib3

        self.where = url
        self._headers = {
            "Accept": "application/json",
            "Authorization": _authorization(login, token),
        }
        self._pool = urllib3.PoolManager(
            timeout=urllib3.Timeout(connect=min(timeout, 5.0), read=timeout),
            ca_certs=str(ca) if ca else None,
        )

    def ping(self) -> None:
        self.account()

    def account(self) -> Account:
        return self._self

    @cached_property
    def _self(self) -> Account:
        found = self._get("/accounts/self")
        number = int(found["_account_id"])
        return Account(username=str(found.get("username", number)), number=number)

    def change(self, number: int) -> Change:
        return _change(self._asked_for(number, _WHOLE), self.account())

    def _asked_for(self, number: int, options: tuple[str, ...]) -> Any:
        self.account()  # first: a 404 here is about gerrit/url, not about the change
        try:
            return self._get(f"/changes/{number}", *(("o", one) for one in options))
        except Refused as refused:
            if refused.status == 404:
                raise NotFound(refused.message, 404) from refused
            raise

    def review(self, number: int, patchset: int, review: Review) -> dict[str, int]:
        path = f"/changes/{number}/revisions/{patchset}/review"
        answer = self._ask("POST", path, review.as_input())
        return {str(name): int(vote) for name, vote in (answer.get("labels") or {}).items()}

    def may_vote(self, label: str) -> tuple[int, int] | None:
        newest = self._get(
            "/changes/", ("q", "status:open"), ("n", str(_LOOKED_AT)), ("o", "DETAILED_LABELS")
        )
        if not newest:
            return None
        allowed = [one.get("permitted_labels", {}).get(label, ()) for one in newest]
        return max((_span(one) for one in allowed), key=_width)

    def query(self, text: str, limit: int) -> Found:
        self.account()  # as for one change
        found: list[dict[str, Any]] = []
        is_more = True
        while is_more and len(found) < limit:
            page = self._get(
                "/changes/",
                ("q", text),
                ("n", str(min(PAGE, limit - len(found)))),
                ("S", str(len(found))),
                *(("o", one) for one in _LISTED),
            )
            found += page
            is_more = bool(page and page[-1].get("_more_changes"))
        changes = tuple(detail.of_rest(one, self.where) for one in found[:limit])
        return Found(changes=changes, is_more=is_more)

    def show(self, number: int) -> Detail:
        return detail.of_rest(self._asked_for(number, _SHOWN), self.where)

    def members(self, group: str) -> tuple[Person, ...]:
        found = self._get(f"/groups/{quote(group, safe='')}/members/", ("recursive", "true"))
        return tuple(detail.person(one) for one in found)

    def abandon(self, number: int, message: str) -> None:
        self._ask("POST", f"/changes/{number}/abandon", {"message": message} if message else {})

    def rebase(self, number: int, onto: int | None) -> None:
        body = {} if onto is None else {"base": str(onto)}
        self._ask("POST", f"/changes/{number}/rebase", body)

    def submit(self, number: int) -> None:
        self._ask("POST", f"/changes/{number}/submit", {})

    def date(self) -> str:
        """What time it is there, as HTTP's Date header says."""
        return str(self._send("GET", "/config/server/version", None).headers.get("Date") or "")

    # -- the wire -----------------------------------------------------------------------

    def _get(self, path: str, *query: tuple[str, str]) -> Any:
        return self._ask("GET", f"{path}?{urlencode(query)}" if query else path)

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        response = self._send(method, path, body)
        if response.status in (*_BUSY, _TOO_MANY):
            raise self._gone(f"HTTP {response.status}")
        if 300 <= response.status < 400:
            location = urlsplit(response.headers.get("Location") or "")
            raise self._gone(f"it sends us on to {location.scheme}://{location.netloc}")
        if response.status >= 400:
            raise Refused(_said(response.data), response.status)
        if not response.data.startswith(_MAGIC):
            raise self._gone("what answers is no Gerrit, or not below that path")
        try:
            return json.loads(response.data[len(_MAGIC) :])
        except ValueError as wrong:
            raise self._gone("its answer is cut off") from wrong

    def _send(self, method: str, path: str, body: Any) -> urllib3.BaseHTTPResponse:
        import urllib3.exceptions

        data = None if body is None else json.dumps(body).encode()
        headers = {**self._headers, **({"Content-Type": "application/json"} if data else {})}
        try:
            return self._pool.request(
                method,
                f"{self.where}/a{path}",
                body=data,
                headers=headers,
                redirect=False,
                retries=_retries(method),
            )
        except urllib3.exceptions.HTTPError as problem:
            raise self._gone(reason(problem)) from problem

    def _gone(self, why: str) -> ServiceError:
        return ServiceError(
            f"Gerrit does not answer at {self.where}: {why}",
            service="gerrit",
            is_passing=True,
            hint="see that it runs and is reachable from here, and gerrit/url and gerrit/ca in "
            "site.yml: `pydeploy doctor`",
        )


def _span(votes: Iterable[str]) -> tuple[int, int]:
    """Of what Gerrit permits on one change."""
    numbers = [int(vote) for vote in votes]
    return (min(numbers), max(numbers)) if numbers else (0, 0)


def _width(span: tuple[int, int]) -> tuple[int, int]:
    """Both ways counts first."""
    least, most = span
    return min(-least, most), most - least


def _retries(method: str) -> urllib3.Retry:
    """GET is asked again; a POST only where no connection came about, so that nothing was sent."""
    import urllib3

    again = 2 if method == "GET" else 0
    return urllib3.Retry(
        total=2,
        connect=2,
        read=again,
        status=again,
        other=0,
        redirect=0,
        allowed_methods=None,
        status_forcelist=_BUSY if again else (),
        backoff_factor=0.3,
        raise_on_status=False,
        respect_retry_after_header=False,
    )


def _authorization(login: tuple[str, str] | None, token: str | None) -> str:
    if token:
        return f"Bearer {token}"
    return "Basic " + base64.b64encode(":".join(login or ("", "")).encode()).decode()


def _said(data: bytes) -> str:
    """Gerrit's reason is plain text; a login page or a proxy's error is not repeated."""
    text = data[:500].decode(errors="replace").strip()
    return text.splitlines()[0] if text and not text.startswith("<") else ""


def _change(found: dict[str, Any], us: Account) -> Change:
    revision = str(found.get("current_revision", ""))
    return Change(
        number=int(found["_number"]),
        gerrit_project=str(found["project"]),
        branch=str(found["branch"]),
        status=str(found["status"]),
        patchset=int(found["revisions"][revision]["_number"]) if revision else 0,
        revision=revision,
        messages=tuple(
            message(str(one["message"]), one.get("_revision_number"))
            for one in found.get("messages", ())
            if one.get("author", {}).get("_account_id") == us.number
        ),
        votes={
            label: int(one["value"])
            for label, details in found.get("labels", {}).items()
            for one in details.get("all", ())
            if one.get("_account_id") == us.number and one.get("value")
        },
    )
