"""Why a release did not come up, in words, with the last lines of whatever failed."""

from __future__ import annotations

import contextlib
import ipaddress
from collections.abc import Sequence

from pydeploy import console
from pydeploy.clients.docker import DockerEngine
from pydeploy.config.service import Front
from pydeploy.deploy.containers import states
from pydeploy.deploy.health import ContainerState, Judgement, Overall, sentence
from pydeploy.deploy.inventory import Scope
from pydeploy.deploy.probe import Answer
from pydeploy.errors import DeployError
from pydeploy.state.records import Port

LOG_LINES = 30
LOG_LIMIT = 16 << 10  # characters of one container's log in an error
_LISTEN = "0A"  # the state of a listening socket in /proc/net/tcp (kernel, tcp_states.h)
_RESOLVER = "0B00007F"  # 127.0.0.11, Docker's own, in every container


def broken(engine: DockerEngine, judgements: Sequence[Judgement]) -> DeployError:
    """Containers that ended, or crash-loop."""
    return DeployError(
        sentence(judgements),
        hint="mend the program or its image; the same starts locally with `make run`",
        logs=_logs(engine, [one.state for one in judgements]),
    )


def late(engine: DockerEngine, overall: Overall, deadline: int) -> DeployError:
    """The deadline has passed."""
    waiting = overall.waiting
    missing = f"; not started: {', '.join(overall.missing)}" if overall.missing else ""
    running = ", ".join(one.state.service for one in overall.judgements if one.verdict == "up")
    what = sentence(waiting) or (f"{running} has not ended" if running else "it did not start")
    return DeployError(
        f"not healthy after {deadline} s: {what}{missing}",
        hint="if it only needs longer, set `deadline:` in pydeploy.yml; else see its log",
        logs=_logs(engine, [one.state for one in waiting]),
    )


def compose_failed(engine: DockerEngine, overall: Overall, tail: str) -> DeployError:
    """Compose gave up; the containers say why better than compose does."""
    suspects = [one for one in overall.judgements if one.verdict == "waiting"]
    ill = [one for one in suspects if one.state.health == "unhealthy" or one.state.error]
    if ill:
        return DeployError(
            sentence(ill),
            hint="mend the service, or its health check",
            logs=_logs(engine, [one.state for one in ill]),
        )
    last = [line for line in tail.splitlines() if line.strip()][-1:] or ["it said nothing"]
    return DeployError(
        f"docker compose could not start it: {last[0].strip()}",
        hint="see the lines above; `docker compose up` in the repository shows the same",
        logs=tail,
    )


def not_answering(
    engine: DockerEngine, scope: Scope, port: Port, path: str, answer: Answer, front: Front
) -> DeployError:
    """A published port that nothing useful answers on."""
    mine = [state for state in states(engine, scope) if state.service == port.service]
    where = f"{port.service} port {port.container_port}"
    if answer.kind == "http":
        what = f"{where} answers {path} with HTTP {answer.status}, wanted {front.status}"
        hint = "mend it, or set front: path / status in pydeploy.yml"
    elif answer.kind == "closed":
        heard = listening(engine, mine)
        what = f"nothing accepts on {where}{heard and f'; the container listens on {heard}'}"
        hint = "publish the port that the program listens on, and let it listen on 0.0.0.0"
    else:
        what = f"{where} does not answer HTTP ({answer.detail})"
        hint = "set front: in pydeploy.yml to the service and port that answer HTTP"
    return DeployError(what, hint=hint, logs=_logs(engine, mine))


def listening(engine: DockerEngine, states: Sequence[ContainerState]) -> str:
    """`0.0.0.0:8081, 127.0.0.1:9000`: what the containers listen on, as the kernel says it."""
    found: dict[str, None] = {}
    for state in states:
        for line in _proc_net_tcp(engine, state).splitlines():
            fields = line.split()
            if len(fields) > 3 and fields[3] == _LISTEN:
                address, _, number = fields[1].rpartition(":")
                if address != _RESOLVER:
                    found[f"{_show(address)}:{int(number, 16)}"] = None
    return ", ".join(found)


def _proc_net_tcp(engine: DockerEngine, state: ContainerState) -> str:
    if state.status != "running":
        return ""
    with contextlib.suppress(Exception):  # no `cat` in the image, or it just ended: no diagnosis
        argv = ["cat", "/proc/net/tcp", "/proc/net/tcp6"]
        job = engine.api.exec_create(state.identity, argv, stderr=False)
        return bytes(engine.api.exec_start(job["Id"])).decode("ascii", "replace")
    return ""


def _show(address: str) -> str:
    """Words of 32 bits, each with its last byte first (proc(5)); [::] listens on IPv4, too."""
    raw = bytes.fromhex(address)
    packed = b"".join(raw[at : at + 4][::-1] for at in range(0, len(raw), 4))
    if not any(packed):
        return "0.0.0.0"  # noqa: S104 (text, not an address to bind)
    found = ipaddress.ip_address(packed)
    return str(found) if found.version == 4 else f"[{found}]"


def _logs(engine: DockerEngine, states: Sequence[ContainerState]) -> str:
    """The last lines of each; with the service's name in front where there are several."""
    parts = []
    for state in states:
        text = clipped(log_of(engine, state.identity, lines=LOG_LINES))
        name = f"[{state.service}]\n" if len(states) > 1 else ""
        parts.append(f"{name}{text}" if text else f"{name}(no output)\n")
    return "".join(parts)


def log_of(engine: DockerEngine, container: str, *, lines: int) -> str:
    """The last `lines` of a container's stdout and stderr; empty when there are none."""
    with contextlib.suppress(Exception):  # a log that cannot be read must not hide the failure
        raw = engine.api.logs(container, stdout=True, stderr=True, tail=lines)
        return console.hidden(bytes(raw).decode("utf-8", "replace"))  # before it is cut
    return ""


def clipped(text: str) -> str:
    """The end of `text`: a line may be as long as a change's program likes."""
    return text if len(text) <= LOG_LIMIT else f"[...] {text[-LOG_LIMIT:]}"
