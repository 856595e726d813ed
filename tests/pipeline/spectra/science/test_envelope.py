"""The envelope runs below lines, row by row, and knows no unit."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import percentile_filter, uniform_filter1d

from pipeline.spectra.science.envelope import find_envelope

BINS = np.arange(274)


@given(place=st.floats(40, 230), width=st.floats(1, 4), height=st.floats(0.1, 10))
def test_a_line_stands_above_a_flat_continuum(place: float, width: float, height: float) -> None:
    line = 1 + height * np.exp(-0.5 * ((BINS - place) / width) ** 2)
    np.testing.assert_allclose(find_envelope(line), 1, atol=0.02 * height)


@given(seed=st.integers(0, 99), factor=st.floats(0.01, 100))
def test_rows_are_their_own_and_units_do_not_matter(seed: int, factor: float) -> None:
    rows = np.random.default_rng(seed).uniform(0, 1, (3, len(BINS)))
    found = find_envelope(rows)
    np.testing.assert_array_equal(found, [find_envelope(row) for row in rows])
    np.testing.assert_allclose(find_envelope(factor * rows), factor * found, rtol=1e-9)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_it_is_the_smoothed_twentieth_percentile(kind: type) -> None:
    row = np.random.default_rng(1).normal(size=len(BINS)).astype(kind)
    expected = uniform_filter1d(percentile_filter(row, 20, size=37), 21)
    np.testing.assert_array_equal(find_envelope(row), expected)
