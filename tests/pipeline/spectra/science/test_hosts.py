"""A host knows what of it is seen, how bright it is, and how large a change is in its noise."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from quasar_windows import LINES, make_host

from pipeline.spectra.science.hosts import draw_even, draw_log

Z = st.floats(0.1, 5)


@given(z=Z, wave=st.floats(900, 9000))
def test_a_wave_is_seen_where_it_and_its_sides_are_in_the_arms(z: float, wave: float) -> None:
    near = np.array([wave * 0.97, wave * 1.03]) * (1 + z)
    seen = make_host(z).sees(wave)
    if near[0] >= 3600 and near[1] <= 9824:
        assert seen
    if wave * (1 + z) < 3600 or wave * (1 + z) > 9824:
        assert not seen


@given(z=Z)
def test_the_continuum_runs_below_the_lines(z: float) -> None:
    host = make_host(z)
    assert (host.continuum <= host.model).all()
    bare = (host.rest / 3000) ** -1.5
    for wave, height in LINES:
        if host.sees(wave, 0.1):
            near = np.abs(host.rest / wave - 1) < 0.003
            above = host.continuum[near] / bare[near] - 1
            assert (above < 0.4 * height).all()


@given(z=Z, significance=st.floats(0.1, 500), seed=st.integers(0, 99))
def test_what_is_scaled_has_that_significance(z: float, significance: float, seed: int) -> None:
    host = make_host(z)
    shape = np.random.default_rng(seed).normal(size=len(host.rest))
    scaled = host.scale(shape, significance)
    assert np.sqrt((host.weight * scaled**2).sum()) == pytest.approx(significance)
    good = host.weight > 0
    assert np.corrcoef(scaled[good], shape[good])[0, 1] == pytest.approx(1)
    # Of what lies where there are no pixels nothing is made large.
    assert not host.scale(np.where(good, 0.0, 1.0), significance).any()


def test_levels_are_medians_of_what_is_seen() -> None:
    host = make_host()
    good = host.weight > 0
    assert host.level == pytest.approx(np.median(host.model[good]))
    assert host.median(2 * host.model) == pytest.approx(2 * host.level)
    assert host.median(0 * host.model) == 0.001


@given(low=st.floats(1e-3, 10), factor=st.floats(1.01, 1e3), seed=st.integers(0, 99))
def test_draws_are_even_in_the_number_or_in_its_logarithm(low, factor, seed) -> None:
    high = low * factor
    rng = np.random.default_rng(seed)
    logs = np.log([draw_log((low, high), rng) for _ in range(400)])
    plain = np.array([draw_even({"a": (low, high)}, rng)["a"] for _ in range(400)])
    for drawn, first, last in ((logs, np.log(low), np.log(high)), (plain, low, high)):
        place = (drawn - first) / (last - first)
        assert (place >= -1e-9).all()
        assert (place <= 1 + 1e-9).all()
        assert place.mean() == pytest.approx(0.5, abs=0.1)
