"""Every code that `pydeploy check` can print: what it is called, why it matters, how to mend it.

Codes are stable: exceptions in site.yml, dashboards and scripts name them.
`error` stops a deploy; `warning` says what was done instead, or what to improve.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Rule:
    title: str
    why: str
    mend: str
    severity: Literal["error", "warning"] = "error"


def _warning(title: str, why: str, mend: str) -> Rule:
    return Rule(title, why, mend, "warning")


_LAYOUT = {
    "layout.no-compose": Rule(
        "no compose file",
        "the compose file says how the service runs",
        "add a docker-compose.yml; `pydeploy new` writes one to start from",
    ),
    "layout.two-compose": Rule(
        "several compose files",
        "nobody could tell which of them is meant",
        "keep one of them",
    ),
    "layout.no-services": Rule(
        "no services",
        "there is nothing to run",
        "add at least one service without a profile under `services:`",
    ),
    "layout.no-dockerfile": Rule(
        "Dockerfile missing",
        "the image cannot be built without it",
        "add the Dockerfile, or correct `build.dockerfile` and `build.context`",
    ),
    "layout.no-readme": _warning(
        "no readme",
        "whoever opens the repository should learn what it is",
        "add a README.md of a few lines",
    ),
    "layout.no-makefile": _warning(
        "no makefile",
        "people expect `make build` and `make run` to work",
        "add a makefile with the targets build and run",
    ),
    "layout.override-ignored": _warning(
        "override file is not used",
        "compose would take it in silence; what is deployed should be one file",
        "move what is needed into the compose file",
    ),
}

_YAML = {
    "yaml.encoding": Rule(
        "not UTF-8 text", "YAML files are UTF-8 text", "save the file as UTF-8 without NUL bytes"
    ),
    "yaml.syntax": Rule(
        "not YAML", "the file cannot be read", "correct the syntax at the named line"
    ),
    "yaml.too-deep": Rule(
        "nested too deeply", "readers of YAML break on such files", "flatten the structure"
    ),
    "yaml.too-many-nodes": Rule(
        "aliases expand to too much",
        "a few lines of aliases can fill the memory of whoever reads them",
        "write the values out, or use fewer aliases",
    ),
    "yaml.expansion": Rule(
        "variables expand to too much",
        "a few lines of variables that hold each other can fill the memory of whoever reads them",
        "write the values out",
    ),
    "yaml.recursive": Rule(
        "an alias contains itself", "such a value has no end", "write the value out"
    ),
    "yaml.duplicate-key": Rule(
        "key given twice",
        "one of the two would win in silence",
        "keep one of the two",
    ),
    "yaml.key": Rule("key is not text", "keys of a compose file are text", "put the key in quotes"),
    "yaml.tag": Rule(
        "tag not supported", "tags ask the reader to make other things than data", "remove the tag"
    ),
    "yaml.not-a-mapping": Rule(
        "not a mapping", "the file should hold `key: value` lines", "write a mapping"
    ),
    "yaml.empty": Rule("empty file", "there is nothing in it", "fill the file or remove it"),
    "yaml.several-documents": Rule(
        "several documents", "only one of them would be read", "keep one document per file"
    ),
}

_PATH = {
    "path.outside": Rule(
        "path leaves the repository",
        "a change may only read what is in its own repository",
        "move the file into the repository and name it by a relative path",
    ),
    "path.remote": Rule(
        "remote source",
        "what is deployed should be what was reviewed; remote content was not",
        "bring the content into the repository",
    ),
    "path.variable": Rule(
        "variable in a path",
        "compose reads this file before anybody can see which one it is",
        "write the path out",
    ),
    "path.missing": Rule(
        "file missing", "the compose file names it", "add the file or correct the path"
    ),
    "path.special": Rule(
        "not a regular file",
        "a pipe, device or socket can block or answer anything",
        "use a regular file",
    ),
    "path.too-large": Rule(
        "file too large", "no honest file of this kind is that long", "split or shorten the file"
    ),
    "path.too-many": Rule(
        "too many files", "compose files that include each other without end", "include fewer files"
    ),
}

_COMPOSE = {
    "compose.invalid": Rule(
        "compose does not accept the file",
        "it would not start anywhere",
        "correct the named key; `docker compose config` shows the same message",
    ),
    "compose.v1": _warning(
        "Compose v1 file",
        "Compose no longer reads this format; pydeploy converts it each time",
        "replace the file by the converted text shown",
    ),
    "compose.version": _warning("obsolete `version:`", "Compose ignores it", "remove the line"),
    "compose.container-name": _warning(
        "container_name ignored",
        "two patchsets run side by side, and a container name exists once per engine",
        "remove it; the name still resolves inside the environment",
    ),
    "compose.fixed-name": _warning(
        "fixed name ignored",
        "two environments would share the network or volume of that name",
        "remove `name:`",
    ),
    "compose.host-port": _warning(
        "host port ignored",
        "host ports are claimed, so that environments do not collide",
        "write the container port only",
    ),
    "compose.bridge": _warning(
        "network_mode: bridge ignored",
        "each environment has a private network in which services find each other by name",
        "remove network_mode",
    ),
    "compose.address": _warning(
        "fixed address ignored",
        "subnets are claimed per environment; use service names instead of addresses",
        "remove ipam, fixed addresses and enable_ipv6",
    ),
    "compose.replicas": _warning(
        "one replica is started",
        "an environment runs each service once",
        "nothing, if one is enough here",
    ),
    "compose.image-name": _warning(
        "image name ignored",
        "pydeploy names what it builds, so that no change overwrites another's image",
        "remove `image:` beside `build:`",
    ),
    "compose.logging": _warning(
        "log driver ignored",
        "logs stay on the engine, rotated, where `pydeploy logs` finds them",
        "remove `logging:`",
    ),
    "compose.duration": _warning(
        "duration cut to its bound",
        "an engine waits for it, or is kept busy by it, with everything else that it runs",
        "stay within: stop_grace_period up to 5m, health checks every 500ms to 5m",
    ),
    "compose.ignored": _warning(
        "key ignored", "it has no meaning in an environment", "nothing, or remove the key"
    ),
    "compose.bind-missing": _warning(
        "bind source is not in the repository",
        "a review environment holds what the repository holds; an empty volume takes its place",
        "commit the folder, or use a named volume",
    ),
    "compose.variable-unset": _warning(
        "variable not set",
        "variables come from the repository's .env only, never from the agent",
        "set it in .env or give a default: ${NAME:-default}",
    ),
    "compose.inherited": _warning(
        "variable without value dropped",
        "it would be filled from the agent's own environment",
        "give it a value, in the compose file or in .env",
    ),
}

_POLICY = {
    "policy.key-not-allowed": Rule(
        "key not allowed",
        "only keys known to be harmless may be used by a change",
        "remove the key, or ask the operator",
    ),
    "policy.value-not-allowed": Rule(
        "value not allowed",
        "only values known to be harmless may be used by a change",
        "use one of the values named",
    ),
    "policy.privileged": Rule(
        "privileged container", "it owns the engine's machine", "remove `privileged`"
    ),
    "policy.capabilities": Rule(
        "capability not allowed",
        "it reaches beyond the container",
        "remove it from `cap_add`; Docker's default set is there without asking",
    ),
    "policy.security-opt": Rule(
        "security option not allowed",
        "seccomp, AppArmor and the like are what holds the container",
        "remove it; only no-new-privileges may be set",
    ),
    "policy.devices": Rule("device of the host", "a device is a door to the host", "remove it"),
    "policy.host-namespace": Rule(
        "namespace of the host or of another container",
        "processes, memory or users outside of the environment would be in reach",
        "remove the key",
    ),
    "policy.network-mode": Rule(
        "network of the host or of another container",
        "ports and addresses of others would be in reach",
        "remove network_mode; services of one file find each other by name",
    ),
    "policy.cgroup": Rule(
        "cgroup chosen by the change", "it would escape the limits", "remove the key"
    ),
    "policy.volumes-from": Rule(
        "volumes of another container",
        "volumes of somebody else's container would be in reach",
        "name the volume, and mount it in both services",
    ),
    "policy.external": Rule(
        "external object",
        "it belongs to somebody else on the same engine",
        "remove `external`; declare your own",
    ),
    "policy.secret-not-granted": Rule(
        "secret of the site that is not granted",
        "secrets are for the projects, branches and environments that the operator names",
        "ask the operator for a grant in site.yml, or use a file of the repository",
    ),
    "policy.secret-target": Rule(
        "granted secret at another place",
        "granted secrets are delivered as files below /run/secrets",
        "leave `target` away, or write a plain file name",
    ),
    "policy.bind-outside": Rule(
        "bind of the host's files",
        "files of the engine's machine would be in reach",
        "use a named volume, or a path inside the repository",
    ),
    "policy.docker-socket": Rule(
        "Docker socket", "who talks to the engine owns the machine", "remove it"
    ),
    "policy.volume-driver": Rule(
        "volume driver or driver options",
        "they can mount any folder or network share of the host",
        "remove `driver` and `driver_opts`",
    ),
    "policy.network-driver": Rule(
        "network driver or driver options",
        "macvlan, host and the like leave the private network",
        "remove `driver` and `driver_opts`",
    ),
    "policy.sysctls": Rule(
        "kernel setting not allowed", "it may reach beyond the container", "remove it"
    ),
    "policy.ulimits": Rule("ulimit not allowed", "it may reach beyond the container", "remove it"),
    "policy.runtime": Rule(
        "container runtime chosen by the change",
        "another runtime may isolate less",
        "remove `runtime`, `isolation`, `gpus`",
    ),
    "policy.extra-hosts": Rule(
        "name for the engine's machine",
        "services of the engine's machine are not for environments",
        "remove host-gateway; name addresses of your own services only",
    ),
    "policy.labels": Rule(
        "reserved label",
        "pydeploy and Compose recognise their own containers by it",
        "choose another prefix than io.pydeploy. and com.docker.",
    ),
    "policy.provider": Rule(
        "program on the agent",
        "a provider is a program that Compose runs outside of any container",
        "run it as a service",
    ),
    "policy.hooks": Rule(
        "privileged hook", "a privileged process owns the machine", "remove `privileged`"
    ),
    "policy.build-network": Rule(
        "network of the build",
        "a build on the host's network reaches etcd, the registry and the gateway",
        "remove `build.network` and `build.extra_hosts`",
    ),
    "policy.build-access": Rule(
        "agent's keys or secrets in the build",
        "a change must not read the agent's keys",
        "remove `build.ssh` and `build.secrets`",
    ),
    "policy.build-privileges": Rule(
        "privileges in the build", "a privileged build owns the machine", "remove the key"
    ),
    "policy.build-output": Rule(
        "build writes elsewhere",
        "images and caches of others could be overwritten",
        "remove `build.tags` and `build.cache_to`; pydeploy names and caches the image",
    ),
    "policy.agent-environment": Rule(
        "value from the agent's environment",
        "it would hand the agent's secrets to the change",
        "use `file:` inside the repository",
    ),
    "policy.image": Rule(
        "image name not allowed",
        "site.yml names the images that may be run and built on",
        "use one of those, with its name written out",
    ),
    "policy.image-of-others": Rule(
        "image of another project",
        "the agent would fetch it with the site's own access to the registry",
        "name a public image, or one of this project by its repository",
    ),
    "policy.ports": Rule(
        "ports not allowed", "host ports are shared by all environments", "publish fewer ports"
    ),
    "policy.too-many-services": Rule(
        "too many services", "the engine is shared", "remove services, or use profiles"
    ),
    "policy.too-many-networks": Rule(
        "too many networks", "subnets are shared", "use fewer networks"
    ),
    "policy.replicas": Rule(
        "service switched off by scale 0", "it would run nowhere", "give it a profile instead"
    ),
    "policy.resources": Rule(
        "resource setting not allowed",
        "the engine is shared",
        "use mem_limit, cpus and pids_limit, with numbers above zero",
    ),
}

_IMAGE = {
    "image.unpinned": _warning(
        "base image not pinned",
        "the same revision would build differently tomorrow",
        "name a version: FROM debian:bookworm-slim",
    ),
    "image.syntax": Rule(
        "Dockerfile cannot be read", "it would not build", "correct the named line"
    ),
    "image.frontend": Rule(
        "foreign build frontend",
        "`# syntax=` names a program that takes over the build",
        "use docker/dockerfile:1, or remove the line",
    ),
    "image.run-option": Rule(
        "RUN option not allowed",
        "the host's network, privileges and the agent's keys are not for builds",
        "remove the option",
    ),
    "image.missing-source": Rule(
        "COPY source missing",
        "the build will fail there",
        "add the file, correct the path, or take it out of .dockerignore",
    ),
    "health.missing": _warning(
        "no health check",
        "without one a service counts as healthy as soon as it runs",
        "add HEALTHCHECK to the Dockerfile or `healthcheck:` to the compose file",
    ),
}

_SECRET = {
    "secret.private-key": Rule(
        "private key in the repository",
        "everybody who can read the repository or the image has it",
        "remove it, and replace the key: who has a clone has it still",
    ),
    "secret.token": Rule(
        "access token in the repository",
        "everybody who can read the repository or the image has it",
        "remove it, and revoke the token: who has a clone has it still",
    ),
    "secret.url-password": Rule(
        "password in a URL",
        "it is shown in logs, and everybody who can read the repository has it",
        "take the password out of the URL, and change it",
    ),
    "secret.literal": _warning(
        "password as a literal value",
        "fine for a throw-away store inside the environment, wrong for anything else",
        "nothing for a throw-away store; if it opens anything real, remove and change it",
    ),
}

_CONFIG = {
    "config.invalid": Rule(
        "pydeploy.yml is wrong",
        "pydeploy would do something else than you meant",
        "correct the key; `pydeploy config schema service` prints what is allowed",
    ),
    "config.front": Rule(
        "front service does not exist",
        "nothing would answer under the environment's name",
        "name a service of the compose file in front.service",
    ),
}

CATALOGUE: dict[str, Rule] = (
    _LAYOUT | _YAML | _PATH | _COMPOSE | _POLICY | _IMAGE | _SECRET | _CONFIG
)
