"""A Chromium that notes everything that a visit should not cause."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
# Below a page's address the server is looked for in two places, the page's own folder first.
PROBES = ("/_stcore/health", "/_stcore/host-config")

NEEDS_BROWSER = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="chromium is not installed"),
]


class Watcher:
    """Everything that a visit should not cause."""

    def __init__(self, page, address: str) -> None:
        self.address, self.faults = address, []
        page.on("console", self.hear)
        page.on("pageerror", lambda error: self.faults.append(f"page error: {error}"))
        page.on("request", self.see)

    def hear(self, message) -> None:
        is_probe = urlsplit(message.location["url"]).path.endswith(PROBES)
        if message.type == "error" and not is_probe:
            self.faults.append(f"console: {message.text}")

    def see(self, request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in ("data", "blob") and parts.netloc != urlsplit(self.address).netloc:
            self.faults.append(f"request: {request.url}")


@contextmanager
def launch() -> Iterator[Any]:
    """Start the browser and end it."""
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


def settle(page) -> None:  # type: ignore[no-untyped-def]
    """Wait until nothing is drawn any more: a page drawn anew meanwhile loses a click or a key."""
    # What was clicked before starts the page anew only a moment later.
    page.wait_for_timeout(500)
    page.locator('[data-test-script-state="notRunning"]').wait_for()
