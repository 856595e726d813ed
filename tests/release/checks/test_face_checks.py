"""When two columns are the same: every value, and what is missing in the same places."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from release.checks.face_checks import is_same

columns = st.one_of(
    st.lists(st.none() | st.integers(-9, 9), max_size=6).map(lambda v: to_masked(v, int)),
    st.lists(st.none() | st.floats(-9, 9, width=32), max_size=6).map(lambda v: to_masked(v, float)),
    st.lists(st.text("ab", max_size=2), max_size=6).map(lambda v: np.ma.array(v, dtype=str)),
)


def to_masked(values: list[Any], kind: type) -> np.ma.MaskedArray:
    mask = [value is None for value in values]
    return np.ma.array([value or 0 for value in values], dtype=kind, mask=mask)


@given(columns)
def test_a_column_is_like_itself_and_unlike_any_altered(column: np.ma.MaskedArray) -> None:
    assert is_same(column, column.copy())
    for place in range(len(column)):
        other = column.copy()
        other[place] = "other" if column.dtype.kind == "U" else 77
        assert not is_same(other, column)
        if column.dtype.kind != "U" and not np.ma.getmaskarray(column)[place]:
            other[place] = np.ma.masked
            assert not is_same(other, column)
    if len(column):
        assert not is_same(column[1:], column)


@pytest.mark.parametrize(
    ("found", "expected", "same"),
    [
        (np.array([0.1]), np.array([0.1], np.float32), True),
        (np.array([0.1000001]), np.array([0.1], np.float32), False),
        (np.array([np.nan, 1]), np.ma.array([5.0, 1], mask=[True, False]), True),
        (np.array([np.inf, 1]), np.ma.array([5.0, 1], mask=[True, False]), False),
        (np.array([2.0]), np.array([2]), True),
        (np.array([2.5]), np.array([2]), False),
        (np.array([b"a", b""]), np.array(["a", ""]), True),
        (["1"], np.array(["1"]), True),
        (["1"], np.array([1]), False),
        ([], np.array([], np.float32), True),
        ([[1.0, np.nan]], np.array([[1.0, np.nan]]), True),
        ([[1.0, np.nan]], np.array([[np.nan, 1.0]]), False),
        ([1.0, 2.0], np.array([[1.0, 2.0]]), False),
    ],
)
def test_kinds_of_numbers_and_texts(found: Any, expected: Any, same: bool) -> None:
    assert is_same(found, expected) == same
