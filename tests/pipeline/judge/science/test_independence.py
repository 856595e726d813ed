"""Correlations and the redshift in a latent: planted ones are found, absent ones are not."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from pipeline.judge.science.independence import correlate, measure_leak


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
