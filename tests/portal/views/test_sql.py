"""The page of SQL."""

from pathlib import Path

import pytest
from pages import open_page, written
from portal_release import row_id


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
