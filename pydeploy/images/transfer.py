"""Images between engine and registry: what is there, pull, push."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pydeploy import durations
from pydeploy.clients.docker import DockerEngine, hang_up
from pydeploy.clients.registry import Registry
from pydeploy.errors import ConfigError, ServiceError
from pydeploy.images.stop import Stop

Events = Iterator[dict[str, Any]]  # the engine's progress
_BAD_REQUEST = 400
_HINT = "see that the registry runs and is reachable from the engine: `pydeploy doctor`"


@dataclass(frozen=True, kw_only=True)
class Transfer:
    """One engine, and the site's registry where it has one.

    A pull or push ends after `timeout` seconds, or when `stop` is set.
    """

    engine: DockerEngine
    registry: Registry | None
    login: tuple[str, str] | None
    stop: Stop
    timeout: float

    def inspect(self, name: str) -> dict[str, Any] | None:
        """What the engine knows about an image; None when it has none of that name or digest."""
        import docker.errors

        with self.engine.answering():
            try:
                found: dict[str, Any] = self.engine.api.inspect_image(name)
            except docker.errors.ImageNotFound:
                return None
            except docker.errors.APIError as refused:
                if refused.status_code == _BAD_REQUEST:
                    raise ConfigError(f"{name!r} is no name of an image") from refused
                raise
            return found

    def is_there(self, pinned: str, repository: str) -> bool:
        """Whether `pinned` can be run: by digest from the registry, by id from the engine.

        With a registry the registry counts, because other engines will want the image from
        there; while it does not answer, an image that the engine has will do.
        """
        if self.registry is None:
            return self.inspect(pinned) is not None
        try:
            return self.registry.exists(self._path(repository), pinned.partition("@")[2])
        except ServiceError:
            if self.inspect(pinned) is None:
                raise
            return True

    def pull(self, name: str) -> None:
        """Fetch `name` (a tag or a digest).

        ConfigError when there is no such image, ServiceError when its registry does not answer.
        """
        import docker.errors

        with self._events(f"{name} could not be pulled"), self.engine.answering():
            try:
                repository, tag = _split(name)
                self._follow(
                    lambda: self.engine.api.pull(
                        repository, tag=tag, stream=True, decode=True, auth_config=self._auth(name)
                    )
                )
            except docker.errors.NotFound as absent:
                raise ConfigError(
                    f"there is no image {name}, or it is not for everybody to pull",
                    hint="correct its name in the compose file",
                    logs=str(absent.explanation),
                ) from absent

    def push(self, repository: str, tag: str) -> str:
        """Put an image into the registry; the digest of its manifest."""
        with self._events(f"{repository}:{tag} could not be pushed"), self.engine.answering():
            digest = self._follow(
                lambda: self.engine.api.push(
                    repository,
                    tag=tag,
                    stream=True,
                    decode=True,
                    auth_config=self._auth(repository),
                )
            )
        # With containerd's image store the engine does not tell it.
        digest = digest or self.named(repository, tag) or ""
        if not digest:
            raise ServiceError(
                f"the registry gave no digest for {repository}:{tag}",
                service="registry",
                hint=_HINT,
            )
        return digest

    def replace(self, repository: str, tag: str) -> None:
        """Push what nobody pins by digest; what had the name before goes."""
        before = self.named(repository, tag)
        if self.push(repository, tag) != before and before and self.registry:
            self.registry.delete(self._path(repository), before)

    def named(self, repository: str, tag: str) -> str | None:
        """The digest of what has this name now: in the registry, else in the engine."""
        if self.registry is None:
            found = self.inspect(f"{repository}:{tag}")
            return str(found["Id"]) if found else None
        return self.registry.digest(self._path(repository), tag)

    def keep_name(self, repository: str, tag: str, digest: str) -> None:
        """Give what has lost its name to a newer build another one, `<tag>-<6 digits>`.

        What has no name is in no list, and could not be found when it should be removed.
        """
        other = f"{tag}-{digest.partition(':')[2][:6]}"
        if self.registry is None:
            self.tag(digest, repository, other)
        else:
            self.registry.tag(self._path(repository), digest, other)

    def _path(self, repository: str) -> str:
        """The repository without the registry's address."""
        return repository.split("/", 1)[1]

    def tag(self, image: str, repository: str, tag: str) -> None:
        with self.engine.answering():
            self.engine.api.tag(image, repository, tag)

    def untag(self, ref: str) -> None:
        """Take a name away; the content stays while another name or an image on top has it."""
        import docker.errors

        with self.engine.answering():
            try:
                self.engine.api.remove_image(ref, noprune=True)
            except docker.errors.APIError as refused:
                if refused.status_code not in (404, 409):
                    raise

    def _follow(self, start: Callable[[], Events]) -> str:
        """Read the engine's progress to its end; the digest, where it tells one.

        In a thread of its own, because the engine may say nothing for as long as a registry lets
        it wait, before its answer begins or in the middle of it.
        """
        reading = _Reading(start)
        deadline = time.monotonic() + self.timeout
        while not reading.is_done.wait(0.05):
            is_late = time.monotonic() > deadline
            if is_late or self.stop.is_set():
                reading.close()
                self.stop.check()
                raise _Refused(f"no end after {durations.show(self.timeout)}")
        return reading.result()

    def _auth(self, name: str) -> dict[str, str] | None:
        """Our credentials for our registry; for others, what the engine's client has."""
        if self.login and self.registry and name.startswith(f"{self.registry.address}/"):
            return {"username": self.login[0], "password": self.login[1]}
        return None

    @contextmanager
    def _events(self, what: str) -> Iterator[None]:
        import docker.errors

        try:
            yield
        except (docker.errors.APIError, _Refused) as refused:
            reason = getattr(refused, "explanation", None) or str(refused)
            raise ServiceError(f"{what}: {reason}", service="registry", hint=_HINT) from refused


class _Reading:
    """The engine's progress, read in the background."""

    def __init__(self, start: Callable[[], Events]) -> None:
        self.is_done = threading.Event()
        self._start = start
        self._events: Events | None = None
        self._is_closed = False
        self._failure: BaseException | None = None
        self._digest = ""
        threading.Thread(target=self._run, daemon=True).start()

    def result(self) -> str:
        """The digest; raises what reading has raised."""
        if self._failure:
            raise self._failure
        return self._digest

    def close(self) -> None:
        """Hang up, so that the engine stops: at once, or as soon as it begins to answer."""
        self._is_closed = True
        if self._events is not None:
            hang_up(self._events)

    def _run(self) -> None:
        try:
            self._events = self._start()
            if self._is_closed:
                hang_up(self._events)
            for event in self._events:
                if "error" in event:
                    raise _Refused(str(event["error"]))
                self._digest = str((event.get("aux") or {}).get("Digest") or self._digest)
        except BaseException as failure:
            self._failure = failure
        finally:
            self.is_done.set()


class _Refused(Exception):
    """The engine reported an error in its stream of progress."""


def _split(name: str) -> tuple[str, str]:
    """Repository and tag (or digest) as the API wants them."""
    if "@" in name:
        repository, _, digest = name.partition("@")
        return repository.rsplit(":", 1)[0] if ":" in repository.rsplit("/", 1)[
            -1
        ] else repository, digest
    head, colon, tag = name.rpartition(":")
    return (head, tag) if colon and "/" not in tag else (name, "latest")
