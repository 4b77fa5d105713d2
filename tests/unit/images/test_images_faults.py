"""Author or operator?  One sample for each line of the table, as the programs print it."""

import pytest

from pydeploy.errors import BuildError, PydeployError, ServiceError
from pydeploy.images import faults
from pydeploy.images.progress import Progress, Vertex

# In the order of faults.NETWORK.
SAMPLES = (
    "  Temporary failure resolving 'deb.mirror.test'",
    "W: Failed to fetch http://m.test/x  Could not connect to m.test:80 (10.0.0.1), refused",
    "E: Failed to fetch http://m.test/pool/a.deb  503  Service Unavailable [IP: 10.0.0.1 80]",
    "WARNING: updating and opening http://m.test/main: temporary error (try again later)",
    "[MIRROR] x.rpm: Curl error (6): Couldn't resolve host name for http://m.test/",
    "WARNING: Retrying (Retry(total=4)) after connection broken by 'NewConnectionError('",
    "ERROR: HTTP error 503 while getting https://m.test/x.whl",
    "npm error code ECONNREFUSED",
    "info There appears to be trouble with your network connection. Retrying...",
    'go: m.test/x@v1: Get "https://p.test/x": dial tcp: lookup p.test: no such host',
    "curl: (6) Could not resolve host: m.test",
    "curl: (22) The requested URL returned error: 503",
    "wget: unable to resolve host address 'm.test'",
    "2026-01-01 00:00:00 ERROR 502: Bad Gateway.",
    "wget: can't connect to remote host (127.0.0.1): Connection refused",
    "fatal: unable to access 'https://g.test/x/': Could not resolve host: g.test",
    "ssh: Could not resolve hostname g.test: Name or service not known",
    "Could not transfer artifact a:b:pom:1 from/to central: Connect timed out",
    "Caused by: java.net.UnknownHostException: m.test",
    "warning: spurious network error (3 tries remaining): [7] Couldn't connect to server",
    "Could not reach host m.test. Check your network connection and try again.",
    "curl error 6 while downloading https://p.test/packages.json: Could not resolve host",
)


def failed(name: str, error: str, log: str = "", text: str = "") -> PydeployError:
    """The judgement of a build in which one instruction failed."""
    progress = Progress()
    vertex = Vertex(name=name, error=error)
    vertex.log.extend(log.splitlines())
    progress.vertices["d"] = vertex
    progress.text.extend(text.splitlines())
    return faults.judge("web", "Dockerfile", progress)


def begun() -> Progress:
    """A build that got as far as reading the Dockerfile."""
    progress = Progress()
    progress.vertices["d"] = Vertex(name="[internal] load build definition from Dockerfile")
    return progress


def run_failed(log: str, code: int = 1, name: str = "[2/2] RUN make") -> PydeployError:
    error = f'process "/bin/sh -c make" did not complete successfully: exit code: {code}'
    return failed(name, error, log)


@pytest.mark.parametrize(("signature", "sample"), list(zip(faults.NETWORK, SAMPLES, strict=True)))
def test_a_network_failure_inside_a_run_is_the_operators(
    signature: faults.Signature, sample: str
) -> None:
    assert signature.pattern.search(sample)
    failure = run_failed(f"before\n{sample}\nafter", code=100)
    assert isinstance(failure, ServiceError)
    assert (failure.service, failure.exit_code, failure.fault) == ("network", 6, "operator")
    assert sample in failure.logs


@pytest.mark.parametrize(("program", "code"), [("curl -s", 7), ("curl -s", 28), ("wget -q", 4)])
def test_a_silent_program_is_known_by_its_exit_code(program: str, code: int) -> None:
    failure = run_failed("", code, f"[2/2] RUN {program} https://m.test/x")
    assert isinstance(failure, ServiceError)


@pytest.mark.parametrize(
    "log",
    [
        "make: *** [makefile:2: all] Error 1",
        "ERROR: No matching distribution found for reqeusts",
        "E: Unable to locate package phyton3",
        "npm error code E404",
        "curl: (22) The requested URL returned error: 404",
        "fatal: repository 'https://g.test/x/' not found",
        "ERROR 404: Not Found.",
        "connect() test: connection refused, as it should be",
    ],
)
def test_what_the_author_can_mend_is_the_authors(log: str) -> None:
    failure = run_failed(log)
    assert isinstance(failure, BuildError)
    assert (failure.exit_code, failure.fault, failure.logs) == (3, "author", log)


def test_the_message_names_dockerfile_line_instruction_and_code() -> None:
    progress = Progress()
    vertex = Vertex(
        name="[stage-0 3/3] RUN make", error="x did not complete successfully: exit code: 2"
    )
    progress.vertices["d"] = vertex
    progress.text.extend(["Dockerfile:3", "--------------------", "ERROR: failed to solve: x"])
    failure = faults.judge("web", "docker/Dockerfile", progress)
    assert failure.message == "web: docker/Dockerfile:3: `RUN make` ended with exit code 2"


def test_a_killed_program_hints_at_memory() -> None:
    assert "memory" in run_failed("", 137).hint


@pytest.mark.parametrize(
    "error",
    [
        "failed to resolve source metadata for registry.example/library/x:1: failed to do request: "
        'Head "https://r.test/v2/": dial tcp: lookup r.test: no such host',
        "failed to copy: httpReadSeeker: failed open: unexpected status code 503 Unavailable",
        "failed to authorize: failed to fetch anonymous token: net/http: TLS handshake timeout",
        "toomanyrequests: You have reached your pull rate limit.",
    ],
)
def test_a_registry_that_fails_a_base_image_is_the_operators(error: str) -> None:
    failure = failed("[internal] load metadata for x", error)
    assert isinstance(failure, ServiceError)
    assert failure.service == "registry"


@pytest.mark.parametrize(
    "error",
    [
        "failed to resolve source metadata for registry.example/library/nosuch:1: "
        "registry.example/library/nosuch:1: not found",
        "failed to resolve source metadata for registry.example/x/y:1: pull access denied, "
        "repository does not exist or may require authorization",
    ],
)
def test_a_base_image_that_does_not_exist_is_the_authors(error: str) -> None:
    assert isinstance(failed("[internal] load metadata for x", error), BuildError)


def test_a_full_disk_is_the_operators() -> None:
    failure = run_failed("cp: error writing '/x': No space left on device")
    assert isinstance(failure, ServiceError)
    assert "disk" in failure.message


def test_an_engine_that_went_away_is_the_operators() -> None:
    progress = Progress()
    progress.text.append(
        "ERROR: rpc error: code = Unavailable desc = error reading from server: EOF"
    )
    failure = faults.judge("web", "Dockerfile", progress)
    assert isinstance(failure, ServiceError)
    assert failure.service == "docker"


def test_a_dockerfile_that_cannot_be_read() -> None:
    """No instruction has failed: the final error says what is wrong."""
    text = "Dockerfile:2\n-----\nERROR: failed to solve: dockerfile parse error on line 2: unknown"
    progress = begun()
    progress.text.extend(text.splitlines())
    failure = faults.judge("web", "Dockerfile", progress)
    assert failure.message == "web: Dockerfile:2: dockerfile parse error on line 2: unknown"
    assert isinstance(failure, BuildError)


def test_buildx_that_is_missing_or_too_old_is_the_operators() -> None:
    """No instruction was ever begun: the Dockerfile has nothing to do with it."""
    progress = Progress()
    progress.text.append("docker: 'buildx' is not a docker command.")
    failure = faults.judge("web", "Dockerfile", progress)
    assert isinstance(failure, ServiceError)
    assert "is not a docker command" in failure.message
