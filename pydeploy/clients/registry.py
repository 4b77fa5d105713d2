"""A registry, by the calls of the OCI distribution specification 1.1 that we need.

Plain http is spoken to loopback addresses only, as Docker does.
"""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urljoin, urlsplit

from pydeploy.errors import ServiceError

if TYPE_CHECKING:
    import urllib3

    from pydeploy.config.site import Site

_MANIFESTS = ", ".join(
    (
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
)
_HINT = "see that the registry runs and is reachable: `pydeploy doctor`"
Body = tuple[bytes, str]  # content and its media type
_PARAMETER = re.compile(r'(\w+)="([^"]*)"')


class Registry:
    """One registry; safe to share between threads."""

    def __init__(
        self,
        address: str,
        *,
        login: tuple[str, str] | None = None,
        ca: Path | None = None,
        timeout: float = 10.0,
    ) -> None:
        import urllib3

        self.address = address
        self._base = f"{'http' if is_loopback(address) else 'https'}://{address}"
        self._login = login
        self._authorization: dict[str, str] = {}  # by scope
        self._pool = urllib3.PoolManager(
            maxsize=8,
            retries=False,
            timeout=urllib3.Timeout(connect=min(timeout, 3.0), read=timeout),
            ca_certs=str(ca) if ca else None,
        )

    @classmethod
    def of_site(cls, site: Site, login: tuple[str, str] | None) -> Registry | None:
        """The registry that `site` names; None where it has none."""
        if site.registry.address is None:
            return None
        return cls(site.registry.address, login=login, ca=site.build.ca)

    def ping(self) -> None:
        """ServiceError unless it answers, and lets us in."""
        self._expect(self._ask("GET", "/v2/", scope=""), 200)

    def exists(self, repository: str, reference: str) -> bool:
        """Whether a manifest of that digest or tag is there."""
        return self.digest(repository, reference) is not None

    def digest(self, repository: str, reference: str) -> str | None:
        """The digest of the manifest that a tag (or digest) names; None when there is none."""
        response = self._manifest("HEAD", repository, reference)
        if response.status == 404:
            return None
        self._expect(response, 200)
        told = response.headers.get("Docker-Content-Digest")
        return told or self._computed(repository, reference)

    def _computed(self, repository: str, reference: str) -> str:
        """Of the manifest's bytes; the specification lets a registry leave the header out."""
        response = self._manifest("GET", repository, reference)
        self._expect(response, 200)
        return f"sha256:{hashlib.sha256(response.data).hexdigest()}"

    def delete(self, repository: str, digest: str) -> bool:
        """Delete a manifest and its tags; False when it was not there."""
        response = self._manifest("DELETE", repository, digest)
        if response.status == 404:
            return False
        self._expect(response, 202)
        return True

    def tag(self, repository: str, digest: str, tag: str) -> None:
        """Give a manifest one more tag.  Nothing happens when it is not there."""
        manifest = self._manifest("GET", repository, digest)
        if manifest.status == 404:
            return
        self._expect(manifest, 200)
        kind = manifest.headers["Content-Type"]
        self._expect(self._manifest("PUT", repository, tag, (manifest.data, kind)), 201)

    def tags(self, repository: str) -> tuple[str, ...]:
        """All tags; none when the registry does not know the repository."""
        scope = f"repository:{repository}:pull"
        pages = self._pages(f"/v2/{repository}/tags/list", scope)
        return tuple(tag for page in pages for tag in page.get("tags") or ())

    def repositories(self) -> tuple[str, ...]:
        """All repositories, where the registry lists them."""
        pages = self._pages("/v2/_catalog", "registry:catalog:*")
        return tuple(name for page in pages for name in page.get("repositories") or ())

    def _pages(self, path: str, scope: str) -> Iterator[dict[str, Any]]:
        """The pages of a list; the next one's address is in the Link header."""
        while path:
            response = self._ask("GET", path, scope=scope)
            if response.status == 404:
                return
            self._expect(response, 200)
            yield json.loads(response.data)
            link = re.match(r'<([^>]+)>;\s*rel="?next"?', response.headers.get("Link") or "")
            following = urlsplit(urljoin(self._base + path, link[1])) if link else None
            path = f"{following.path}?{following.query}" if following else ""

    def _manifest(
        self, method: str, repository: str, reference: str, body: Body | None = None
    ) -> urllib3.BaseHTTPResponse:
        action = {"DELETE": "delete", "PUT": "pull,push"}.get(method, "pull")
        path = f"/v2/{repository}/manifests/{reference}"
        return self._ask(method, path, scope=f"repository:{repository}:{action}", body=body)

    def _ask(
        self, method: str, path: str, *, scope: str, body: Body | None = None
    ) -> urllib3.BaseHTTPResponse:
        """One request; once more with credentials when the registry asks for them."""
        response = self._send(method, path, self._authorization.get(scope), body)
        if response.status == 401 and self._login:
            challenge = response.headers.get("WWW-Authenticate") or ""
            self._authorization[scope] = self._authorize(self._login, challenge, scope)
            response = self._send(method, path, self._authorization[scope], body)
        return response

    def _send(
        self, method: str, path: str, authorization: str | None, body: Body | None
    ) -> urllib3.BaseHTTPResponse:
        data, kind = body or (None, "")
        headers = {"Accept": _MANIFESTS, "Authorization": authorization, "Content-Type": kind}
        given = {name: value for name, value in headers.items() if value}
        return self._request(method, self._base + path, given, data)

    def _request(
        self, method: str, url: str, headers: dict[str, str], data: bytes | None = None
    ) -> urllib3.BaseHTTPResponse:
        import urllib3.exceptions

        try:
            return self._pool.request(method, url, body=data, headers=headers, redirect=False)
        except urllib3.exceptions.HTTPError as gone:
            raise ServiceError(
                f"registry {self.address} does not answer: {type(gone).__name__}",
                service="registry",
                hint=_HINT,
            ) from gone

    def _authorize(self, login: tuple[str, str], challenge: str, scope: str) -> str:
        """The Authorization header that a challenge asks for (RFC 7617, or a token server)."""
        basic = "Basic " + base64.b64encode(":".join(login).encode()).decode()
        kind, _, rest = challenge.partition(" ")
        if kind.lower() != "bearer":
            return basic
        fields = dict(_PARAMETER.findall(rest))
        realm = fields.get("realm", "")
        if urlsplit(realm).scheme != "https" and not is_loopback(urlsplit(realm).netloc):
            raise ServiceError(
                f"registry {self.address} wants the password in clear text, at {realm!r}",
                service="registry",
                hint="put TLS in front of its token server",
            )
        query = urlencode({"service": fields.get("service", ""), "scope": scope})
        response = self._request("GET", f"{realm}?{query}", {"Authorization": basic})
        self._expect(response, 200)
        answer = json.loads(response.data)
        return f"Bearer {answer.get('token') or answer.get('access_token')}"

    def _expect(self, response: urllib3.BaseHTTPResponse, status: int) -> None:
        if response.status == status:
            return
        hint = _HINT
        if response.status in (401, 403):
            hint = "see site.yml: registry/username, and $PYDEPLOY_REGISTRY_PASSWORD"
        if response.status == 405:
            hint = "allow deletion in the registry's configuration (storage/delete/enabled)"
        raise ServiceError(
            f"registry {self.address} refused: HTTP {response.status} {_reason(response)}".rstrip(),
            service="registry",
            hint=hint,
        )


def is_loopback(address: str) -> bool:
    """Whether `host:port` is on this machine."""
    host = urlsplit(f"//{address}").hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _reason(response: urllib3.BaseHTTPResponse) -> str:
    """The first error of the answer, in the registry's words."""
    try:
        return str(json.loads(response.data)["errors"][0]["message"])
    except (ValueError, LookupError, TypeError):
        return ""
