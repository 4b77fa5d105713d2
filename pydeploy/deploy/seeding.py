"""What fills new volumes: another environment's data, or the team's `seed` command."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field

from pydeploy import console, names
from pydeploy.clients import docker_cli, shell
from pydeploy.clients.docker import DockerEngine
from pydeploy.config.service import Data, Service
from pydeploy.deploy import containers, freeze, kept, volumes
from pydeploy.deploy.plan import Model
from pydeploy.deploy.session import Session
from pydeploy.deploy.start import Start
from pydeploy.errors import DeployError, ServiceError, UsageError
from pydeploy.state.records import Environment

_SHOWN = 30  # lines of a failed command


Read = Callable[[], Iterator[bytes]]  # the tar of a volume


@dataclass(frozen=True, kw_only=True)
class Source:
    """What new volumes start with: by name in the model, each as the tar that `reading` gives."""

    environment: str
    names: frozenset[str]
    reading: Callable[[Collection[str]], AbstractContextManager[Mapping[str, Read]]]
    data: Data = field(default_factory=Data)
    engine: DockerEngine | None = None  # where it runs; None for a backup


def source(session: Session, environment: str) -> Source:
    """UsageError when it has no data."""
    there = _there(session, environment)

    @contextmanager
    def reading(wanted: Collection[str]) -> Iterator[Mapping[str, Read]]:
        """While whoever writes there stands still."""
        labels = {names.SITE: session.site.site, names.ENVIRONMENT: environment}
        with _standing_still(session, environment, wanted) as now, ExitStack() as open_ones:
            yield {
                name: open_ones.enter_context(
                    volumes.opened(now.engine, volume, image=now.images[name], labels=labels)
                ).read
                for name, volume in now.volumes.items()
                if name in wanted
            }

    return Source(
        environment=environment,
        names=frozenset(there.volumes),
        reading=reading,
        data=there.data,
        engine=there.engine,
    )


@dataclass(frozen=True, kw_only=True)
class _There:
    """What another environment has: volumes and images by the volume's name in its model."""

    engine: DockerEngine
    volumes: Mapping[str, str]
    images: Mapping[str, str]
    data: Data


@contextmanager
def _standing_still(
    session: Session, environment: str, wanted: Collection[str]
) -> Iterator[_There]:
    """What is there, looked at again under the lock: it may have been replaced until we had it."""
    while True:
        there = _there(session, environment)
        users_of = [volume for name, volume in there.volumes.items() if name in wanted]
        with freeze.frozen_environment(session, environment, there.engine, users_of):
            now = _there(session, environment)
            if (there.engine.name, there.volumes) == (now.engine.name, now.volumes):
                yield there
                return


def _there(session: Session, environment: str) -> _There:
    record = session.store.environment(environment)
    found = volumes_of(record) if record else {}
    if record is None or record.current is None or not found:
        raise UsageError(
            f"environment {environment!r} has no data to copy",
            hint="name one that runs and has named volumes: `pydeploy status`",
        )
    images = kept.images(record.current.model)
    return _There(
        engine=session.engine_of(record.kept.engine if record.kept else record.current.engine),
        volumes={name: volume for name, volume in found.items() if name in images},
        images=images,
        data=Service.model_validate(record.current.settings).data,
    )


def of_streams(environment: str, streams: Mapping[str, Read]) -> Source:
    """Data that lies in a file."""
    return Source(
        environment=environment,
        names=frozenset(streams),
        reading=lambda wanted: nullcontext({name: streams[name] for name in wanted}),
    )


def volumes_of(record: Environment) -> dict[str, str]:
    """Name in the model → volume on the engine, of what runs."""
    if record.kept:
        return record.kept.volumes
    return record.current.volumes if record.current and record.state == "running" else {}


@dataclass(frozen=True, kw_only=True)
class Target:
    """New volumes of an attempt, not in use yet."""

    engine: DockerEngine
    model: Model
    data: Data
    volumes: Mapping[str, str]
    labels: Mapping[str, str]
    cancel: threading.Event


def make(engine: DockerEngine, wanted: Mapping[str, str], labels: Mapping[str, str]) -> None:
    """The volumes themselves (name in the model → on the engine), empty."""
    for name, volume in wanted.items():
        volumes.make(engine, volume, {**labels, names.VOLUME: name})


