"""One look at the example page with a real browser, by a name that browsers resolve themselves."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, sync_playwright

from tests.integration.support.site import LiveSite

EXAMPLE = Path(__file__).parents[2] / "examples" / "hello-web"
QUIET = (  # as root, and without looking for anything outside this machine
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip


@pytest.fixture
def page() -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=list(QUIET))
        yield browser.new_page()
        browser.close()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The example as a git repository with one commit."""
    root = tmp_path / "hello-web"
    subprocess.run(["cp", "-r", str(EXAMPLE), str(root)], check=True)
    identity = ["-c", "user.name=Test", "-c", "user.email=test@example.com"]
    for argv in (["init", "-q"], ["add", "."], [*identity, "commit", "-qm", "First"]):
        subprocess.run(["git", *argv], cwd=root, check=True)
    return root


def test_the_example_shows_who_it_is(
    live: LiveSite, change: int, checkout: Path, page: Page
) -> None:
    """Change, patchset and revision on the page; the counter in the store goes up; no errors."""
    problems: list[str] = []
    page.on("console", lambda one: problems.append(one.text) if one.type == "error" else None)
    page.on("pageerror", lambda one: problems.append(str(one)))
    result = live.cli.ok("deploy", checkout, "--change", change, "--patchset", 1)
    assert result["state"] == "running"
    url = f"http://{change}.deploy.localhost:{live.ports.http}/"
    response = page.goto(url)
    assert response is not None
    assert response.status == 200
    revision = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=checkout, check=True, capture_output=True, text=True
    ).stdout.strip()
    text = page.inner_text("body")
    assert str(change) in text
    assert revision[:7] in text
    before = page.content()
    page.reload()
    assert page.content() != before  # the counter
    assert page.title()
    assert problems == []


def test_the_page_of_a_removed_environment(
    live: LiveSite, change: int, checkout: Path, page: Page
) -> None:
    """A reviewer who comes late is told so."""
    live.cli.ok("deploy", checkout, "--change", change, "--patchset", 1)
    live.cli.ok("remove", change)
    response = page.goto(f"http://{change}.deploy.localhost:{live.ports.http}/")
    assert response is not None
    assert response.status == 410
    assert "removed" in page.inner_text("body").lower()
