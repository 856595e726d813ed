"""A review session in a real browser: ten objects by key, one taken back, the progress seen."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from portal_release import VERSION, row_id
from test_browser import Watcher, browser, pytestmark, wait_until_healthy  # noqa: F401
from test_review_page import load, write_reviewable

import portal
from catalog_schema.vocabulary import ReviewAction, Verdict

KEYS = "aoxuaoxuao"
LEFT = 34


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_reviewable(tmp_path_factory.mktemp("data") / "releases" / VERSION)


@pytest.fixture(scope="module")
def address(root: Path) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    arguments = [str(root), "--port", str(port), "--local-reviewer", "ABC"]
    home = str(Path(portal.__file__).parents[1])
    environment = {k: v for k, v in os.environ.items() if k != "QAD_LEDGER_URL"}
    server = subprocess.Popen(
        [sys.executable, "-c", f"from portal.cli import portal; portal({arguments})"],
        cwd=home, env={**environment, "PYTHONPATH": home},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        wait_until_healthy(f"http://127.0.0.1:{port}/_stcore/health", server)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(10)


def test_ten_objects_by_key_and_one_taken_back(browser, address: str, root: Path) -> None:  # noqa: F811
    context = browser.new_context(viewport={"width": 1280, "height": 1400})
    page = context.new_page()
    page.set_default_timeout(30_000)
    watcher = Watcher(page, address)
    page.goto(f"{address}/review")
    for number, key in enumerate(KEYS):
        page.get_by_role("heading", name=f"TARGETID {row_id(number)}").wait_for()
        page.get_by_text(f"ABC: {LEFT - number} left in this queue").wait_for()
        page.locator('[data-test-script-state="notRunning"]').wait_for()
        page.locator(".marks").first.wait_for()
        assert page.get_by_text("gold", exact=True).count() == 0
        page.keyboard.press(key)
    page.get_by_text(f"ABC: {LEFT - 10} left in this queue").wait_for()
    page.keyboard.press("z")
    page.get_by_text(f"ABC: {LEFT - 9} left in this queue").wait_for()
    page.get_by_role("heading", name=f"TARGETID {row_id(9)}").wait_for()
    tile = page.get_by_test_id("stMetric").filter(has_text="objects reviewed")
    assert "9" in tile.inner_text()
    if path := os.environ.get("QAD_SCREENSHOT"):
        page.screenshot(path=path, full_page=True)
    page.wait_for_timeout(500)
    context.close()
    assert watcher.faults == []
    events = load(root)
    words = {"a": Verdict.ANOMALOUS, "o": Verdict.ORDINARY, "x": Verdict.ARTEFACT,
             "u": Verdict.UNSURE}  # fmt: skip
    assert [event.verdict for event in events[:10]] == [words[key] for key in KEYS]
    assert [event.targetid for event in events[:10]] == [row_id(number) for number in range(10)]
    assert all(event.is_blinded and event.seconds_spent for event in events[:10])
    assert (events[10].action, events[10].supersedes) == (
        ReviewAction.RETRACTION, events[9].review_id,
    )  # fmt: skip
    assert len(events) == 11
