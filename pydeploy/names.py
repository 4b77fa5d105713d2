"""All derived names, as pure functions.

A name that users chose is validated; a name that we derive is cut and hashed to fit, so that
two different inputs never give one name by accident.
"""

from __future__ import annotations

import hashlib
import re

from pydeploy.errors import UsageError

LABEL_MAX = 63  # a DNS label, RFC 1035 section 2.3.4
SERVICE_SEPARATOR = "--"  # <service>--<environment>; reserved, so no name may contain it
_SERVICE_MAX = 40  # of the 63; so that an overlong name is cut behind the separator
_REPOSITORY_MAX = 200  # the distribution specification allows 255, with the registry's address
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
_SLUG_UNSAFE = re.compile(r"[^a-z0-9]+")
_NO_PROJECT = "~local/"
_COMPONENT = re.compile(r"[a-z0-9]+(?:(?:\.|_|-+)[a-z0-9]+)*")  # no `__`: that is ours

SITE = "io.pydeploy.site"
ENVIRONMENT = "io.pydeploy.environment"
RELEASE = "io.pydeploy.release"
CHANGE = "io.pydeploy.change"
PATCHSET = "io.pydeploy.patchset"
ATTEMPT = "io.pydeploy.attempt"
SERVICE = "io.pydeploy.service"
KEPT = "io.pydeploy.kept"  # "true" on what belongs to the environment, "false" on a release's
VOLUME = "io.pydeploy.volume"  # a kept volume's name in the compose file


def environment(*, change: int | None = None, name: str | None = None) -> str:
    """The environment of a change (its number) or of an explicit name (a DNS label).

    Raises UsageError when neither is given or the name is not usable as a DNS label.
    """
    if name is None:
        if change is None:
            raise UsageError(
                "which environment? neither a change nor a name was given",
                hint="pass --change N, or --name NAME",
            )
        if change < 1:
            raise UsageError(
                f"change {change} is not a change number", hint="pass --change N, N > 0"
            )
        return str(change)
    problem = label_problem(name)
    if problem:
        raise UsageError(
            f"environment name {name!r} {problem}", hint="use a name such as 'staging-docs'"
        )
    if name.isdigit() and name != str(change):
        raise UsageError(
            f"environment name {name!r} is all digits; those belong to changes",
            hint=f"pass --change {name} instead, or choose a name with a letter",
        )
    return name


def label_problem(label: str) -> str:
    """Why `label` is not a usable DNS label of ours; empty when it is."""
    if not label:
        return "is empty"
    if len(label) > LABEL_MAX:
        return f"has {len(label)} characters, more than {LABEL_MAX}"
    if SERVICE_SEPARATOR in label:
        return f"contains {SERVICE_SEPARATOR!r}, which is reserved"
    if not _LABEL.fullmatch(label):
        return "may only contain a-z, 0-9 and inner hyphens"
    return ""


def host(environment_name: str, domain: str) -> str:
    """`10020` in `deploy.deepin.test` is `10020.deploy.deepin.test`."""
    return f"{environment_name}.{domain}"


def service_host(service: str, environment_name: str, domain: str) -> str:
    """`admin--10020.deploy.deepin.test`; one label deep, so that one wildcard certificate does."""
    label = f"{fit(slug(service), _SERVICE_MAX)}{SERVICE_SEPARATOR}{environment_name}"
    return f"{fit(label, LABEL_MAX)}.{domain}"


def release(environment_name: str, version: str, repeat: int = 1) -> str:
    """`10020` patchset 3 is `10020-3`; a forced second deploy of it is `10020-3-2`.

    `version` is the patchset, or the abbreviated revision where there is no patchset.
    """
    suffix = f"-{repeat}" if repeat > 1 else ""
    return f"{environment_name}-{version}{suffix}"


def compose_project(prefix: str, release_name: str, attempt: int) -> str:
    """`pd-r-10020-3-418`: the compose project of one attempt at a release.

    `prefix` keeps two sites on one engine apart.  `attempt` is never used twice, so neither can
    two environments whose releases are called alike, nor a dead attempt and its successor.
    """
    return f"{prefix}-r-{release_name}-{attempt}"


