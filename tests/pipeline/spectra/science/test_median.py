"""Medians of good pixels against the definition, row by row."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.spectra.science.median import median_of_good

PIXELS = st.lists(st.tuples(st.floats(-1e6, 1e6, width=32), st.booleans()), min_size=1, max_size=40)


@given(pixels=PIXELS)
def test_equals_the_definition(pixels: list) -> None:
    values, good = (np.array(column) for column in zip(*pixels, strict=True))
    row = values.astype(np.float32)[None]
    found = median_of_good(row, good[None])
    expected = np.median(row[0][good]) if good.any() else np.float32(np.nan)
    np.testing.assert_array_equal(found, [expected])
    assert found.dtype == np.float32


@pytest.mark.parametrize("size", [1, 2, 7, 8, 4384, 7781])
def test_rows_do_not_touch_each_other(size: int) -> None:
    rng = np.random.default_rng(size)
    values = rng.standard_normal((20, size)).astype(np.float32)
    good = rng.random((20, size)) < np.linspace(0, 1, 20)[:, None]
    kept = values.copy()
    found = median_of_good(values, good)
    for k in range(20):
        one = median_of_good(values[k : k + 1], good[k : k + 1])
        np.testing.assert_array_equal(found[k : k + 1], one)
        if good[k].any():
            assert found[k] == np.median(values[k][good[k]])
    np.testing.assert_array_equal(values, kept)


def test_bad_values_are_not_looked_at() -> None:
    values = np.array([[np.nan, 3, np.inf, 1, -np.inf, 2]], np.float32)
    assert median_of_good(values, np.array([[False, True, False, True, False, True]])) == 2


def test_no_rows() -> None:
    assert median_of_good(np.zeros((0, 5), np.float32), np.zeros((0, 5), bool)).shape == (0,)
