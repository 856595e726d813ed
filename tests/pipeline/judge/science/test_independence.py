"""Correlations and the redshift in a latent: planted ones are found, absent ones are not."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from pipeline.judge.science.independence import correlate, measure_leak
from pipeline.science.shares import find_share_interval


def test_correlation_is_scipys_and_its_interval_covers() -> None:
    rng = np.random.default_rng(1)
    covered = 0
    for _ in range(200):
        x = rng.standard_normal(300)
        y = 0.3 * x + rng.standard_normal(300)
        found = correlate(x, y)
        assert found is not None
        assert found.rho == pytest.approx(spearmanr(x, y)[0])
        covered += found.low < 0.2753 < found.high
    # Spearman's rho of a Gaussian with Pearson's r = 0.3 / sqrt(1.09) is 0.2753.
    assert 180 <= covered <= 200


def test_what_is_not_finite_is_left_out() -> None:
    x, y = np.arange(10.0), np.arange(10.0)
    x[3], y[5] = np.nan, np.inf
    found = correlate(x, y)
    assert found is not None
    assert (found.n, found.rho) == (8, pytest.approx(1))
    assert correlate(x[:4], y[:4]) is None
    assert correlate(x, np.ones(10)) is None


def test_a_latent_that_holds_the_redshift_leaks_it() -> None:
    rng = np.random.default_rng(2)
    z = rng.uniform(0.5, 3.5, 1000)
    latent = rng.standard_normal((1000, 4))
    blind = measure_leak(latent, z)
    assert blind.sigma > 0.9 * blind.no_skill
    latent[:, 2] = 100 * z
    telling = measure_leak(latent, z)
    assert telling.sigma < 0.5 * telling.no_skill
    assert np.argmax(telling.importance) == 2
    assert measure_leak(latent, z).sigma == telling.sigma


@given(seed=st.integers(0, 999), n=st.integers(5, 60))
def test_only_order_matters_and_a_turned_score_turns_the_interval(seed: int, n: int) -> None:
    x, y = np.random.default_rng(seed).standard_normal((2, n))
    one, other, turned = correlate(x, y), correlate(np.exp(x), y**3), correlate(-x, y)
    assert one is not None
    assert turned is not None
    assert one == other
    assert (turned.rho, turned.low, turned.high) == pytest.approx((-one.rho, -one.high, -one.low))
    assert -1 <= one.low <= one.rho <= one.high <= 1


@given(seed=st.integers(0, 999))
def test_interval_shrinks_as_fishers(seed: int) -> None:
    """In arctanh it is symmetric, and its half is 1.96 √(1.06 / (n − 3))."""
    x, y = np.random.default_rng(seed).standard_normal((2, 4))
    few, many = correlate(x, y), correlate(np.tile(x, 28), np.tile(y, 28))
    assert few is not None
    assert many is not None
    wide, narrow = (np.arctanh([one.low, one.high]) for one in (few, many))
    if abs(few.rho) < 1:
        assert wide[1] - wide[0] == pytest.approx(2 * 1.96 * np.sqrt(1.06))
        assert narrow[1] - narrow[0] == pytest.approx((wide[1] - wide[0]) / np.sqrt(109))
        assert narrow.mean() == pytest.approx(np.arctanh(many.rho))


@given(n=st.integers(1, 2000), share=st.floats(0, 1))
def test_limits_of_a_share_are_those_at_which_it_is_just_believable(n: int, share: float) -> None:
    n_found = int(share * n)
    low, high = find_share_interval(n_found, n)
    assert 0 <= low <= n_found / n <= high <= 1
    for limit in (low, high):
        distance = (n_found / n - limit) ** 2
        assert distance == pytest.approx(1.959964**2 * limit * (1 - limit) / n, abs=1e-7)


def test_nothing_looked_at_may_have_any_share() -> None:
    assert find_share_interval(0, 0) == (0, 1)


def test_sigma_is_that_of_a_gaussian_and_shuffling_is_measured_against_it() -> None:
    rng = np.random.default_rng(3)
    z = np.exp(rng.normal(1, 0.1, 4000)) - 1
    leak = measure_leak(rng.standard_normal((4000, 2)), z)
    # ln(1 + z) scatters by 0.1, and the prediction from 20 neighbours by a twentieth of its square.
    assert leak.no_skill == pytest.approx(0.1, rel=0.06)
    assert leak.sigma == pytest.approx(0.1 * np.sqrt(1.05), rel=0.06)
    assert np.abs(leak.importance).max() < 0.01
    # Of a Gaussian of this width 62 % lie beyond half of it.
    assert leak.outliers == pytest.approx(0.62, abs=0.04)
    told = measure_leak(np.column_stack([z, rng.standard_normal(4000)]), z)
    assert told.importance[0] == pytest.approx(np.sqrt(2) * 0.1 - told.sigma, rel=0.2)
    scaled = measure_leak(np.column_stack([1e3 * z + 5, rng.standard_normal(4000)]), z)
    assert scaled.sigma < 0.6 * leak.sigma


def test_no_spectrum_tells_its_own_redshift() -> None:
    """Of 25 unlike spectra each is predicted by 20 others, not by itself."""
    z = np.linspace(0.5, 3.5, 25)
    leak = measure_leak(z[:, None], z)
    others = [np.mean(np.delete(z, k)) for k in range(25)]
    blind = 1.4826 * np.median(np.abs(others - z) / (1 + z))
    assert leak.sigma == pytest.approx(blind, rel=0.35)
