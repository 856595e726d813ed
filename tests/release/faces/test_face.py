"""The values of a column as a face gives them on, whatever its type."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from release.faces.face import keep

KINDS = {
    pa.int32(): st.integers(-(2**31), 2**31 - 1),
    pa.int64(): st.integers(-(2**63), 2**63 - 1),
    pa.float32(): st.floats(width=32, allow_nan=False),
    pa.float64(): st.floats(allow_nan=False),
}


@pytest.mark.parametrize("kind", KINDS, ids=str)
@given(data=st.data())
def test_numbers_are_kept_and_nulls_masked(kind: pa.DataType, data: st.DataObject) -> None:
    values = data.draw(st.lists(st.none() | KINDS[kind], max_size=6))
    cut = data.draw(st.integers(0, len(values)))
    column = pa.chunked_array([pa.array(values[:cut], kind), pa.array(values[cut:], kind)])
    found = keep(column)
    assert found.dtype == kind.to_pandas_dtype()
    assert found.tolist() == values


@given(st.lists(st.none() | st.text("aé\n日", max_size=5), max_size=6))
def test_texts_are_kept_and_null_is_empty(values: list[str | None]) -> None:
    found = keep(pa.chunked_array([pa.array(values, pa.string())]))
    assert found.tolist() == [value or "" for value in values]


@given(st.lists(st.lists(st.floats(width=32, allow_nan=False), min_size=3, max_size=3), max_size=5))
def test_lists_are_rows_of_a_matrix(values: list[list[float]]) -> None:
    found = keep(pa.chunked_array([pa.array(values, pa.list_(pa.float32(), 3))]))
    assert found.shape == (len(values), 3)
    assert np.array_equal(found.data, np.array(values, np.float32).reshape(-1, 3))
    assert not np.ma.getmaskarray(found).any()
