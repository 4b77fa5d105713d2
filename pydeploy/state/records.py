"""The values in etcd.  Unknown fields are ignored: an older agent can read a newer one's."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict

State = Literal["running", "completed"]
Action = Literal["deploy", "promote", "rollback", "restart", "restore"]
RouteState = Literal["running", "starting", "failed", "removed"]


class Record(BaseModel):
    """Base of all values; immutable, JSON in and out."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    def text(self) -> str:
        return self.model_dump_json(exclude_none=True)

    @classmethod
    def read(cls, text: str) -> Self:
        return cls.model_validate_json(text)


class Change(Record):
    """A Gerrit change at one patchset; every field as Gerrit says it."""

    number: int
    patchset: int
    revision: str
    gerrit_project: str = ""
    branch: str = ""
    topic: str = ""
    owner: str = ""


class Image(Record):
    service: str
    ref: str
    digest: str


class Port(Record):
    """One published port of a release."""

    service: str
    container_port: int
    protocol: Literal["tcp", "udp"] = "tcp"
    host_port: int


class Origin(Record):
    """How a release came to be; of which release, where it was not built for this one."""

    action: Action = "deploy"
    environment: str = ""
    release: str = ""


class Release(Record):
    """One version in an environment; enough to start it again without a checkout."""

    name: str
    attempt: int  # the fencing token under which it was started
    engine: str
    revision: str
    patchset: int | None = None
    version: str = ""  # the part of its name behind the environment's
    change: Change | None = None  # of which it was built
    gerrit_project: str = ""  # as the caller said, also where there is no change
    branch: str = ""
    origin: Origin = Origin()
    settings: dict[str, Any] = {}  # pydeploy.yml, as config.service.Service has it
    model: dict[str, Any]  # compose's canonical model without the checkout (images/)
    images: tuple[Image, ...] = ()
    ports: tuple[Port, ...] = ()
    networks: dict[str, str] = {}  # network name in the model → claimed subnet
    address: str = ""
    health_path: str = "/"  # what of the front is asked, and which statuses are well
    health_status: str = "200-399"
    created: str = ""
    volumes: dict[str, str] = {}  # of its own: name in the model → volume on the engine


class KeptService(Record):
    """A stateful service: its container stays while releases change."""

    attempt: int  # the fencing token under which its container was made
    fingerprint: str  # of its definition and its image's content
    ports: tuple[Port, ...] = ()
    http: tuple[Port, ...] = ()  # those of them that answered HTTP
    secrets: str = ""  # the volume that holds its secrets
    is_done: bool = False  # it has exited 0, so the next release starts it anew


class Kept(Record):
    """What belongs to an environment and not to one of its releases (`data: keep`)."""

    engine: str
    network: str  # on the engine; the stateful services are in it whatever release runs
    subnet: str
    services: dict[str, KeptService] = {}
    volumes: dict[str, str] = {}  # name in the model → volume on the engine


class Environment(Record):
    """What runs, or last ran, under one name."""

    name: str
    service: str
    state: State
    url: str | None = None
    urls: dict[str, str] = {}  # service → URL
    hosts: tuple[str, ...] = ()  # every name that has a route
    change: Change | None = None
    current: Release | None = None
    previous_release: str | None = None  # its name; releases/ has the rest
    kept: Kept | None = None
    discarded: tuple[str, ...] = ()  # volumes that it kept once, and that are to go
    created: str
    updated: str
    expires: str | None = None
    warned: str | None = None  # the `expires` of which it has been said that it comes soon
    warnings: tuple[str, ...] = ()


class Wanted(Record):
    """The newest wish for an environment; raised by compare-and-swap before anything else."""

    generation: int
    action: Action | Literal["remove"]
    change: int | None = None
    patchset: int | None = None
    revision: str = ""
    by: str = ""


class Holder(Record):
    """Who holds a lock."""

    holder: str
    since: str
    patchset: int | None = None
    build_url: str = ""


class PortClaim(Record):
    """Who holds a host port; `foreign` notes that something that is not ours does."""

    environment: str = ""
    release: str = ""
    service: str = ""
    container_port: int = 0
    token: int = 0
    kept: bool = False  # of a stateful service: it outlives the release
    foreign: bool = False


class SubnetClaim(Record):
    """Who holds a network; `foreign` notes that something that is not ours does."""

    environment: str = ""
    release: str = ""
    network: str = ""
    token: int = 0
    kept: bool = False
    foreign: bool = False


class Route(Record):
    """host → address:port, or why there is none."""

    environment: str
    release: str = ""
    state: RouteState = "running"
    address: str = ""
    port: int = 0


class Gateway(Record):
    """One live gateway; the key's lease is its life."""

    applied: int  # the etcd revision up to which it has applied the routes
    address: str
    http_port: int
    https_port: int | None = None
    draining: tuple[str, ...] = ()  # address:port that still have streams


class BackupRecord(Record):
    """A backup that was made: its images stay as long as it is remembered."""

    environment: str
    images: tuple[Image, ...]
    created: str


class Undelivered(Record):
    """Something that could not be said yet; one that is newer makes older ones obsolete."""

    to: Literal["gerrit", "chat"]
    about: str  # the change, or the chat's name
    body: dict[str, Any]  # as its reporter wrote it, and will send it
    created: str
    why: str = ""


class BuildRecord(Record):
    """The images of one revision, built once."""

    images: tuple[Image, ...]
    created: str


class Trigger(Record):
    """A build that was asked of Jenkins under an idempotency key.

    `asked` is written before the request: whoever finds it with nobody at work does not know
    whether Jenkins got it.
    """

    state: Literal["asked", "queued"]
    url: str  # of Jenkins
    job: str
    key: str
    mark: str  # what the build carries, where it can
    by: str
    since: str
    queue_id: int | None = None
    number: int | None = None  # of the build, once it is known
