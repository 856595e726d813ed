"""DuckDB in bounded memory: it answers, spills below its folder, and leaves nothing there."""

from pathlib import Path

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from release.tables.engine import open_engine, query


@given(st.text(), st.integers(-(2**62), 2**62))
def test_values_are_values_and_no_sql(text: str, number: int) -> None:
    text = text.replace("\0", "")
    assert query("SELECT ?, ? + 1", text, number) == [(text, number + 1)]


def test_what_is_spilled_lies_in_the_folder_and_goes(tmp_path: Path) -> None:
    with open_engine(tmp_path) as engine:
        [(folder,)] = engine.execute("SELECT current_setting('temp_directory')").fetchall()
        assert Path(folder).parent == tmp_path
        [(limit,)] = engine.execute("SELECT current_setting('memory_limit')").fetchall()
        assert limit == "2.7 GiB"
        # More than its memory, so that the order is made on disk.
        engine.execute("SET memory_limit = '30MB'")
        engine.execute("SET threads = 1")
        rows = engine.execute(
            "SELECT i FROM (SELECT hash(i) AS h, i, repeat('x', 40) AS t FROM range(600000) r(i) "
            "ORDER BY h) WHERE i < 3"
        ).fetchall()
        assert sorted(rows) == [(0,), (1,), (2,)]
    assert list(tmp_path.iterdir()) == []


def test_connections_do_not_share_tables() -> None:
    with open_engine() as one, open_engine() as other:
        one.execute("CREATE TABLE t AS SELECT 1")
        with pytest.raises(duckdb.CatalogException):
            other.execute("FROM t")


def test_fault_leaves_nothing(tmp_path: Path) -> None:
    def fail() -> None:
        with open_engine(tmp_path) as engine:
            engine.execute("SELECT no_such_function()")

    with pytest.raises(duckdb.Error):
        fail()
    assert list(tmp_path.iterdir()) == []
