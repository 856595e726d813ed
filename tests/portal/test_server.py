"""The real server in a real browser: no console error, no request to anybody else."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from browsing import NEEDS_BROWSER, Watcher, launch, settle
from portal_release import N_ROWS, row_id
from portal_server import serve

from catalog_schema.tables import QUASARS

pytestmark = NEEDS_BROWSER


@pytest.fixture(scope="module")
def address(release: Path) -> Iterator[str]:
    with serve(release) as address:
        yield address


@pytest.fixture(scope="module")
def browser():
    with launch() as browser:
        yield browser


@pytest.fixture
def page(browser, address: str):
    context = browser.new_context(viewport={"width": 1440, "height": 1400})
    page = context.new_page()
    page.set_default_timeout(30_000)
    watcher = Watcher(page, address)
    yield page
    page.wait_for_timeout(500)
    context.close()
    assert watcher.faults == []


def tick_first_row(page) -> None:
    grid = page.get_by_test_id("stDataFrame").first
    grid.scroll_into_view_if_needed()
    box = grid.bounding_box()
    page.mouse.click(box["x"] + 16, box["y"] + 54)


def test_from_a_row_to_its_object_and_along_the_ranking(page, address: str) -> None:
    page.goto(address)
    page.get_by_text(f"Rows 1 to 50 of {N_ROWS}").wait_for()
    sidebar = page.get_by_test_id("stSidebarUserContent")
    sidebar.get_by_role("button", name="silver", exact=True).click()
    page.get_by_text("Rows 1 to 8 of 8").wait_for()
    assert page.url.endswith("?tier=silver")
    tick_first_row(page)
    page.get_by_role("link", name=f"Open object {row_id(4)}").click()
    page.get_by_text("Number 1 of 8 in this ranking").wait_for()
    page.locator(".marks").first.wait_for()
    page.get_by_role("button", name="Next").click()
    page.get_by_text("Number 2 of 8 in this ranking").wait_for()
    page.wait_for_url(f"**/object?targetid={row_id(5)}*")
    page.get_by_role("link", name="Back to the list").click()
    page.get_by_text("Rows 1 to 8 of 8").wait_for()


def test_spectrum_of_the_next_object_is_as_if_opened_afresh(page, browser, address: str) -> None:
    read_chart = "() => document.querySelector('.marks')?.toDataURL()"
    page.goto(f"{address}/object?targetid={row_id(0)}")
    page.get_by_text("pixels are good").wait_for()
    page.locator(".marks").nth(2).wait_for()
    first = page.evaluate(read_chart)
    settle(page)
    page.keyboard.press("n")
    page.get_by_text("Number 2 of").wait_for()
    fresh = browser.new_context(viewport=page.viewport_size).new_page()
    fresh.goto(page.url)
    fresh.locator(".marks").nth(2).wait_for()
    for _ in range(100):
        walked, opened = page.evaluate(read_chart), fresh.evaluate(read_chart)
        if walked == opened:
            break
        page.wait_for_timeout(100)
    assert walked == opened != first
    fresh.context.close()


def test_a_row_can_be_opened_by_keyboard(page, address: str) -> None:
    page.goto(address)
    page.get_by_text(f"Rows 1 to 50 of {N_ROWS}").wait_for()
    grid = page.get_by_test_id("data-grid-canvas").first
    grid.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Shift+Space")
    page.get_by_role("link", name="Open object").wait_for()


def take(page, button: str) -> bytes:  # type: ignore[no-untyped-def]
    """Download by a button of a page at rest."""
    settle(page)
    with page.expect_download() as download:
        page.get_by_role("button", name=button).click()
    return Path(download.value.path()).read_bytes()


def test_deep_link_to_an_object(page, address: str) -> None:
    page.goto(f"{address}/object?targetid={row_id(2)}")
    page.get_by_text("pixels are good").wait_for()
    page.get_by_text("rest", exact=True).click()
    page.get_by_text("absorption", exact=True).click()
    page.locator(".marks").first.wait_for()
    text = take(page, "Spectrum as CSV").decode()
    assert text.splitlines()[0] == '"wave","flux","ivar","mask","model"'
    assert len(text.splitlines()) == 7782


def test_rows_can_be_downloaded(page, address: str) -> None:
    page.goto(f"{address}/?tier=gold")
    page.get_by_text("Rows 1 to 4 of 4").wait_for()
    text = take(page, "4 rows as CSV").decode()
    assert str(row_id(0)) in text
    assert len(text.splitlines()) == 5
    assert take(page, "4 rows as Parquet")[:4] == b"PAR1"


def test_statement_is_answered_shared_and_opened_afresh(page, browser, address: str) -> None:
    page.goto(f"{address}/sql")
    page.get_by_text("DESI construction").wait_for()
    page.locator('[data-test-script-state="notRunning"]').wait_for()
    editor = page.get_by_label("Statement")
    editor.fill("SELECT TARGETID, Z, tier FROM quasars WHERE tier = 'gold'")
    page.keyboard.press("Control+Enter")
    page.get_by_text("4 rows in").wait_for()
    assert str(row_id(0)) in take(page, "4 rows as CSV").decode()
    link = page.locator("code", has_text="/sql?release=1.2.0").inner_text()
    fresh = browser.new_context().new_page()
    fresh.goto("".join(link.split()))
    fresh.get_by_text("4 rows in").wait_for()
    fresh.context.close()


def test_statement_under_way_is_cancelled(page, address: str) -> None:
    page.goto(f"{address}/sql?sql=SELECT count(*) FROM range(1000000000000) WHERE range % 7 = 1")
    page.get_by_text("Running for").wait_for()
    page.get_by_role("button", name="Cancel").click()
    page.get_by_text("Running for").wait_for(state="detached")
    page.locator('[data-test-script-state="notRunning"]').wait_for()
    assert "sql=" not in page.url
    assert page.get_by_text("rows in").count() == 0


def test_refused_statement_is_one_line(page, address: str) -> None:
    page.goto(f"{address}/sql?sql=COPY quasars TO 'x'")
    page.get_by_text("only SELECT is allowed here; this is COPY").wait_for()


def test_list_is_matched_and_taken_away(page, address: str) -> None:
    page.goto(f"{address}/match")
    chooser = page.locator("input[type=file]")
    chooser.set_input_files(
        {
            "name": "<b>mine</b>.csv",
            "mimeType": "text/csv",
            "buffer": f"name,ra,dec\n<i>one</i>,0.0005,10\ntwo,10,-80\nid,{row_id(1)},\n".encode(),
        }
    )
    page.get_by_text("1 of 3 rows have a counterpart").wait_for()
    lines = take(page, "rows as CSV").decode().splitlines()
    assert str(row_id(0)) in lines[1]
    assert len(lines) == 2


def test_anomaly_is_cited_and_its_spectrum_taken(page, address: str) -> None:
    page.goto(f"{address}/object?targetid={row_id(0)}")
    page.get_by_text("BibTeX").click()
    page.get_by_text("@misc{desiqad_").wait_for()
    page.get_by_text("Why it stands out").wait_for()
    for title in ("Spectrum as FITS", "Spectrum as VOTable"):
        assert len(take(page, title)) > 100_000


def test_views_are_drawn_when_they_are_chosen(page, address: str) -> None:
    page.goto(address)
    page.locator(".marks").first.wait_for()
    assert page.locator(".marks").count() == 1
    page.get_by_role("tab", name="Distributions").click()
    page.get_by_text("objects in bins of 0.5").wait_for()
    assert page.url.endswith("?view=Distributions")
    page.goto(page.url)
    page.get_by_text("objects in bins of 0.5").wait_for()


def test_a_part_of_the_sky_is_brushed(page, address: str) -> None:
    page.goto(address)
    box = page.locator(".marks").first.bounding_box()
    page.get_by_text(f"Rows 1 to 50 of {N_ROWS}").wait_for()
    settle(page)
    page.mouse.move(box["x"] + 5, box["y"] + 5)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 5, box["y"] + box["height"] - 5, steps=5)
    page.mouse.up()
    page.wait_for_url("**sky=4*")
    page.get_by_role("button", name="Show the whole sky").click()
    page.wait_for_url(f"{address}/")


def test_zoom_brings_the_pixels_in_full(page, address: str) -> None:
    page.goto(f"{address}/object?targetid={row_id(2)}")
    page.locator(".marks").first.wait_for()
    page.get_by_text("the extremes of every 8 pixels").wait_for()
    settle(page)
    page.locator(".marks").first.scroll_into_view_if_needed()
    box = page.locator(".marks").first.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 3)
    for _ in range(4):
        page.mouse.wheel(0, -800)
    page.get_by_text("Drawn is every pixel").wait_for()


def test_keyboard_walks_the_ranking(page, address: str) -> None:
    page.goto(f"{address}/object?targetid={row_id(1)}")
    page.get_by_text(f"Number 2 of {N_ROWS}").wait_for()
    page.locator(".marks").first.wait_for()
    settle(page)
    page.keyboard.press("n")
    page.get_by_text(f"Number 3 of {N_ROWS}").wait_for()
    settle(page)
    page.keyboard.press("p")
    page.get_by_text(f"Number 2 of {N_ROWS}").wait_for()


@pytest.mark.parametrize("path", ["", f"object?targetid={row_id(0)}", "sql", "match", "statistics"])
def test_pages_fit_a_phone(browser, address: str, path: str) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 800}, color_scheme="dark")
    page = context.new_page()
    page.goto(f"{address}/{path}")
    page.get_by_text("DESI construction").first.wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    context.close()


def test_hostile_texts_of_a_release_stay_text(browser, own_release: Path) -> None:
    poison = (
        "<img src=http://evil.test/a onerror=alert(1)> ![x](http://evil.test/b) [y](javascript:1)"
    )
    for name in ("catalog/quasars", "catalog/crossmatch", "catalog/catalogues"):
        poison_texts(own_release / f"{name}.parquet", poison)
    (own_release / "CHANGELOG.md").write_text(f"# {poison}\n")
    with serve(own_release) as address:
        context = browser.new_context()
        page = context.new_page()
        watcher = Watcher(page, address)
        for path in (
            "",
            f"object?targetid={row_id(0)}",
            f"?find={poison}",
            f"object?targetid={poison}",
            f"sql?sql=SELECT '{poison}' AS \"{poison}\"",
            "statistics",
            "about",
            f"?release={poison}",
        ):
            page.goto(f"{address}/{quote(path, safe='?=&')}")
            page.get_by_text("DESI construction").first.wait_for()
            faults = [fault for fault in watcher.faults if "evil" in fault or "page error" in fault]
            assert faults == [], path
            assert page.locator("[src*=evil], [onerror], a[href^='javascript']").count() == 0
        context.close()


def poison_texts(path: Path, poison: str) -> None:
    rows = pq.read_table(path)
    coded = {"tier", "match_state", "catalogue"}
    columns = [
        pa.array([poison] * rows.num_rows)
        if pa.types.is_string(field.type) and field.name not in coded
        else rows[field.name]
        for field in rows.schema
    ]
    pq.write_table(pa.Table.from_arrays(columns, rows.column_names), path)


def test_statistics_and_dictionary(page, address: str) -> None:
    page.goto(f"{address}/statistics")
    page.get_by_text("The law holds").wait_for()
    page.goto(f"{address}/about")
    page.get_by_placeholder("redshift, mag").fill("SFD98")
    page.keyboard.press("Enter")
    page.get_by_text(f"1 of {len(QUASARS.columns)} columns").wait_for()
