"""What the doctor says of what it sees, and how that ends the command."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import pytest

from pydeploy.commands import doctor
from pydeploy.config.site import Site
from pydeploy.errors import ServiceError
from pydeploy.platform import checks
from pydeploy.platform.checks import clock, engine, ports, subnets
from pydeploy.platform.checks.verdict import Context, Verdict, error, ok, warning
from pydeploy.platform.ports import Ports
from pydeploy.state.store import Store

PORTS = Ports(http=80, https=443, dns=53, etcd_peer=2380)


def _context() -> Context:
    return Context(site=Site(), store=cast(Store, None), engines={}, ports=PORTS)


def _raising(failure: Exception) -> Any:
    def check(context: Context) -> Iterator[Verdict]:
        raise failure
        yield

    return check


def _run(part: str, failure: Exception) -> Verdict:
    (found,) = checks.run(_context(), {part: _raising(failure)})
    return found


def test_a_part_that_does_not_answer_is_an_error_with_its_log() -> None:
    found = _run("etcd", ServiceError("etcd does not answer", service="etcd"))
    assert (found.level, found.part) == ("error", "etcd")
    assert "docker logs pydeploy-site-etcd-1" in found.mend


def test_a_part_that_pydeploy_does_not_start_is_not_blamed_on_up() -> None:
    """The default site has no registry here."""
    found = _run("registry", ServiceError("no answer", service="registry"))
    assert "not started by pydeploy" in found.mend


def test_an_engine_that_does_not_answer_is_named_as_such() -> None:
    found = _run("engine", ServiceError("engine 'local' does not answer", service="docker"))
    assert found.level == "error"
    assert "engine.sh" in found.mend


@pytest.mark.parametrize(("service", "named"), [("etcd", "etcd"), ("docker", "engine")])
def test_one_fault_is_one_error(service: str, named: str) -> None:
    """What cannot be checked because of another part is only mentioned."""
    found = _run("ports", ServiceError("no answer", service=service))
    assert found == warning("ports", f"cannot be checked without {named}", f"mend {named} first")


@pytest.mark.parametrize(
    ("verdicts", "exit_code"),
    [
        ([ok("dns", "")], None),
        ([warning("dns", "", "")], None),
        ([error("dns", "", "")], 6),
        ([error("subnets", "", "", "config")], 2),
        ([error("subnets", "", "", "config"), error("dns", "", "")], 6),
    ],
)
def test_the_worst_decides_the_exit(verdicts: list[Verdict], exit_code: int | None) -> None:
    """6 when a part has to be mended, 2 when only site.yml has to; warnings are no errors."""
    failure = doctor.judge(verdicts)
    assert (failure.exit_code if failure else None) == exit_code


@pytest.mark.parametrize(
    ("text", "version"), [("26.1.5+dfsg1", (26, 1)), ("2.26.1-4", (2, 26)), ("dev", (0, 0))]
)
def test_versions_are_read_from_what_distributions_make_of_them(
    text: str, version: tuple[int, int]
) -> None:
    assert engine._version(text) == version


def test_ranges_that_the_kernel_keeps_free_do_not_count(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setattr(ports, "_KERNEL", tmp_path)
    (tmp_path / "ip_local_port_range").write_text("32768\t60999\n")
    (tmp_path / "ip_local_reserved_ports").write_text("\n")
    assert ports._ephemeral(range(20000, 30000)).level == "ok"
    found = ports._ephemeral(range(32000, 34000))
    assert found.level == "warning"
    assert found.mend == "sysctl -w net.ipv4.ip_local_reserved_ports=32000-33999"
    (tmp_path / "ip_local_reserved_ports").write_text("8080,32000-33999\n")
    assert ports._ephemeral(range(32000, 34000)).level == "ok"


def test_routes_are_read_without_the_default_and_the_engines_own() -> None:
    table = (
        "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
        "eth0\t00000000\t0100A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
        "eth0\t0000A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
        "br-1234\t0000D50A\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n"
        "docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n"
    )
    assert [(what, str(network)) for what, network in subnets._routes(table)] == [
        ("the route by eth0 to", "192.168.0.0/24")
    ]


class FakeEngine:
    def __init__(self, system_time: str) -> None:
        self.sdk = self
        self._system_time = system_time

    def answering(self) -> Any:
        import contextlib

        return contextlib.nullcontext()

    def info(self) -> dict[str, str]:
        return {"SystemTime": self._system_time}


def test_a_clock_that_is_off_is_a_warning() -> None:
    """Docker says nanoseconds."""
    context = Context(
        site=Site(),
        store=cast(Store, None),
        engines=cast(Any, {"far": FakeEngine("2020-01-01T00:00:00.123456789Z")}),
        ports=PORTS,
    )
    (found,) = clock.check(context)
    assert found.level == "warning"
