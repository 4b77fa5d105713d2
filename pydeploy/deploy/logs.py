"""The logs of an environment: of its containers, or what a one-shot left."""

from __future__ import annotations

from collections.abc import Iterator

from pydeploy.deploy import containers
from pydeploy.deploy.session import Session
from pydeploy.errors import UsageError
from pydeploy.state.records import Environment


def existing(session: Session, environment: str) -> Environment:
    """The record; UsageError when there is no such environment."""
    record = session.store.environment(environment)
    if record is None:
        known = ", ".join(sorted(session.store.environments())[:10]) or "none"
        raise UsageError(
            f"there is no environment {environment!r}",
            hint=f"`pydeploy status` lists them (now: {known})",
        )
    return record


def kept(session: Session, environment: str) -> str:
    """The log of a completed one-shot."""
    kv = session.store.etcd.get(session.store.keys.log(environment))
    return kv.value if kv else ""


def lines(
    session: Session, environment: str, service: str | None, *, tail: int, follow: bool
) -> Iterator[str]:
    """The last `tail` lines, service in front where there are several; then as they come."""
    record = existing(session, environment)
    if record.state == "completed" or record.current is None:
        yield from kept(session, environment).splitlines()[-tail:]
        return
    if service is not None:
        wanted = {service: containers.of_service(session, record, service)}
    else:
        wanted = {one.service: one.identity for one in containers.of_record(session, record)}
    engine = session.engine_of(record.current.engine)
    for name, container in sorted(wanted.items()):
        prefix = f"{name} | " if len(wanted) > 1 else ""
        with engine.answering():
            stream = engine.sdk.containers.get(container).logs(
                stream=True, follow=follow and len(wanted) == 1, tail=tail
            )
            yield from (prefix + line for line in _text_lines(stream))


def _text_lines(stream: Iterator[bytes]) -> Iterator[str]:
    rest = b""
    for chunk in stream:
        *whole, rest = (rest + chunk).split(b"\n")
        yield from (line.decode("utf-8", "replace") for line in whole)
    if rest:
        yield rest.decode("utf-8", "replace")
