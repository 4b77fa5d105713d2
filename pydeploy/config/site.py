"""`site.yml`: what the operator decides.  Never read from the current folder (the change)."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_serializer, field_validator, model_validator

from pydeploy.config import files
from pydeploy.config.files import Section
from pydeploy.config.types import (
    AbsolutePath,
    Address,
    Domain,
    Duration,
    Label,
    PortOrAuto,
    PortRange,
    Size,
)
from pydeploy.errors import SiteConfigError

_NAME_OR_ABSOLUTE = re.compile(r"/.+|[^/]+", re.DOTALL)
DEFAULT_PATH = Path("/etc/pydeploy/site.yml")


def _without_login(value: str) -> str:
    """`value` if it is an http(s) URL without user and password; ValueError says what is wrong."""
    parts = urlsplit(value)
    if parts.username is not None:
        raise ValueError("give user and password in process variables, not in the URL")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("is not an http:// or https:// URL")
    if parts.query or parts.fragment:
        raise ValueError("write the URL without ? and #")
    return value


class Engine(Section):
    """One Docker engine on which environments run."""

    host: str = Field(
        "unix:///var/run/docker.sock", description="unix://, ssh:// or tcp:// with tls"
    )
    tls: AbsolutePath | None = Field(
        None, description="folder with ca.pem, cert.pem, key.pem for tcp://"
    )
    bind: Address = Field("127.0.0.1", description="address on which environments publish ports")
    ports: PortRange = Field("20000-29999", description="host ports to claim from")
    subnets: str = Field("10.213.0.0/16", description="pool of the releases' private networks")
    subnet_prefix: int = Field(27, ge=20, le=29, description="size of one private network")

    @field_validator("subnets")
    @classmethod
    def _is_network(cls, value: str) -> str:
        network = ipaddress.IPv4Network(value)
        if not network.is_private:
            raise ValueError(f"{value} is not a private network")
        return str(network)

    @model_validator(mode="after")
    def _is_safe(self) -> Engine:
        scheme = urlsplit(self.host).scheme
        if scheme not in ("unix", "ssh", "tcp"):
            raise ValueError("host: write unix://, ssh:// or tcp:// with tls")
        if urlsplit(self.host).password is not None:
            raise ValueError("host: a password in it would be shown; use a key or tls")
        if scheme == "tcp" and self.tls is None:
            raise ValueError(
                "host tcp:// without `tls`: an engine without TLS is open to everybody"
            )
        if ipaddress.IPv4Network(self.subnets).prefixlen > self.subnet_prefix:
            raise ValueError(f"subnets {self.subnets} is smaller than one /{self.subnet_prefix}")
        return self

    @property
    def port_range(self) -> range:
        first, last = self.ports.split("-")
        return range(int(first), int(last) + 1)


class Etcd(Section):
    """Where the state lives.  The password comes from $PYDEPLOY_ETCD_PASSWORD, never from here."""

    endpoints: tuple[str, ...] = Field(("http://127.0.0.1:2379",), min_length=1)
    username: str | None = None
    ca: AbsolutePath | None = None
    cert: AbsolutePath | None = None
    key: AbsolutePath | None = None
    timeout: Duration = Field(5, description="for one request")
    prefix: str = Field("/pydeploy/v1", pattern=r"^/[a-z0-9/_-]*[a-z0-9]$")

    @field_validator("endpoints")
    @classmethod
    def _are_urls(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for place, endpoint in enumerate(value, start=1):
            parts = urlsplit(endpoint)
            if parts.username is not None:
                raise ValueError(
                    f"number {place}: write the user as `username` and give the password in "
                    "$PYDEPLOY_ETCD_PASSWORD, not in the URL"
                )
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise ValueError(f"number {place} is not an http:// or https:// URL")
        return value


class Gateway(Section):
    """The proxy in front.  `auto` takes the usual port, or a free one where that is taken."""

    bind: Address = "0.0.0.0"  # noqa: S104 (the one door that is meant for everybody)
    http_port: PortOrAuto = "auto"
    https_port: PortOrAuto = "auto"
    certificate: AbsolutePath | None = Field(None, description="PEM with key, for *.domain")
    redirect_to_https: bool = False
    address: Address = Field("127.0.0.1", description="where agents reach it")
    drain: Duration = Field(10, description="longest wait for connections to an old release")
    tombstone: Duration = Field(3600, description="how long 'removed' is said instead of 'unknown'")


class Dns(Section):
    bind: Address = "127.0.0.1"
    port: PortOrAuto = "auto"
    address: Address = Field("127.0.0.1", description="what every name resolves to")


class Registry(Section):
    """Where images go.  The password comes from $PYDEPLOY_REGISTRY_PASSWORD, never from here."""

    address: str | None = Field(None, pattern=r"^[a-z0-9.-]+(:\d+)?$", description="host:port")
    namespace: str = Field("pydeploy", pattern=r"^[a-z0-9]+([._-][a-z0-9]+)*$")
    username: str | None = None


class Jenkins(Section):
    """Where builds are asked for.

    Secrets come from $PYDEPLOY_JENKINS_TOKEN and $PYDEPLOY_JENKINS_TRIGGER_TOKEN, never from here.
    """

    url: str | None = Field(None, description="http:// or https://, with its path if it has one")
    ca: AbsolutePath | None = Field(None, description="who signed its certificate, as PEM")
    timeout: Duration = Field(30, le=600, description="for one request")
    username: str | None = None

    @field_validator("url")
    @classmethod
    def _is_root(cls, value: str | None) -> str | None:
        """The root of Jenkins, without a slash at its end."""
        if value is None:
            return None
        parts = urlsplit(value)
        if "@" in parts.netloc:
            raise ValueError(
                "write the user as `username` and give the token in $PYDEPLOY_JENKINS_TOKEN, "
                "not in the URL"
            )
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("is not an http:// or https:// URL")
        if parts.query or parts.fragment:
            raise ValueError("write the root of Jenkins, without ? and #")
        return value.rstrip("/")


class Proxy(Section):
    """May hold a password, because proxies want it in the URL; it is not shown."""

    http: str | None = None
    https: str | None = None
    no: str | None = None

    @field_serializer("http", "https")
    def _hide_password(self, value: str | None) -> str | None:
        return re.sub(r"//[^/]*@", "//***@", value) if value else value


class Build(Section):
    ca: AbsolutePath | None = Field(
        None, description="the site's CA bundle, given to builds as secret `ca`"
    )
    proxy: Proxy = Proxy()
    timeout: Duration = 1800


class Limits(Section):
    """Put on every container; a compose file may ask for less, never for more."""

    memory: Size = 1 << 30
    cpus: float = Field(2.0, gt=0, allow_inf_nan=False)
    pids: int = Field(512, ge=16)
    log_size: Size = 10 << 20
    services: int = Field(20, ge=1, description="per environment")
    networks: int = Field(4, ge=1, description="per environment")


class PolicyException(Section):
    """What one project's branch may do on top of the policy, as Gerrit names both."""

    gerrit_project: str
    branch: str = "*"
    allow: tuple[str, ...] = Field(
        min_length=1, description="codes as `pydeploy check` prints them"
    )


