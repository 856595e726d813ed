"""Where chance is measured: beside the objects, a sample of them, beyond their counterparts."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.context.catalogues.search import NOTHING, Found, choose_shifted
from pipeline.context.science.match import measure_separations
from pipeline.settings.context import CrossmatchSettings


@given(
    n=st.integers(1, 60),
    radius=st.floats(0.5, 20),
    most=st.integers(1, 40),
    shifts=st.integers(1, 6),
)
def test_shifted_positions_lie_around_evenly_chosen_objects(
    n: int, radius: float, most: int, shifts: int
) -> None:
    rng = np.random.default_rng(n)
    ra, dec = rng.uniform(0, 360, n), rng.uniform(-80, 80, n)
    settings = CrossmatchSettings(chance_objects=most, chance_shifts=shifts)
    found_ra, found_dec = choose_shifted(ra, dec, radius, settings)
    step = -(-n // most)
    chosen = np.arange(0, n, step)
    assert len(chosen) <= most
    assert len(found_ra) == shifts * len(chosen)
    origin = np.tile(chosen, shifts)
    gaps = measure_separations(ra[origin], dec[origin], found_ra, found_dec)
    np.testing.assert_allclose(gaps, max(10 * radius, 60), rtol=1e-6)
    # Around each object the places are as far apart as they can be.
    for row in range(len(chosen)):
        places = slice(row, None, len(chosen))
        angles = np.arctan2(
            (found_ra[places] - ra[chosen[row]] + 180) % 360 - 180,
            (found_dec[places] - dec[chosen[row]]) / np.cos(np.radians(dec[chosen[row]])),
        )
        assert len(np.unique(angles.round(6))) == shifts


@pytest.mark.parametrize(("n", "k", "rate"), [(0, 0, None), (8, 2, 0.25), (4, 12, 3.0)])
def test_chance_rate_is_sources_per_shifted_position(n: int, k: int, rate: float | None) -> None:
    found = Found(NOTHING.position, NOTHING.separation, NOTHING.sources, n_shifted=n, n_chance=k)
    assert found.chance_rate == rate
