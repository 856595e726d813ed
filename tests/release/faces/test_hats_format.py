"""How the sky is divided and columns compared, for any rows."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog_schema.desi import FINE_ORDER
from release.faces.hats_format import (
    MAP_ORDER,
    count_cells,
    divide_sky,
    find_faults_by,
    find_rows,
    is_same_column,
)

# Pixels of order 29, many of them close together.
cells = st.lists(
    st.one_of(st.integers(0, 12 * 4**FINE_ORDER - 1), st.integers(0, 4**20), st.just(7)),
    min_size=1,
    max_size=60,
).map(lambda values: np.array(sorted(values), dtype=np.int64))


@given(cells, st.integers(1, 20))
def test_every_row_is_in_one_pixel_that_is_not_too_full(rows: np.ndarray, max_rows: int) -> None:
    pixels = divide_sky(rows, max_rows)
    pieces = find_rows(rows, pixels)
    assert np.array_equal(np.concatenate([rows[piece] for piece in pieces]), rows)
    crowded = count_cells(rows).max()
    for pixel, piece in zip(pixels, pieces, strict=True):
        inside = rows[piece]
        assert len(inside)
        assert len(inside) <= max(max_rows, crowded)
        assert set(inside >> 2 * (FINE_ORDER - pixel.order)) == {pixel.pixel}
        assert pixel.order <= MAP_ORDER
    assert count_cells(rows).sum() == len(rows)


kinds = st.sampled_from([pa.int64(), pa.float32(), pa.string(), pa.list_(pa.float64(), 2)])


def draw_column(data: st.DataObject, kind: pa.DataType) -> list[object]:
    one = {
        pa.int64(): st.integers(-9, 9),
        pa.float32(): st.sampled_from([0.0, 1.5, float("nan")]),
        pa.string(): st.text("ab", max_size=2),
    }.get(kind, st.lists(st.sampled_from([0.0, float("nan")]), min_size=2, max_size=2))
    return data.draw(st.lists(one if pa.types.is_nested(kind) else st.none() | one, max_size=6))


@given(st.data(), kinds)
def test_columns_are_the_same_if_every_value_and_null_is(
    data: st.DataObject, kind: pa.DataType
) -> None:
    values = draw_column(data, kind)
    column = pa.chunked_array([pa.array(values, kind)])
    cut = data.draw(st.integers(0, len(values)))
    halves = [pa.array(values[:cut], kind), pa.array(values[cut:], kind)]
    assert is_same_column(column, pa.chunked_array(halves))
    for place, value in enumerate(values):
        other = {pa.int64(): 99, pa.float32(): 99.0, pa.string(): "other"}.get(kind, [99.0, 99.0])
        altered = [*values[:place], other, *values[place + 1 :]]
        assert not is_same_column(column, pa.chunked_array([pa.array(altered, kind)]))
        if value is not None and not pa.types.is_nested(kind):
            altered[place] = None
            assert not is_same_column(column, pa.chunked_array([pa.array(altered, kind)]))
    if values:
        assert not is_same_column(column, column.slice(1))


def test_a_validation_tells_why_it_fails() -> None:
    def fail() -> bool:
        import logging

        logging.getLogger("hats").warning("a partition is missing")
        return False

    assert find_faults_by(lambda: True) == []
    assert find_faults_by(lambda: False) == ["hats: not valid"]
    assert find_faults_by(fail) == ["hats: a partition is missing"]
    with pytest.raises(KeyError):
        find_faults_by(lambda: {}["x"])  # type: ignore[index]
