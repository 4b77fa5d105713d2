"""One Docker engine, by the SDK for what it answers and by environment variables for the CLI."""

from __future__ import annotations

import contextlib
import inspect
import socket
import threading
import time
from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pydeploy.clients import reach
from pydeploy.clients.tunnel import Broken, Tunnel
from pydeploy.config.site import Engine
from pydeploy.errors import ServiceError, SiteConfigError

if TYPE_CHECKING:
    import docker

_TIMEOUT = 60  # seconds for one request; removing a big image takes a while
_CONNECT_TIMEOUT = 5  # seconds; an engine that is elsewhere may have gone without a word
_SILENCE = 10_000  # milliseconds after which what was sent and not received ends a connection
_LONG = 2.0  # seconds; an engine that is away and says so at once may be asked again at once
_REST = 10.0  # seconds for which one that is away without a word is not asked again
_LOOK = 5.0  # seconds between looks at an engine that others wait for


class DockerEngine:
    """An engine of the site, under its name there."""

    def __init__(self, name: str, settings: Engine) -> None:
        self.name = name
        self.settings = settings
        self.host = settings.host
        self.is_local = settings.host.startswith("unix://")
        self._tunnel = Tunnel(settings.host) if settings.host.startswith("ssh://") else None
        self._away: tuple[float, ServiceError] | None = None  # since when, without a word

    @cached_property
    def sdk(self) -> docker.DockerClient:
        """The SDK's client; importing it takes about 150 ms, so only when it is needed."""
        import docker

        client: docker.DockerClient = docker.DockerClient.__new__(docker.DockerClient)
        with self.answering():
            client.api = _own_session()(
                base_url=self._door(), tls=self._tls(), timeout=_TIMEOUT, max_pool_size=32
            )
        return client

    @property
    def api(self) -> Any:
        """The SDK's low-level API: plain JSON in and out."""
        with self.answering():
            self._door()  # the way there may have broken since
        return self.sdk.api

    def _door(self) -> str:
        return self._tunnel.opened() if self._tunnel else self.host

    def _tls(self) -> Any:
        folder = self.settings.tls
        if folder is None:
            return False
        from docker.tls import TLSConfig

        missing = [
            name for name in ("ca.pem", "cert.pem", "key.pem") if not (folder / name).is_file()
        ]
        if missing:
            raise SiteConfigError(
                f"engine {self.name!r}: {', '.join(missing)} missing in {folder}",
                hint=f"put them there, or correct engines/{self.name}/tls in site.yml",
            )
        return TLSConfig(
            client_cert=(str(folder / "cert.pem"), str(folder / "key.pem")),
            ca_cert=str(folder / "ca.pem"),
            verify=True,
        )

    def env_vars(self) -> dict[str, str]:
        """What makes the docker CLI talk to this engine, as long as we run."""
        with self.answering():
            return {**self.lasting_env_vars(), "DOCKER_HOST": self._door()}

    def lasting_env_vars(self) -> dict[str, str]:
        """The same for what has to reach it when we have ended."""
        variables = {"DOCKER_HOST": self.host}
        if self.settings.tls:
            variables |= {"DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(self.settings.tls)}
        return variables

    def warm_up(self) -> None:
        """Import the SDK and connect in the background, while something else is waited for."""

        def connect() -> None:
            with contextlib.suppress(ServiceError):
                _ = self.sdk

        threading.Thread(target=connect, daemon=True).start()

    @contextlib.contextmanager
    def answering(self) -> Iterator[None]:
        """Turn "the engine does not answer" into ServiceError; other API errors pass.

        One that was away without a word is not asked again for a while: each time would take
        seconds, and who ends because of it has much to ask.
        """
        import docker.errors
        import requests.exceptions

        began = time.monotonic()
        if self._away and began - self._away[0] < _REST:
            raise self._away[1]
        try:
            yield
        except docker.errors.APIError as refused:
            if refused.is_server_error() and "no space left on device" in str(refused.explanation):
                raise ServiceError(
                    f"the disk of engine {self.name!r} is full",
                    service="docker",
                    hint="free some: `pydeploy prune`, `docker builder prune`",
                ) from refused
            raise
        except (
            Broken,
            docker.errors.DockerException,
            requests.exceptions.RequestException,
            OSError,
        ) as gone:
            failure = self._failure(gone)
            now = time.monotonic()
            if now - began > _LONG:
                self._away = (now, failure)
            raise failure from gone

    def _failure(self, gone: BaseException) -> ServiceError:
        why = (self._tunnel.said() if self._tunnel else "") or reach.reason(gone)
        return ServiceError(
            f"engine {self.name!r} does not answer at {self.host}: {why}",
            service="docker",
            hint=reach.hint(self.settings, why),
        )

    @contextlib.contextmanager
    def obeying(self) -> Iterator[None]:
        """Like `answering`, for what it has no reason to refuse: a refusal is ServiceError, too."""
        import docker.errors

        try:
            with self.answering():
                yield
        except docker.errors.APIError as refused:
            raise ServiceError(
                f"engine {self.name!r} refuses: {refused.explanation or refused}",
                service="docker",
                hint="run the same command again; `pydeploy doctor` if it stays so",
            ) from refused

    def is_answering(self) -> bool:
        try:
            with self.answering():
                return bool(self.api.ping())
        except ServiceError:
            return False

    @contextlib.contextmanager
    def attended(self, cancel: threading.Event) -> Iterator[Attention]:
        """For a program that waits for the engine, and would for long after it was cut off.

        Only TLS needs it: a socket, and ssh, break by themselves.
        """
        attention = Attention(cancel)
        is_over = threading.Event()

        def look() -> None:
            while not is_over.wait(_LOOK):
                if not self.is_answering():
                    attention.is_lost = True
                    return

        if self.settings.tls:
            threading.Thread(target=look, daemon=True).start()
        try:
            yield attention
        finally:
            is_over.set()


class Attention(threading.Event):
    """Set once `cancel` is, or once the engine is lost; `is_lost` says which."""

    def __init__(self, cancel: threading.Event) -> None:
        super().__init__()
        self._cancel = cancel
        self.is_lost = False

    def is_set(self) -> bool:
        return self.is_lost or self._cancel.is_set()


def _own_session() -> Any:
    """The SDK's low-level client, to which the agent's environment says nothing.

    requests lets REQUESTS_CA_BUNDLE win over the authority that was given to it, and would ask a
    proxy for an engine.
    """
    import docker
    from requests.adapters import HTTPAdapter

    class Cable(HTTPAdapter):
        """Connections that notice when the other end is not there any more."""

        def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
            super().init_poolmanager(*arguments, socket_options=_cable_options(), **options)

        def send(
            self,
            request: Any,
            stream: bool = False,
            timeout: Any = None,
            verify: Any = True,
            cert: Any = None,
            proxies: Any = None,
        ) -> Any:
            patience = timeout if isinstance(timeout, tuple) else (_CONNECT_TIMEOUT, timeout)
            return super().send(request, stream, patience, verify, cert, proxies)

    class Session(docker.APIClient):
        trust_env = property(lambda _: False, lambda *_: None)

        def get_adapter(self, url: str) -> Any:
            if url.startswith("https://") and not isinstance(self.adapters["https://"], Cable):
                self.mount("https://", Cable(pool_maxsize=32))
            return super().get_adapter(url)

    return Session


def _cable_options() -> list[tuple[int, int, int]]:
    from urllib3.connection import HTTPConnection

    tcp = socket.IPPROTO_TCP
    return [
        *HTTPConnection.default_socket_options,
        (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
        (tcp, socket.TCP_KEEPIDLE, 5),
        (tcp, socket.TCP_KEEPINTVL, 2),
        (tcp, socket.TCP_KEEPCNT, 3),
        (tcp, socket.TCP_USER_TIMEOUT, _SILENCE),
    ]


def one(engines: dict[str, Engine], name: str) -> DockerEngine:
    return DockerEngine(name, engines[name])


def hang_up(events: Iterator[Any]) -> None:
    """Shut the connection behind a stream of the SDK's, which it can do for some of them only."""
    from docker.errors import DockerException
    from docker.types import CancellableStream

    response: Any = inspect.getgeneratorlocals(events).get("response")  # type: ignore[arg-type]
    with contextlib.suppress(DockerException, OSError, AttributeError, UnboundLocalError):
        CancellableStream(events, response).close()
