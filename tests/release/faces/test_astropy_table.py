"""Texts become lines that the formats know, and every unit of the schema is one to astropy."""

from pathlib import Path

import astropy.units as u
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from graded_rows import draw_rows
from hypothesis import given
from hypothesis import strategies as st

from catalog_schema.contents import ANOMALIES
from catalog_schema.tables import QUASARS
from release.faces.astropy_table import keep_texts, parse_unit, read_graded, to_ascii, to_line


@given(st.none() | st.text())
def test_any_text_is_one_line_of_ascii(text: str | None) -> None:
    line, plain = to_line(text), to_ascii(text)
    assert line.split() == (text or "").split()
    assert len(line.splitlines()) <= 1
    assert line == line.strip()
    assert plain.isascii()
    assert len(plain) == len(line)
    assert (to_line(line), to_ascii(plain)) == (line, plain)
    assert line != plain or line.isascii()


@given(st.lists(st.none() | st.text("aé \n", max_size=4), max_size=5))
def test_texts_are_rewritten_and_all_else_is_kept(texts: list[str | None]) -> None:
    column = pa.chunked_array([pa.array(texts, pa.string())])
    assert keep_texts(column, rewrite=to_ascii).tolist() == [to_ascii(text) for text in texts]
    numbers = pa.chunked_array([pa.array([len(t) if t else None for t in texts], pa.int32())])
    assert keep_texts(numbers, rewrite=to_ascii).tolist() == numbers.to_pylist()


@pytest.mark.parametrize("unit", sorted({c.unit for c in QUASARS.columns if c.unit}))
def test_every_unit_is_one(unit: str) -> None:
    assert parse_unit(parse_unit(unit).to_string("vounit")) == parse_unit(unit)


def test_parsed_unit_is_the_right_one() -> None:
    assert parse_unit("nJy") == 1e-9 * u.Jy
    with pytest.raises(ValueError, match="parsecs_per_fortnight"):
        parse_unit("parsecs_per_fortnight")


@pytest.mark.parametrize("seed", range(3))
def test_graded_rows_carry_masks_and_metadata(released: Path, tmp_path: Path, seed: int) -> None:
    rows = draw_rows(pq.read_table(released / ANOMALIES), seed)
    (tmp_path / "catalog").mkdir()
    pq.write_table(rows, tmp_path / ANOMALIES)
    table = read_graded(tmp_path, QUASARS.columns)
    for column in QUASARS.columns:
        found = table[column.name]
        assert (found.description, found.meta["ucd"]) == (column.description, column.ucd)
        assert bool(found.unit) == bool(column.unit)
        is_null = rows[column.name].is_null().to_numpy()
        mask = np.ma.getmaskarray(found)
        assert np.array_equal(mask.reshape(len(rows), -1).all(axis=1), is_null), column.name
