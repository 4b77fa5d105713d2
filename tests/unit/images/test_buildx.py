"""Commands are data: argv is compared as a whole."""

from pathlib import Path

from pydeploy.clients import buildx

MINIMAL = buildx.Build(
    context=Path("/repo"),
    dockerfile=Path("/repo/Dockerfile"),
    tags=("pydeploy/hello/web:1-1-abc",),
    metadata=Path("/tmp/m.json"),
)


def test_a_plain_build() -> None:
    """No network, entitlement or ssh, and no attestation around the image."""
    assert buildx.build(MINIMAL) == (
        "docker",
        "buildx",
        "--builder=default",
        "build",
        "--progress=rawjson",
        "--provenance=false",
        "--sbom=false",
        "--file=/repo/Dockerfile",
        "--metadata-file=/tmp/m.json",
        "--tag=pydeploy/hello/web:1-1-abc",
        "--load",
        "/repo",
    )


def test_everything_that_can_be_asked_for() -> None:
    """One argument per value, so that no value can become another flag."""
    what = buildx.Build(
        context=Path("/repo/sub"),
        dockerfile=Path("/repo/sub/D"),
        tags=("r/a:1", "r/a:2"),
        metadata=Path("/m"),
        target="final",
        platform="linux/amd64",
        args={"B": "--push", "A": "x y"},
        labels={"org.opencontainers.image.revision": "abc"},
        secrets={"ca": Path("/etc/ca.pem")},
        cache_from=(buildx.cache_from("r/a:buildcache"),),
        cache_to=(buildx.cache_to("r/a:buildcache"),),
    )
    assert buildx.build(what)[7:] == (
        "--file=/repo/sub/D",
        "--metadata-file=/m",
        "--tag=r/a:1",
        "--tag=r/a:2",
        "--target=final",
        "--platform=linux/amd64",
        "--build-arg=A=x y",
        "--build-arg=B=--push",
        "--label=org.opencontainers.image.revision=abc",
        "--secret=id=ca,src=/etc/ca.pem",
        "--cache-from=type=registry,ref=r/a:buildcache",
        "--cache-to=type=registry,ref=r/a:buildcache,mode=max,ignore-error=true",
        "--load",
        "/repo/sub",
    )
