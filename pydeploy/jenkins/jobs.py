"""Looking: jobs with their parameters, and what they were mistaken for."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Any

from pydeploy.clients.jenkins import Jenkins, path_of
from pydeploy.clients.jenkins_answers import Refused
from pydeploy.errors import ServiceError, UsageError
from pydeploy.jenkins.values import Build, Job, Parameter, job_name

BUILD = "number,url,building,result,queueId"
_LEVELS = 4  # of folders in one answer
_LEAF = f"name,url,buildable,lastBuild[{BUILD}]"
_JOB = (
    "name,url,buildable,jobs[name],"
    "property[parameterDefinitions[name,type,description,choices]],"
    f"lastBuild[{BUILD}]"
)


def job(jenkins: Jenkins, name: str) -> Job:
    """The job of that full name; UsageError with the nearest ones when there is none."""
    wanted = job_name(name)
    try:
        found = jenkins.read(path_of(wanted), f"show {wanted}", _JOB)
    except Refused as no:
        if no.status != 404:
            raise
        raise UsageError(f"Jenkins has no job {wanted!r}", hint=_meant(jenkins, wanted)) from no
    return _job(wanted, found)


def jobs(jenkins: Jenkins, folder: str = "") -> list[Job]:
    """All jobs below a folder (below the root without one), however deep; no folders."""
    if not folder:
        return list(_below(jenkins, ""))
    found = job(jenkins, folder)
    if not found.is_folder:
        raise UsageError(f"{found.name!r} is a job, not a folder", hint="`pydeploy jobs` lists all")
    return list(_below(jenkins, found.name))


def build(jenkins: Jenkins, name: str, number: int | None = None) -> Build:
    """A build of a job, the last one without a number; UsageError when there is none."""
    if number is None:
        found = job(jenkins, name)
        if found.last_build is None:
            raise UsageError(
                f"{found.name} has not been built yet", hint=f"pydeploy trigger {found.name}"
            )
        return found.last_build
    wanted = job_name(name)
    try:
        answer = jenkins.read(f"{path_of(wanted)}/{number}", f"show {wanted} {number}", BUILD)
    except Refused as no:
        if no.status != 404:
            raise
        last = job(jenkins, wanted).last_build
        raise UsageError(
            f"{wanted} has no build {number}",
            hint=f"its last one is {last.number}" if last else "it has not been built yet",
        ) from no
    return build_of(wanted, answer)


def build_of(name: str, found: dict[str, Any]) -> Build:
    """From what Jenkins says of a build."""
    return Build(
        job=name,
        number=int(found["number"]),
        url=str(found.get("url", "")),
        is_building=bool(found.get("building")),
        result=found.get("result"),
        queue_id=found.get("queueId"),
    )


def _job(name: str, found: dict[str, Any]) -> Job:
    sections = [one for one in found.get("property", []) if "parameterDefinitions" in one]
    last = found.get("lastBuild")
    return Job(
        name=name,
        url=str(found.get("url", "")),
        is_folder="jobs" in found,
        is_buildable=bool(found.get("buildable", True)),
        is_parameterized=bool(sections),
        parameters=tuple(
            Parameter(
                name=str(one["name"]),
                kind=str(one.get("type", "")),
                description=str(one.get("description") or ""),
                choices=tuple(one.get("choices") or ()),
            )
            for section in sections
            for one in section["parameterDefinitions"]
        ),
        children=tuple(f"{name}/{one['name']}" for one in found.get("jobs", [])),
        last_build=build_of(name, last) if last else None,
    )


def _below(jenkins: Jenkins, folder: str) -> Iterator[Job]:
    path = path_of(folder) if folder else ""
    found = jenkins.read(path, f"list the jobs of {folder or 'Jenkins'}", _tree(_LEVELS))
    yield from _flat(jenkins, folder, found.get("jobs", []))


def _flat(jenkins: Jenkins, folder: str, found: list[dict[str, Any]]) -> Iterator[Job]:
    for one in found:
        name = f"{folder}/{one['name']}" if folder else str(one["name"])
        if "jobs" not in one:
            yield _job(name, one)
        elif all("name" in child for child in one["jobs"]):
            yield from _flat(jenkins, name, one["jobs"])
        else:  # deeper than one answer goes: its children have no names
            yield from _below(jenkins, name)


def _tree(levels: int) -> str:
    inner = _tree(levels - 1) if levels else "jobs[url]"
    return f"jobs[{_LEAF},{inner}]"


def _meant(jenkins: Jenkins, wanted: str) -> str:
    """The nearest job, by its full name, or by its own where folders were left out."""
    try:
        names = [one.name for one in jobs(jenkins)]
    except ServiceError:  # there is no such job all the same
        return "`pydeploy jobs` lists those that this account may see"
    close = difflib.get_close_matches(wanted, names, n=1)
    own = [one for one in names if one.rsplit("/", 1)[-1] == wanted]
    # A branch is written feature%2Fx by Jenkins, and feature/x by people.
    spelt = [one for one in names if one.replace("%2F", "/") == wanted]
    found = [*spelt, *own, *close]
    return f"did you mean {found[0]!r}?" if found else "`pydeploy jobs` lists all"
