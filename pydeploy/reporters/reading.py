"""A report, of what a command printed, or of what the record of an environment says."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, field_validator

from pydeploy import console
from pydeploy.errors import ServiceError, UsageError
from pydeploy.reporters.report import Difference, Failure, Phase, Report
from pydeploy.state.records import Environment, Image, Release, Wanted
from pydeploy.state.store import Store

_PHASE_OF_STATE: dict[str, Phase] = {
    "running": "deployed",
    "completed": "deployed",
    "superseded": "superseded",
    "removed": "removed",
}


class _Read(BaseModel):
    """Base of what a result holds; what we do not know is not read."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class _Error(_Read):
    kind: str = Field("", alias="class")
    message: str = ""
    hint: str = ""
    fault: str = "none"
    logs: str = ""


class Result(_Read):
    """What `deploy --json`, `promote --json`, `remove --json` and their like, and `step`, write."""

    environment: str = ""
    step: str = ""  # which command it was
    state: str = ""
    release: str = ""
    is_unchanged: bool = False
    url: str | None = None
    urls: dict[str, str] = {}
    images: tuple[Image, ...] = ()
    timings_s: dict[str, float] = {}
    expires: str | None = None
    superseded_by: str = ""
    residue: int | None = None
    warnings: tuple[str, ...] = ()
    error: _Error | None = None

    @field_validator("images", mode="before")
    @classmethod
    def _as_pipelines_have_them(cls, value: Any) -> Any:
        """A map of service → `ref@digest`, as a step gives it back to Groovy."""
        if not isinstance(value, dict):
            return value
        pinned = {service: str(image).partition("@") for service, image in value.items()}
        return [
            {"service": service, "ref": ref, "digest": digest}
            for service, (ref, _, digest) in pinned.items()
        ]

    @field_validator("warnings", mode="before")
    @classmethod
    def _one_a_line(cls, value: Any) -> Any:
        return value.splitlines() if isinstance(value, str) else value

    @property
    def phase(self) -> Phase:
        """What it comes to; UsageError when it tells of nothing that is reported."""
        if self.error:
            return _phase_of(self.error)
        if self.step == "promote" and self.state in ("running", "completed"):
            return "promoted"
        if self.state in _PHASE_OF_STATE:
            return _PHASE_OF_STATE[self.state]
        raise UsageError(
            f"the result says neither `error` nor a state that is known: {self.state!r}",
            hint="pass what `deploy --json`, `promote --json` or `remove --json` wrote, or --phase",
        )


def _phase_of(error: _Error) -> Phase:
    """A bug and a wrong call are for those who run the site and its pipelines."""
    if error.kind == "Interrupted":
        return "aborted"
    if error.kind == "TrustError":
        return "untrusted"
    return "failed-author" if error.fault == "author" else "failed-operator"


_RESULTS: TypeAdapter[list[Result]] = TypeAdapter(list[Result])


def result(text: str) -> Result:
    """UsageError when `text` is not the JSON of a result."""
    try:
        if text.lstrip().startswith("["):  # `remove` of several
            found = _RESULTS.validate_json(text)
            if len(found) == 1:
                return found[0]
            raise UsageError(
                f"the result tells of {len(found)} environments", hint="report each by itself"
            )
        return Result.model_validate_json(text)
    except ValidationError as wrong:
        first = wrong.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UsageError(
            f"the result cannot be read: {where + ': ' if where else ''}{first['msg']}",
            hint="pass the JSON that a command of pydeploy wrote",
        ) from wrong


def of_result(
    store: Store, found: Result, phase: Phase | None, *, environment: str, **more: Any
) -> Report:
    """`more` are fields of the report that a result does not hold; etcd may be away."""
    name, error = found.environment or environment, found.error
    return Report(
        phase=phase or found.phase,
        environment=name,
        is_named=bool(found.environment),
        act=found.step or "deploy",
        state=found.state,
        release=found.release,
        is_unchanged=found.is_unchanged,
        url=found.url or "",
        urls=found.urls,
        images=found.images,
        duration=found.timings_s.get("total"),
        expires=found.expires or "",
        superseded_by=found.superseded_by,
        residue=found.residue,
        warnings=found.warnings,
        failure=Failure(kind=error.kind, message=error.message, hint=error.hint, logs=error.logs)
        if error
        else None,
        **_compared(store, name, found.release),
        **more,
    )


def _compared(store: Store, environment: str, release: str) -> dict[str, Any]:
    if not release:
        return {}
    try:
        previous, found = differences(store, environment, release)
    except ServiceError as away:  # the result says the rest
        console.warn(f"{away.message}; it is not said in what the release differs")
        return {}
    return {"previous": previous, "differences": found}


def of_record(
    store: Store,
    phase: Phase | None,
    *,
    environment: str,
    patchset: int | None = None,
    **more: Any,
) -> Report:
    """What etcd says of an environment; UsageError where that does not answer what was asked."""
    record = store.environment(environment)
    phase = phase or _phase_of_record(store, environment, record, patchset)
    facts = {"phase": phase, "environment": environment, **more}
    if record is None or phase not in ("deployed", "promoted"):
        return Report(patchset=patchset, **facts)
    now = record.current
    return Report(
        patchset=patchset or (record.change.patchset if record.change else None),
        state=record.state,
        release=now.name if now else "",
        url=record.url or "",
        urls=record.urls,
        images=now.images if now else (),
        expires=record.expires or "",
        warnings=record.warnings,
        **_compared(store, environment, now.name if now else ""),
        **facts,
    )


def _phase_of_record(
    store: Store, environment: str, record: Environment | None, patchset: int | None
) -> Phase:
    hint = "pass --result with what the command wrote, or --phase"
    if record is None:
        wish = store.read(store.keys.wanted(environment), Wanted)
        if wish and wish[1].action == "remove":
            return "removed"
        raise UsageError(f"nothing is known of {environment}", hint=hint)
    running = record.change.patchset if record.change else None
    if patchset and running and patchset < running:
        return "superseded"
    if patchset and running and patchset > running:
        raise UsageError(f"{environment} runs patchset {running}, not {patchset}", hint=hint)
    return "deployed"


def differences(store: Store, environment: str, release: str) -> tuple[str, tuple[Difference, ...]]:
    """The release before `release`, and in what that differs; nothing where there is none."""
    prefix = store.keys.release(environment)
    known = sorted(
        (Release.read(kv.value) for kv in store.etcd.range(prefix).kvs),
        key=lambda one: one.attempt,
    )
    names = [one.name for one in known]
    place = names.index(release) if release in names else 0
    if place == 0:
        return "", ()
    return names[place - 1], compare(known[place - 1], known[place])


def compare(before: Release, after: Release) -> tuple[Difference, ...]:
    """Revision, images, and whether the compose model is another."""
    first, second = _facts(before), _facts(after)
    found = [
        Difference(what=name, before=first.get(name, ""), after=second.get(name, ""))
        for name in dict.fromkeys((*first, *second))
        if first.get(name) != second.get(name)
    ]
    if _model(before) != _model(after):
        found.append(Difference(what="compose model", before=before.name, after=after.name))
    return tuple(found)


def _facts(release: Release) -> dict[str, str]:
    images = {f"image of {one.service}": one.digest for one in release.images}
    return {"revision": release.revision, "engine": release.engine, **images}


def _model(release: Release) -> dict[str, Any]:
    """Without the pinned images, which are facts of their own."""
    services = {
        name: {key: value for key, value in one.items() if key != "image"}
        for name, one in release.model.get("services", {}).items()
    }
    return {**release.model, "services": services}
