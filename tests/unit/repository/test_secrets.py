"""What counts as a committed secret, and what does not."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from pydeploy.repository import secrets
from pydeploy.repository.documents import load
from pydeploy.repository.findings import Notes
from pydeploy.repository.sources import Sources
from pydeploy.repository.tree import Tree


def _scan(root: Path, files: dict[str, str]) -> list[tuple[str, str, int]]:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    sources = Sources()
    if "c.yml" in files:
        sources.documents["c.yml"] = load("c.yml", files["c.yml"].encode())
    if ".env" in files:
        sources.env_files[".env"] = files[".env"].encode()
    notes = Notes()
    secrets.scan(Tree(root), sources, [], notes)
    return [(one.code, one.file, one.line) for one in notes.findings]


# Each in two halves, so that no scanner takes this repository for a leak.
TOKENS = (
    "AKIA" + "0" * 16,
    "ghp_" + "a" * 36,
    "github_pat_" + "a" * 30,
    "glpat-" + "a" * 20,
    "xoxb-" + "0" * 12,
    "AIza" + "a" * 35,
    "npm_" + "a" * 36,
)


@pytest.mark.parametrize("token", TOKENS)
def test_tokens(tmp_path: Path, token: str) -> None:
    assert _scan(tmp_path, {"source/a.py": f"x\nkey = '{token}'\n"}) == [
        ("secret.token", "source/a.py", 2)
    ]


@pytest.mark.parametrize("kind", ["", "RSA ", "EC ", "OPENSSH ", "ENCRYPTED "])
def test_private_keys(tmp_path: Path, kind: str) -> None:
    text = "-----BEGIN " + kind + "PRIVATE KEY-----\n"
    assert _scan(tmp_path, {"Dockerfile": "FROM x\nRUN echo " + text}) == [
        ("secret.private-key", "Dockerfile", 2)
    ]


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("https://u:hunter@git.example.invalid/x", "secret.url-password"),
        ("postgres://app:app@db:5432/app", "secret.literal"),
        ("postgres://app:${PASSWORD}@db.example.invalid/app", ""),
        ("https://u:***@git.example.invalid/x", ""),
        ("https://example.invalid:8080/@x", ""),
        ("ssh://git@example.invalid:29418/x", ""),
    ],
)
def test_urls(tmp_path: Path, url: str, code: str) -> None:
    """A server of ours is warned about, a server elsewhere is an error, a reference is neither."""
    found = _scan(tmp_path, {"source/a.txt": url})
    assert found == ([(code, "source/a.txt", 1)] if code else [])


@pytest.mark.parametrize(
    ("line", "is_found"),
    [
        ("ENV DB_PASSWORD=example", True),
        ("ENV API_TOKEN example", True),
        ('ARG A=1 CLIENT_SECRET="example"', True),
        ("ARG API_TOKEN", False),
        ("ENV PASSWORD_FILE=/run/secrets/x", False),
        ("ENV DB_PASSWORD=$OTHER", False),
        ("ENV PATH=/x", False),
    ],
)
def test_literals_of_a_dockerfile(tmp_path: Path, line: str, is_found: bool) -> None:
    found = _scan(tmp_path, {"Dockerfile": f"FROM x\n{line}\n"})
    assert found == ([("secret.literal", "Dockerfile", 2)] if is_found else [])


def test_literals_of_compose_and_env_files(tmp_path: Path) -> None:
    """Mappings, lists, build arguments and env files, each with its line."""
    compose = (
        "services:\n  a:\n    environment:\n      DB_PASSWORD: example\n      TOKEN_TTL: 5\n"
        "  b:\n    environment:\n      - DB_PASSWORD=example\n      - SECRET\n"
        "    build:\n      args: {API_KEY: example}\n"
    )
    env = "# PASSWORD=no\nexport DB_PASSWORD=example\nEMPTY_TOKEN=\n"
    assert sorted(_scan(tmp_path, {"c.yml": compose, ".env": env})) == [
        ("secret.literal", ".env", 2),
        ("secret.literal", "c.yml", 4),
        ("secret.literal", "c.yml", 8),
        ("secret.literal", "c.yml", 11),
    ]


def test_elsewhere_is_not_looked_at(tmp_path: Path) -> None:
    """Keys for tests are nobody's business, and links are not followed."""
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "link").symlink_to("../tests/key.txt")
    text = "-----BEGIN " + "PRIVATE KEY-----\n"
    assert _scan(tmp_path, {"tests/key.txt": text}) == []


def test_long_lines_take_no_time(tmp_path: Path) -> None:
    """Patterns are linear, also on lines made against them."""
    text = "\n".join(["://" + "a." * 60_000, "-----BEGIN " + "A " * 60_000, "a://" + ":" * 60_000])
    started = time.monotonic()
    assert _scan(tmp_path, {"source/a.txt": text[: secrets.MAX_FILE]}) == []
    assert time.monotonic() - started < 5