def loaders(
    data: Data, model: Model, origin: Source | None, new: Collection[str]
) -> tuple[str, ...]:
    """The services that load data by a program of their own, once they are up.

    With an origin: whose dump both sides can do, for `new` volumes; else whom the team seeds.
    """
    if not new:
        return ()
    if origin is None:
        return (data.seed.service,) if data.seed else ()
    return tuple(
        service
        for service in model["services"]
        if service in data.dump
        and service in origin.data.dump
        and set(new) & set(kept.named_volumes(model["services"][service]))
    )


# -- files ------------------------------------------------------------------------------


def copy_files(origin: Source, target: Target) -> None:
    """Copy what is in volumes, file by file, while nobody writes there.

    What is loaded by a program is left out, and what the origin has no volume for stays empty.
    """
    by_program = {
        volume
        for service in loaders(target.data, target.model, origin, target.volumes)
        for volume in kept.named_volumes(target.model["services"][service])
    }
    wanted = [one for one in target.volumes if one in origin.names and one not in by_program]
    if not wanted:
        return
    images = kept.images(target.model)
    with (
        console.step(f"copy the data of {origin.environment}"),
        origin.reading(wanted) as streams,
    ):
        for name in wanted:
            if name in streams:
                _fill(target, name, images[name], streams[name])


def _fill(target: Target, name: str, image: str, read: Read) -> None:
    volume = target.volumes[name]
    with volumes.opened(target.engine, volume, image=image, labels=target.labels) as here:
        here.write(_until_cancelled(read(), target.cancel))


def _until_cancelled(stream: Iterator[bytes], cancel: threading.Event) -> Iterator[bytes]:
    for chunk in stream:
        if cancel.is_set():
            raise shell.Cancelled
        yield chunk


# -- programs ---------------------------------------------------------------------------


def load(
    session: Session, where: Start, service: str, *, data: Data, origin: Source | None
) -> None:
    """Run what loads a service's data: the origin's dump into its `load`, or the seed."""
    container = _container(where, service)
    if origin is not None and origin.engine is not None:
        with console.step(f"load {service} with the data of {origin.environment}"):
            _load_dump(session, where, service, container, data, origin, origin.engine)
    elif data.seed:
        with console.step(f"seed {service}"):
            argv = docker_cli.execute(container, data.seed.command)
            _judge(_run(where, argv), f"seed: {service}", where)


def _load_dump(
    session: Session,
    where: Start,
    service: str,
    container: str,
    data: Data,
    origin: Source,
    engine: DockerEngine,
) -> None:
    there = containers.running(session, origin.environment, service)
    dump = docker_cli.execute(there, origin.data.dump[service].command)
    dumped, loaded = shell.pipe(
        dump,
        docker_cli.execute(container, data.dump[service].load, is_fed=True),
        env_vars=(
            shell.scrubbed(engine.env_vars()),
            shell.scrubbed(where.engine.env_vars()),
        ),
        timeout=where.deadline,
        cancel=where.cancel,
    )
    _judge(dumped, f"dump: {service} of {origin.environment}", where)
    _judge(loaded, f"load: {service}", where)


def _run(where: Start, argv: tuple[str, ...]) -> shell.Finished:
    try:
        return shell.run(
            argv,
            env_vars=shell.scrubbed(where.engine.env_vars()),
            cancel=where.cancel,
            timeout=where.deadline,
            merge=True,
        )
    except shell.TimedOut as late:
        raise DeployError(
            f"seed: no end after {where.deadline} s",
            hint="make it quicker, or set `deadline:` in pydeploy.yml",
        ) from late


def _judge(done: shell.Finished, what: str, where: Start) -> None:
    if not done.code:
        return
    if not where.engine.is_answering():
        raise ServiceError(
            f"engine {where.engine.name!r} went away during: {what}",
            service="docker",
            hint="see that Docker runs there: `pydeploy doctor`",
        )
    raise DeployError(
        f"{what} ended with {done.code}",
        hint="mend the command below `data:` in pydeploy.yml; it runs in the service's container",
        logs="\n".join(done.tail.splitlines()[-_SHOWN:]),
    )


def _container(where: Start, service: str) -> str:
    found = [one for one in containers.states(where.engine, where.scope) if one.service == service]
    if not found or found[0].status != "running":
        raise DeployError(
            f"{service} does not run, so its data cannot be loaded",
            hint="name a service that stays up below `data:` in pydeploy.yml",
        )
    return found[0].identity
