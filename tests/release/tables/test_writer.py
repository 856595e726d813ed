"""Published tables: the same bytes however the rows arrive, and whole metadata."""

from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog_schema.column import Column, Table
from release.tables import writer
from release.tables.footer import CONTENT_KEY
from release.tables.writer import TableWriter, find_open_strings, measure_strings, write_whole

TABLE = Table(
    "toys",
    "Toys.",
    ("n",),
    (
        Column("n", pa.int64(), "A number.", "meta.id"),
        Column("text", pa.string(), "A text.", "meta.note", nullable=True),
        Column("kind", pa.string(), "A kind.", "meta.code", vocabulary=("a", "b")),
        Column("x", pa.float32(), "A float.", "stat.value", unit="Angstrom", nullable=True),
    ),
)


def make_rows(n_rows: int) -> pa.Table:
    return pa.table(
        {
            "n": range(n_rows),
            "text": [None if n % 5 == 2 else "é" * (n % 4) for n in range(n_rows)],
            "kind": ["ab"[n % 2] for n in range(n_rows)],
            "x": [None if n % 7 == 3 else n / 3 for n in range(n_rows)],
        },
        schema=pa.schema(
            [("n", pa.int64()), ("text", pa.string()), ("kind", pa.string()), ("x", pa.float32())]
        ),
    )


@pytest.fixture(autouse=True)
def _small_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "_CATALOGUE_ROWS", 7)


@given(n_rows=st.integers(0, 40), cuts=st.sets(st.integers(0, 40)))
def test_bytes_do_not_depend_on_how_rows_arrive(
    tmp_path_factory: pytest.TempPathFactory, n_rows: int, cuts: set[int]
) -> None:
    folder, rows = tmp_path_factory.mktemp("written"), make_rows(n_rows)
    lengths = measure_strings(rows, TABLE)
    write_whole(folder / "whole.parquet", TABLE, rows, {"title": "Toys"})
    edges = [0, *sorted(cut for cut in cuts if cut < n_rows), n_rows]
    with TableWriter(folder / "parts.parquet", TABLE, {"title": "Toys"}, lengths) as out:
        for start, stop in pairwise(edges):
            out.write(rows.slice(start, stop - start))
    assert out.n_rows == n_rows
    assert (folder / "parts.parquet").read_bytes() == (folder / "whole.parquet").read_bytes()
    file = pq.ParquetFile(folder / "whole.parquet")
    assert file.read().cast(rows.schema).equals(rows)
    sizes = [file.metadata.row_group(k).num_rows for k in range(file.num_row_groups)]
    assert [size for size in sizes[:-1] if size != 7] == []


def test_footer_carries_notes_units_and_lengths(tmp_path: Path) -> None:
    rows = make_rows(9)
    write_whole(tmp_path / "a" / "toys.parquet", TABLE, rows, {"title": "Toys", "license": "CC"})
    footer = pq.read_schema(tmp_path / "a" / "toys.parquet").metadata
    assert (footer[b"title"], footer[b"license"]) == (b"Toys", b"CC")
    assert b'unit="Angstrom"' in footer[CONTENT_KEY.encode()]
    assert find_open_strings(TABLE) == ["text"]
    assert measure_strings(rows, TABLE) == {"text": 3}
    assert measure_strings(rows.slice(0, 0), TABLE) == {"text": 1}


def test_rows_of_another_schema_are_refused(tmp_path: Path) -> None:
    rows = make_rows(3)
    with pytest.raises((pa.ArrowException, KeyError)):
        write_whole(tmp_path / "toys.parquet", TABLE, rows.drop_columns("x"), {})
    texts = rows.set_column(0, "n", pa.array(["a", "b", "c"]))
    with pytest.raises(pa.ArrowException):
        write_whole(tmp_path / "toys.parquet", TABLE, texts, {})


def test_what_fails_half_way_is_closed(tmp_path: Path) -> None:
    def fail() -> None:
        with TableWriter(tmp_path / "toys.parquet", TABLE, {}, {"text": 3}) as out:
            out.write(make_rows(3))
            raise KeyError("half way")

    with pytest.raises(KeyError, match="half way"):
        fail()
    assert pq.read_metadata(tmp_path / "toys.parquet").num_rows == 0
