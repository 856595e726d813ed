"""The page of SQL."""

from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import duckdb
import pandas as pd
import pyarrow.parquet as pq
import pytest
from pages import asked, follow, open_page, written
from points_release import VERSION, make_points, write_points
from portal_release import N_ROWS, row_id
from streamlit.testing.v1 import AppTest

from catalog_schema.tables import QUASARS
from portal.service.pool import LIMITS
from portal.views.sql import MAX_COLOURS, MAX_DRAWN


def press(app: AppTest, label: str) -> AppTest:
    (button,) = [each for each in app.button if each.label == label]
    button.click().run()
    assert not app.exception
    return app


def linked(app: AppTest) -> dict[str, list[str]]:
    """The parameters of the link to the statement."""
    (link,) = [block.value for block in app.code if "release=" in block.value]
    return parse_qs(urlsplit(link).query, keep_blank_values=True)


def answer(root: Path, sql: str) -> pd.DataFrame:
    """What a plain DuckDB says."""
    with duckdb.connect() as con:
        con.read_parquet(str(root / "catalog/quasars.parquet")).create_view("quasars")
        return con.sql(sql).df()


def test_sql_page_answers_the_statement_of_its_address(
    release: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sql = "SELECT TARGETID, TARGET_RA, TARGET_DEC, Z, tier FROM quasars WHERE tier = 'gold'"
    app = open_page(monkeypatch, release, "sql", sql=sql)
    assert "4 rows in" in written(app)
    assert app.text_area(key="statement").value == sql
    assert any(str(row_id(0)) in frame.value.to_string() for frame in app.dataframe)
    assert any("release=1.2.0" in block.value for block in app.code)
    app = open_page(monkeypatch, release, "sql", sql="DROP VIEW quasars")
    assert [error.value for error in app.error] == ["only SELECT is allowed here; this is DROP"]
    app = open_page(monkeypatch, release, "sql", sql="SELECT '<b>x</b>' AS \"<i>y</i>\"")
    assert not app.error


def test_the_first_statement_is_of_the_graded_strangest_first(
    release: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = open_page(monkeypatch, release, "sql")
    found = answer(release, app.text_area(key="statement").value)
    rows = pq.read_table(release / "catalog/quasars.parquet").to_pandas()
    graded = rows[rows["tier"] != "none"]
    assert sorted(found["TARGETID"]) == sorted(graded["TARGETID"])
    assert found["finding_p_value"].is_monotonic_increasing
    # Nothing is answered before it is asked for.
    assert "rows in" not in written(app)


def test_a_statement_for_points_asks_for_what_they_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write_points(tmp_path / VERSION, make_points(graded=False))
    text = open_page(monkeypatch, root, "sql").text_area(key="statement").value
    assert "tier" not in text
    found = duckdb.sql(text.replace("points", f"'{root}/catalog/points.parquet'")).df()
    assert len(found) == make_points().num_rows
    # The greatest first: only p- and q-values begin with the smallest.
    order = found.columns[-1]
    assert found[order].is_monotonic_decreasing


def test_a_statement_that_is_run_is_in_the_address_until_it_is_cancelled(
    release: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = open_page(monkeypatch, release, "sql")
    sql = "SELECT 'a&b #1+1=100% ü\n“x”' AS one, 2 AS two -- ?sql="
    app.text_area(key="statement").set_value(sql)
    press(app, "Run")
    assert asked(app, "sql") == sql
    assert linked(app) == {"release": ["1.2.0"], "sql": [sql]}
    assert "1 rows in" in written(app)
    again = follow(open_page(monkeypatch, release, "sql"), sql=linked(app)["sql"][0])
    assert "1 rows in" in written(again)
    press(app, "Cancel")
    assert "sql" not in app.query_params
    assert "rows in" not in written(app)


def test_a_cut_answer_says_so(release: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sql = f"SELECT range AS n FROM range({LIMITS.rows + 1})"
    app = open_page(monkeypatch, release, "sql", sql=sql)
    assert f"{LIMITS.rows:,} rows in" in written(app)
    (warning,) = app.warning
    assert f"Cut after {LIMITS.rows:,} rows" in warning.value


@pytest.mark.parametrize(
    ("sql", "part"),
    [
        ("SELEC 1", "SELEC"),
        ("SELECT * FROM read_csv('/etc/passwd')", "etc"),
        ("SELECT nothing FROM quasars", "nothing"),
        ("   ", "SELECT statement first"),
    ],
)
def test_what_cannot_be_answered_is_one_line(
    release: Path, monkeypatch: pytest.MonkeyPatch, sql: str, part: str
) -> None:
    app = open_page(monkeypatch, release, "sql", sql=sql)
    (told,) = [error.value for error in app.error]
    assert part in told.replace("\\", "")
    assert "\n" not in told
    assert "root:x" not in told


def test_a_recipe_goes_into_the_editor_and_is_not_run(
    own_release: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (own_release / "sql").mkdir()
    (own_release / "sql/cookbook.sql").write_text(
        "-- ## One\nSELECT 1;\n\n-- ## <b>Two</b>\nSELECT 2;\n"
    )
    app = open_page(monkeypatch, own_release, "sql")
    assert app.selectbox[0].options == ["One", "<b>Two</b>"]
    app.selectbox[0].set_value("<b>Two</b>").run()
    press(app, "Into the editor")
    assert app.text_area(key="statement").value == "SELECT 2;"
    assert "rows in" not in written(app)


def test_the_schema_lists_every_table_and_its_columns(
    release: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = open_page(monkeypatch, release, "sql")
    (box,) = [each for each in app.selectbox if each.label == "Table"]
    files = {path.stem for path in release.glob("*/*.parquet")}
    assert set(box.options) == files
    for name in sorted(files):
        box.set_value(name).run()
        shown = app.dataframe[0].value["Column"].tolist()
        (path,) = release.glob(f"*/{name}.parquet")
        assert shown == pq.read_schema(path).names, name
    assert QUASARS.description not in written(app)


def test_a_table_of_a_newer_release_is_described_by_duckdb(
    own_release: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = pq.read_table(own_release / "catalog/quasars.parquet", columns=["TARGETID"])
    pq.write_table(rows, own_release / "catalog/brought_later.parquet")
    app = open_page(monkeypatch, own_release, "sql")
    (box,) = [each for each in app.selectbox if each.label == "Table"]
    box.set_value("brought_later").run()
    assert "`DESCRIBE brought_later` lists its columns." in written(app)
    assert not app.dataframe


def draw_part(part: str, rows: object) -> None:
    from portal.views import sql

    getattr(sql, part)(rows)


def show(part: str, rows: pd.DataFrame) -> AppTest:
    app = AppTest.from_function(draw_part, args=(part, rows), default_timeout=60).run()
    assert not app.exception
    return app


@pytest.mark.parametrize("names", [("TARGET_RA", "TARGET_DEC"), ("ra", "Dec"), ("RA", "dec")])
def test_the_sky_has_every_row_with_a_place(names: tuple[str, str]) -> None:
    rows = pd.DataFrame({names[0]: ["1:00:00", 400, None, 359.9], names[1]: [1, 2, 3, "-89"]})
    app = show("_show_sky", rows)
    assert app.caption[0].value == "2 of 4 rows; 2 of them have no position."


def test_without_places_the_sky_says_what_to_return() -> None:
    app = show("_show_sky", pd.DataFrame({"ra": [1.0], "x": [2.0]}))
    assert "TARGET_RA and TARGET_DEC" in app.info[0].value


@pytest.mark.parametrize("n", [0, 1, MAX_DRAWN, MAX_DRAWN + 1])
def test_a_chart_draws_so_many_rows_and_says_so(n: int) -> None:
    app = show("_show_chart", pd.DataFrame({"a": range(n), "b": 1.0, "word": "x"}))
    assert app.caption[0].value == f"{min(n, MAX_DRAWN):,} of {n:,} rows."
    assert app.selectbox[0].options == ["a", "b"]
    assert app.selectbox[1].options == ["count", "a", "b"]
    assert app.selectbox[1].value == "b"


def test_without_numbers_there_is_no_chart() -> None:
    app = show("_show_chart", pd.DataFrame({"word": ["x", "y"]}))
    assert "no column of numbers" in app.info[0].value
    assert not app.selectbox


@pytest.mark.parametrize("n", [1, MAX_COLOURS, MAX_COLOURS + 1])
def test_few_words_colour_a_chart_and_many_do_not(n: int) -> None:
    words = [f"w{row % n}" for row in range(N_ROWS)]
    app = show("_show_chart", pd.DataFrame({"a": range(N_ROWS), "word": words}))
    (chart,) = app.get("vega_lite_chart")
    assert ("colour" in chart.proto.spec) == (n <= MAX_COLOURS)