class Policy(Section):
    exceptions: tuple[PolicyException, ...] = ()
    images: tuple[str, ...] = Field(
        ("*",), description="patterns of image names that may be run and built on"
    )


class Audit(Section):
    """Who did what."""

    keep: Duration = Field(30 * 86400, description="how long it is remembered")


class Backup(Section):
    """Where backups of kept data go."""

    folder: AbsolutePath | None = Field(None, description="on the machine of the command")
    on_remove: bool = Field(False, description="leave a last one when kept data is removed")
    keep: int = Field(7, ge=1, description="how many of each environment")
    images: Duration = Field(90 * 86400, description="how long its images stay after a backup")

    @model_validator(mode="after")
    def _has_a_folder(self) -> Backup:
        if self.on_remove and self.folder is None:
            raise ValueError("on_remove: say where, in `folder`")
        return self


_GROUP = r"^[^-\x00-\x1f\x7f][^\x00-\x1f\x7f]*$"


class TrustRule(Section):
    """One way in which a change is trusted: exactly one of everyone, uploader and vote."""

    projects: tuple[str, ...] = Field(
        ("*",), min_length=1, description="patterns of the Gerrit projects that it is for"
    )
    everyone: bool = Field(False, description="whoever uploaded it")
    uploader: str | None = Field(
        None, pattern=_GROUP, description="group; a member of it uploaded the patchset"
    )
    vote: str | None = Field(
        None, pattern=r"^[A-Za-z0-9-]+\+[1-9][0-9]?$", description="this, or more, as Deploy+1"
    )
    by: str | None = Field(None, pattern=_GROUP, description="group; a member of it has voted")

    @model_validator(mode="after")
    def _is_one(self) -> TrustRule:
        ways = (self.everyone, self.uploader is not None, self.vote is not None)
        if sum(ways) != 1:
            raise ValueError("write exactly one of everyone: true, uploader and vote")
        if (self.vote is None) != (self.by is None):
            raise ValueError("vote and by: one needs the other")
        return self