def kept_project(prefix: str, environment_name: str, attempt: int) -> str:
    """`pd-e-staging-418`: the compose project of stateful services that one attempt has made."""
    return f"{prefix}-e-{environment_name}-{attempt}"


def secrets_volume(project: str, service: str) -> str:
    """`pd-r-10020-3-418.secrets.web`: the volume with the secrets of one service.

    Compose calls a change's own volumes `<project>_<key>`, and no project has a dot in its name:
    so no change can name this one.
    """
    return f"{project}.secrets.{service}"


def slug(text: str) -> str:
    """Lower case, everything else a hyphen; never empty.  A slug that lost anything is hashed.

    Case and the usual separators do not count: people take `My_Web` and `my-web` for one name.
    """
    lowered = _SLUG_UNSAFE.sub("-", text.lower()).strip("-")
    if lowered == text != "":
        return text
    if _SLUG_UNSAFE.sub("", lowered) and lowered.replace("-", "") == _letters(text):
        return lowered
    return f"{lowered or 'x'}-{_digest(text)}"


def _letters(text: str) -> str:
    """`text` without the separators that people use for one and the same name."""
    return re.sub(r"[-_. /]", "", text.lower())


def fit(text: str, room: int) -> str:
    """`text`, or its head and a hash of the whole when it is longer than `room`."""
    if len(text) <= room:
        return text
    digest = _digest(text)
    return f"{text[: room - len(digest) - 1].rstrip('-')}-{digest}"


def _digest(text: str, length: int = 6) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:length]


def image_tag(*, change: int | None, patchset: int | None, revision: str) -> str:
    """`<change>-<patchset>-<sha7>` for a change, else `<sha12>`."""
    if change is not None and patchset is not None:
        return f"{change}-{patchset}-{revision[:7]}"
    return revision[:12]


def project(gerrit_project: str, *, change: int | None, folder: str) -> str:
    """Whose repository images and build caches go to: Gerrit's project, as the caller says.

    Where nobody says it, a name that no Gerrit project can have (they hold no `~`), and that a
    change cannot choose: its number, or the folder's name where a person deploys one.
    """
    if gerrit_project.startswith(_NO_PROJECT):
        raise UsageError(f"{gerrit_project!r} is no Gerrit project: none begins with `~`")
    if gerrit_project:
        return gerrit_project
    return f"{_NO_PROJECT}{f'changes/{change}' if change is not None else slug(folder)}"


def image_repository(namespace: str, gerrit_project: str, service: str) -> str:
    """`pydeploy/docs/hello-web/web`: ours to write, never the change's choice.

    Path components follow the distribution specification.  Two projects never share a name, so
    that neither can put an image or a build cache in the other's place.
    """
    parts = [*_project_parts(gerrit_project), _component(service)]
    path = "/".join(parts)
    if len(path) > _REPOSITORY_MAX:  # one part alone, which no shorter name is
        path = f"{parts[0][:60].rstrip('._-')}__{_digest(path, 12)}"
    return f"{namespace}/{path}"


def is_of_project(namespace: str, gerrit_project: str, repository: str) -> bool:
    """Whether `repository` is one of this project's services; not of a project below it."""
    head, _, service = repository.rpartition("/")
    return head == "/".join([namespace, *_project_parts(gerrit_project)]) and bool(service)


def _project_parts(gerrit_project: str) -> list[str]:
    if gerrit_project.startswith(_NO_PROJECT):
        rest = gerrit_project.removeprefix(_NO_PROJECT)
        return ["no__project", *(_component(part) for part in rest.split("/"))]
    return [_component(part) for part in gerrit_project.split("/")]


def _component(text: str) -> str:
    """`text` where the specification allows it; else a slug and a hash, which nobody else has."""
    return text if _COMPONENT.fullmatch(text) else f"{fit(slug(text), 60)}__{_digest(text, 12)}"


def registry_ref(registry: str | None, repository: str, tag: str) -> str:
    """`127.0.0.1:5000/pydeploy/hello-web/web:10020-1-abc1234`; without a registry, a local name."""
    return f"{registry}/{repository}:{tag}" if registry else f"{repository}:{tag}"
