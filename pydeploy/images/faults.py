"""Whose fault is it that a build failed: the author's, or of something the site runs on?

What BuildKit says in a structured way comes first: which instruction failed, with which exit
code.  A program inside a `RUN` has nothing but its exit code and its words, so the words by
which known programs report a network failure are listed here, in one table.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

from pydeploy.errors import BuildError, PydeployError, ServiceError
from pydeploy.images.progress import Progress, Vertex

SHOWN_LINES = 50  # of the log, in the error
_JUDGED_LINES = 60  # a warning that was survived earlier says nothing about the end
_EXIT = re.compile(r"did not complete successfully: exit code: (\d+)")
_PLACE = re.compile(r"^\S+:(\d+)$")


@dataclass(frozen=True)
class Signature:
    """How `program` says that the network, or what is behind it, failed."""

    program: str
    pattern: re.Pattern[str]


def _says(program: str, pattern: str) -> Signature:
    return Signature(program, re.compile(pattern))


_DIAL = (
    r"(?:connection refused|i/o timeout|no such host|network is unreachable|no route to host"
    r"|server misbehaving|connection reset by peer|TLS handshake timeout"
    r"|context deadline exceeded|unexpected EOF|\b50[0234]\b)"
)
_RESOLVER = (
    r"(?:Temporary failure in name resolution|Name or service not known"
    r"|Could not resolve (?:host|proxy))"
)

NETWORK: tuple[Signature, ...] = (
    _says("apt", r"Temporary failure resolving '|Could not resolve '"),
    _says(
        "apt",
        r"(?:Could not connect to|Unable to connect to|Cannot initiate the connection to) \S+",
    ),
    _says("apt", r"Failed to fetch \S+\s+(?:50\d|Connection (?:failed|timed out))"),
    _says(
        "apk",
        r"(?:fetching|opening|ERROR:) .*: (?:temporary error|network error|DNS|operation timed)",
    ),
    _says("dnf", r"Curl error \((?:5|6|7|28|35|56)\)"),
    _says("pip", r"NewConnectionError|NameResolutionError|ConnectTimeoutError|ReadTimeoutError"),
    _says("pip", r"HTTP error 50\d while getting|too many 50\d error responses|ProxyError\("),
    _says(
        "npm",
        r"npm (?:ERR!|error) (?:code |errno )?(?:ENOTFOUND|ECONN\w+|ETIMEDOUT|EAI_AGAIN|E50\d)",
    ),
    _says("yarn", r"trouble with your network connection|getaddrinfo (?:ENOTFOUND|EAI_AGAIN)"),
    _says("go", rf"(?:dial tcp|Get \"https?://|reading https?://).*{_DIAL}"),
    _says("curl", r"curl: \((?:5|6|7|28|35|52|55|56)\)"),
    _says("curl", r"curl: \(22\) The requested URL returned error: 50\d"),
    _says(
        "wget",
        rf"wget: unable to resolve host|failed: (?:Connection (?:refused|timed out)|{_RESOLVER})",
    ),
    _says("wget", r"ERROR 50\d: "),
    _says("busybox wget", r"wget: (?:bad address|can't connect to remote host|download timed out)"),
    _says("git", rf"unable to access '.*': (?:{_RESOLVER}|Failed to connect|.*50\d)"),
    _says("git", r"ssh: (?:Could not resolve hostname|connect to host \S+ port \d+: Connection)"),
    _says(
        "maven", r"Could not transfer .*(?:refused|timed out|Unknown host|No route|resolution|50\d)"
    ),
    _says("java", r"java\.net\.(?:UnknownHost|Connect|NoRouteToHost|SocketTimeout)Exception"),
    _says(
        "cargo",
        r"spurious network error|\[(?:6|7|28)\] .*(?:resolve host|connect to server|[Tt]imeout)",
    ),
    _says("gem", r"Could not reach host|Net::OpenTimeout|Failed to open TCP connection to"),
    _says("composer", r"curl error (?:6|7|28) while downloading"),
)

# Programs told to be silent: the exit code is all they say.
SILENT: dict[str, frozenset[int]] = {
    "curl": frozenset({5, 6, 7, 28, 35, 52, 55, 56}),  # EXIT CODES in curl(1)
    "wget": frozenset({4}),  # EXIT STATUS in wget(1): network failure
}

# BuildKit's own words, about base images, remote files, cache and push.
REGISTRY = re.compile(
    rf"(?:failed to (?:resolve|do request|fetch|copy|authorize|configure)|httpReadSeeker).*{_DIAL}"
    r"|toomanyrequests|429 Too Many Requests"
)
DISK = re.compile(r"[Nn]o space left on device|[Dd]isk quota exceeded|ENOSPC")
ENGINE = re.compile(
    r"Cannot connect to the Docker daemon|error during connect|code = Unavailable"
    r"|closing transport|failed to receive status|no active session|graceful_stop"
)


def judge(service: str, dockerfile: str, progress: Progress) -> PydeployError:
    """The error of a build that ended with a non-zero exit code."""
    failed = progress.failed()
    vertex = failed[0] if failed else Vertex()
    final = _final(progress)
    logs = "\n".join(list(vertex.log or progress.text)[-SHOWN_LINES:])
    if not progress.vertices:
        return ServiceError(
            f"{service}: docker buildx could not begin: {final}",
            service="docker",
            hint="see that buildx 0.13 or newer is installed: `pydeploy doctor`",
        )
    if ENGINE.search(final) and not _EXIT.search(final):
        return ServiceError(
            f"{service}: the engine went away during the build",
            service="docker",
            hint="see that the engine runs: `pydeploy doctor`",
            logs=final,
        )
    words = "\n".join([vertex.error, final, *list(vertex.log)[-_JUDGED_LINES:]])
    if DISK.search(words):
        return ServiceError(
            f"{service}: the engine's disk is full",
            service="docker",
            hint="make room: `pydeploy prune`, then `docker system df`",
            logs=logs,
        )
    return _network(service, vertex, final, logs) or _author(
        service, dockerfile, vertex, final, progress, logs
    )


def _network(service: str, vertex: Vertex, final: str, logs: str) -> ServiceError | None:
    if REGISTRY.search(vertex.error or final):
        return ServiceError(
            f"{service}: a registry failed during the build: {vertex.error or final}",
            service="registry",
            hint="see that the registry and the way to it work, then build again",
            logs=logs,
        )
    program = _silent(vertex) or _loud(vertex)
    if not program:
        return None
    return ServiceError(
        f"{service}: the network or a mirror failed inside the build, says {program} "
        f"in `{instruction(vertex)}`",
        service="network",
        hint="see that the mirror answers from this engine (site.yml: build/proxy, build/ca), "
        "then build again",
        logs=logs,
    )


def _loud(vertex: Vertex) -> str:
    """The program whose words of a network failure are at the end of the log."""
    if not vertex.error:
        return ""
    for line in list(vertex.log)[-_JUDGED_LINES:]:
        for signature in NETWORK:
            if signature.pattern.search(line):
                return signature.program
    return ""


def _silent(vertex: Vertex) -> str:
    """The program whose exit code is that of a network failure."""
    match = _EXIT.search(vertex.error)
    for program, codes in SILENT.items():
        if match and int(match[1]) in codes and re.search(rf"\b{program}\b", vertex.name):
            return program
    return ""


def _author(
    service: str, dockerfile: str, vertex: Vertex, final: str, progress: Progress, logs: str
) -> BuildError:
    place = f"{dockerfile}:{line}" if (line := _line(progress)) else dockerfile
    match = _EXIT.search(vertex.error)
    if match:
        what = f"`{instruction(vertex)}` ended with exit code {match[1]}"
    else:
        what = (vertex.error or final or "the build failed").removeprefix("failed to solve: ")
    return BuildError(
        f"{service}: {place}: {what}", hint=_hint(match[1] if match else ""), logs=logs
    )


def _hint(code: str) -> str:
    if code == "137":
        return "the program was killed, most likely because the machine ran out of memory"
    return "mend it and push a new patchset; `docker build` in the repository shows the same"


def instruction(vertex: Vertex) -> str:
    """`RUN make` of BuildKit's `[stage-0 3/3] RUN make`."""
    return re.sub(r"^\[[^]]*\] ", "", vertex.name) or "(unknown instruction)"


def _final(progress: Progress) -> str:
    """The last `ERROR:` of buildx."""
    for line in reversed(progress.text):
        if line.startswith("ERROR: "):
            return line.removeprefix("ERROR: ")
    return "\n".join(list(progress.text)[-3:])


def _line(progress: Progress) -> str:
    """The line of the Dockerfile that buildx points at: `Dockerfile:3` above a ruler."""
    lines = list(progress.text)
    for above, ruler in pairwise(lines):
        match = _PLACE.match(above)
        if match and ruler.startswith("-----"):
            return match[1]
    return ""