class Gerrit(Section):
    """Where changes are told of.  Passwords, tokens and keys come from $PYDEPLOY_GERRIT_*."""

    url: str | None = Field(None, description="where people and REST reach it")
    ssh: str | None = Field(
        None,
        pattern=r"^([A-Za-z0-9._-]+@)?[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]{1,5})?$",
        description="[user@]host[:port], or a name of ~/.ssh/config",
    )
    username: str | None = Field(None, min_length=1, description="our account, at both doors")
    ca: AbsolutePath | None = Field(None, description="who signs its certificate")
    known_hosts: AbsolutePath | None = Field(None, description="its host key, else ssh's own files")
    timeout: Annotated[Duration, Field(le=300)] = Field(10, description="for one request")
    label: str = Field("Verified", pattern=r"^[A-Za-z0-9-]+$", description="what we vote on")
    vote: bool = Field(True, description="off where gerrit-trigger votes")
    notify: Literal["NONE", "OWNER", "OWNER_REVIEWERS", "ALL"] = Field(
        "OWNER", description="who gets mail"
    )
    trust: tuple[TrustRule, ...] = Field(
        (), description="which changes are built at all: those for which one rule holds"
    )

    @field_validator("url")
    @classmethod
    def _is_url(cls, value: str | None) -> str | None:
        return value and _without_login(value).rstrip("/")

    @model_validator(mode="after")
    def _can_be_asked(self) -> Gerrit:
        if self.trust and not self.is_configured:
            raise ValueError("trust: Gerrit has to be asked, so set url or ssh")
        return self

    @property
    def is_configured(self) -> bool:
        return bool(self.url or self.ssh)


class Report(Section):
    """How reports read."""

    templates: AbsolutePath | None = Field(None, description="folder with templates of the site")
    log_lines: int = Field(30, ge=0, le=200, description="of what failed")


class Chat(Section):
    """One channel of a chat.  The webhook's URL is a secret: it comes from a variable."""

    name: Label = Field(description="for `pydeploy notify --to`")
    kind: Literal["slack", "mattermost", "bearychat", "webhook"]
    channel: str | None = Field(None, min_length=1, description="else the webhook's own")
    template: AbsolutePath | None = Field(None, description="jinja2; gives JSON for a `webhook`")
    webhook_variable: str = Field(
        "PYDEPLOY_CHAT_WEBHOOK",
        pattern=r"^[A-Za-z_][A-Za-z0-9_]*$",
        description="of the process environment; holds the URL",
    )
    ca: AbsolutePath | None = Field(None, description="who signs its certificate")
    timeout: Annotated[Duration, Field(le=300)] = Field(10, description="for one request")

    @model_validator(mode="after")
    def _has_a_form(self) -> Chat:
        if self.kind == "webhook" and self.template is None:
            raise ValueError("kind webhook needs a `template`, which gives the JSON to send")
        return self


class SecretGrant(Section):
    """One secret for one project's branch in some environments; the first that matches counts."""

    name: str = Field(pattern=r"^[a-zA-Z0-9][a-zA-Z0-9._-]{0,62}$", description="in compose files")
    file: AbsolutePath | None = Field(None, description="the agent reads it from there")
    variable: str | None = Field(
        None, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", description="of the agent's process environment"
    )
    command: tuple[str, ...] | None = Field(
        None, min_length=1, description="prints it; program and arguments, run on the agent"
    )
    gerrit_project: str = Field(min_length=1)
    branch: str = "*"
    environments: tuple[str, ...] = Field(min_length=1, description="patterns of their names")

    @model_validator(mode="after")
    def _has_one_source(self) -> SecretGrant:
        if sum(one is not None for one in (self.file, self.variable, self.command)) != 1:
            raise ValueError("write exactly one of file, variable and command")
        if self.command and not _NAME_OR_ABSOLUTE.fullmatch(self.command[0]):
            raise ValueError("command: write the program's name, or an absolute path")
        return self

    @property
    def source(self) -> str:
        """Where its value comes from, for people."""
        if self.command is not None:
            return f"command {self.command[0]}"
        return f"file {self.file}" if self.file else f"variable {self.variable}"

    def is_for(self, gerrit_project: str, branch: str) -> bool:
        """Both as Gerrit names them; nothing is for who cannot say them."""
        short = branch.removeprefix("refs/heads/")
        return (
            bool(short)
            and self.gerrit_project == gerrit_project
            and fnmatchcase(short, self.branch)
        )

    def is_in(self, environment: str) -> bool:
        return any(fnmatchcase(environment, one) for one in self.environments)


