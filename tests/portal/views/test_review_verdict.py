"""A review session in a real browser: ten objects by key, one taken back, the progress seen."""

from pathlib import Path

import pytest
from browsing import NEEDS_BROWSER, Watcher, launch, settle
from login_provider import CLIENT, providing
from portal_release import VERSION, row_id
from portal_server import find_port, serve
from reviewable import load, write_reviewable

from catalog_schema.vocabulary import ReviewAction, Verdict

pytestmark = NEEDS_BROWSER
KEYS = "aoxuaoxuao"
WORDS = {
    "a": Verdict.ANOMALOUS,
    "o": Verdict.ORDINARY,
    "x": Verdict.ARTEFACT,
    "u": Verdict.UNSURE,
}
LEFT = 34
SECRETS = """
[auth]
redirect_uri = "http://127.0.0.1:{port}/oauth2callback"
cookie_secret = "0123456789abcdef0123456789abcdef"
client_id = "{client}"
client_secret = "secret"
server_metadata_url = "{issuer}/.well-known/openid-configuration"

[reviewers."ada@example.org"]
name = "AL"
role = "reviewer"
"""


@pytest.fixture(scope="module")
def browser():
    with launch() as browser:
        yield browser


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("QAD_LEDGER_URL", raising=False)
    return write_reviewable(tmp_path / "releases" / VERSION)


def wait_for_object(page, number: int) -> None:
    page.get_by_role("heading", name=f"TARGETID {row_id(number)}").wait_for()
    page.locator('[data-test-script-state="notRunning"]').wait_for()


def test_ten_objects_by_key_and_one_taken_back(browser, root: Path) -> None:
    with serve(root, "--local-reviewer", "ABC", folder=root.parents[1]) as address:
        judge_ten(browser, address)
    events = load(root)
    assert [event.verdict for event in events[:10]] == [WORDS[key] for key in KEYS]
    assert [event.targetid for event in events[:10]] == [row_id(number) for number in range(10)]
    assert all(event.is_blinded and event.seconds_spent for event in events[:10])
    assert (events[10].action, events[10].supersedes) == (
        ReviewAction.RETRACTION,
        events[9].review_id,
    )
    assert len(events) == 11


def judge_ten(browser, address: str) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 1400})
    page = context.new_page()
    page.set_default_timeout(30_000)
    watcher = Watcher(page, address)
    page.goto(f"{address}/review")
    for number, key in enumerate(KEYS):
        wait_for_object(page, number)
        page.get_by_text(f"ABC: {LEFT - number} left in this queue").wait_for()
        page.locator(".marks").first.wait_for()
        assert page.get_by_text("gold", exact=True).count() == 0
        settle(page)
        page.keyboard.press(key)
    page.get_by_text(f"ABC: {LEFT - 10} left in this queue").wait_for()
    settle(page)
    page.keyboard.press("z")
    page.get_by_text(f"ABC: {LEFT - 9} left in this queue").wait_for()
    wait_for_object(page, 9)
    tile = page.get_by_test_id("stMetric").filter(has_text="objects reviewed")
    assert "9" in tile.inner_text()
    page.wait_for_timeout(500)
    context.close()
    assert watcher.faults == []


@pytest.mark.parametrize(
    ("claims", "is_reviewer"),
    [
        ({"email": "Ada@example.org", "email_verified": True}, True),
        ({"email": "ada@example.org"}, False),
        ({"email": "eve@example.org", "email_verified": True}, False),
    ],
)
def test_who_logs_in_reviews_if_listed(
    browser,
    root: Path,
    claims: dict[str, object],
    is_reviewer: bool,
) -> None:
    port = find_port()
    with providing(**claims) as provider:
        secrets = root.parents[1] / ".streamlit" / "secrets.toml"
        secrets.parent.mkdir()
        secrets.write_text(SECRETS.format(port=port, client=CLIENT, issuer=provider.address))
        with serve(root, port=port, folder=root.parents[1]) as address:
            context = browser.new_context()
            page = context.new_page()
            page.set_default_timeout(30_000)
            page.goto(f"{address}/review")
            page.get_by_text("reviewers log in first").wait_for()
            page.get_by_role("button", name="Log in").click()
            page.wait_for_url(f"{address}/")
            page.get_by_role("link", name="Review").click()
            if is_reviewer:
                wait_for_object(page, 0)
                settle(page)
                page.keyboard.press("a")
                page.get_by_text(f"AL: {LEFT - 1} left in this queue").wait_for()
            else:
                page.get_by_text("not in the list of reviewers").wait_for()
                assert page.get_by_role("button", name="Anomalous").count() == 0
            context.close()
    ledger = root.parents[1] / "ledger.sqlite"
    assert (
        [event.reviewer for event in load(root)] == ["AL"] if is_reviewer else not ledger.exists()
    )