class Defaults(Section):
    """What holds where neither a flag nor pydeploy.yml says otherwise."""

    ttl: Duration = Field(3 * 86400, description="life of a change's environment")
    ttl_max: Duration = 30 * 86400
    expiry_warning: Duration = Field(7200, description="how long before its end it is said")
    deadline: Duration = Field(120, description="until everything is healthy")
    deadline_max: Duration = 1800
    stop_grace: Duration = Field(
        10, description="between SIGTERM and SIGKILL; a stateful service may ask for more"
    )
    lock_ttl: Annotated[Duration, Field(ge=3)] = Field(
        15, description="without a sign of life until the lock of a dead process falls"
    )
    lock_wait: Duration = Field(300, description="for another deploy of the same environment")
    releases: int = Field(10, ge=2, description="that a named environment can go back to")

    @model_validator(mode="after")
    def _are_within_limits(self) -> Defaults:
        for name in ("ttl", "deadline"):
            if getattr(self, name) > getattr(self, f"{name}_max"):
                raise ValueError(f"{name} is more than {name}_max")
        return self


class Site(Section):
    """The whole file."""

    site: Label = Field("site", description="name of this site; labels what it owns on an engine")
    compose_prefix: str = Field("pd", pattern=r"^[a-z][a-z0-9]{0,15}$")
    domains: tuple[Domain, ...] = Field(
        ("deploy.localhost",), min_length=1, description="first is primary"
    )
    state_dir: AbsolutePath = Path("/var/lib/pydeploy")
    etcd: Etcd = Etcd()
    engines: dict[Label, Engine] = Field(default_factory=lambda: {"local": Engine()}, min_length=1)
    default_engine: Label | None = None
    gateway: Gateway = Gateway()
    dns: Dns = Dns()
    registry: Registry = Registry()
    jenkins: Jenkins = Jenkins()
    build: Build = Build()
    policy: Policy = Policy()
    limits: Limits = Limits()
    defaults: Defaults = Defaults()
    audit: Audit = Audit()
    backup: Backup = Backup()
    secrets: tuple[SecretGrant, ...] = ()
    gerrit: Gerrit = Gerrit()
    report: Report = Report()
    chat: tuple[Chat, ...] = ()

    @model_validator(mode="after")
    def _has_each_chat_once(self) -> Site:
        names = [one.name for one in self.chat]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"chat: the name {twice[0]!r} is given twice")
        return self

    @model_validator(mode="after")
    def _is_consistent(self) -> Site:
        if self.default_engine is not None and self.default_engine not in self.engines:
            raise ValueError(f"default_engine {self.default_engine!r} is not one of engines")
        if self.default_engine is None and len(self.engines) > 1:
            raise ValueError("default_engine: say which of the engines is the default")
        hosts: dict[str, str] = {}
        for name, engine in self.engines.items():
            if engine.host in hosts:  # each would give out the ports of the other
                raise ValueError(f"engines {hosts[engine.host]} and {name} have the same host")
            hosts[engine.host] = name
        return self

    def engine_name(self, wanted: str | None) -> str:
        """The engine to use; SiteConfigError when `wanted` does not exist."""
        if wanted is None:
            return self.default_engine or next(iter(self.engines))
        if wanted not in self.engines:
            raise SiteConfigError(
                f"engine {wanted!r} is not in site.yml",
                hint=f"choose one of: {', '.join(sorted(self.engines))}",
            )
        return wanted


def locate(flag: str | None, env_vars: Mapping[str, str]) -> Path:
    """--site, else $PYDEPLOY_SITE, else /etc/pydeploy/site.yml."""
    return Path(flag or env_vars.get("PYDEPLOY_SITE") or DEFAULT_PATH)


def load(flag: str | None = None, env_vars: Mapping[str, str] | None = None) -> Site:
    """The site; SiteConfigError lists every problem of the file."""
    variables = os.environ if env_vars is None else env_vars
    path = locate(flag, variables)
    if not path.is_file():
        raise SiteConfigError(
            f"no site file at {path}",
            hint="pass --site FILE or set PYDEPLOY_SITE; `pydeploy config example site` prints one",
        )
    return _with_logins(files.read(path, Site, SiteConfigError), variables)


def _with_logins(site: Site, env_vars: Mapping[str, str]) -> Site:
    """What comes with a password that a pipeline binds: its user, where the file names none.

    Certificates that are bound take the place of the agent's own: those need not be there.
    """

    def named(section: Etcd | Registry, variable: str) -> Any:
        username = section.username or env_vars.get(variable) or None
        return section.model_copy(update={"username": username})

    certificates = env_vars.get("PYDEPLOY_ENGINE_TLS")
    engines = {
        name: engine.model_copy(update={"tls": Path(certificates)})
        if certificates and engine.tls
        else engine
        for name, engine in site.engines.items()
    }
    return site.model_copy(
        update={
            "etcd": named(site.etcd, "PYDEPLOY_ETCD_USERNAME"),
            "registry": named(site.registry, "PYDEPLOY_REGISTRY_USERNAME"),
            "engines": engines,
        }
    )


def schema() -> dict[str, Any]:
    """The JSON schema, for editors."""
    return Site.model_json_schema()
