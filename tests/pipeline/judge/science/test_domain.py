"""Whether a population stands for spectra that are not its own."""

import numpy as np
import pytest

from pipeline.judge.science.calibration import Conditions
from pipeline.judge.science.domain import find_domain


def draw(seed: int, n: int) -> Conditions:
    rng = np.random.default_rng(seed)
    return Conditions(rng.normal(0.3, 0.3, n), rng.uniform(0.5, 3.5, n), rng.uniform(0.9, 1, n))


def test_own_kind_with_as_many_anomalies_as_there_may_be_is_alike() -> None:
    rng, reference = np.random.default_rng(0), draw(0, 500)
    for seed in range(1, 40):
        p = rng.random(200)
        p[:10] = 1e-6
        domain = find_domain(reference, draw(seed, 200), p)
        assert domain.is_seen
        assert domain.is_alike
        assert domain.is_outside.mean() < 0.02


@pytest.mark.parametrize(("n", "n_low"), [(20, 9), (100, 30), (1000, 200)])
def test_too_many_low_p_values_are_another_kind(n: int, n_low: int) -> None:
    p = np.r_[np.full(n_low, 1e-4), np.full(n - n_low, 0.5)]
    assert not find_domain(draw(0, 500), draw(0, n), p).is_alike


def test_few_spectra_show_nothing() -> None:
    p = np.array([0.9, np.nan, 0.01])
    domain = find_domain(draw(0, 500), draw(1, 3), p)
    assert (domain.n_low, domain.n, domain.is_seen) == (1, 2, False)


@pytest.mark.parametrize("far", [{"log_snr": 3.0}, {"z": 9.0}, {"coverage": 0.1}])
def test_conditions_that_the_population_lacks(far: dict) -> None:
    wanted = draw(1, 30)
    values = {name: np.array(getattr(wanted, name)) for name in ("log_snr", "z", "coverage")}
    for name, value in far.items():
        values[name][:2] = value
    domain = find_domain(draw(0, 500), Conditions(**values), np.full(30, 0.01))
    assert domain.is_outside[:2].all()
    assert domain.n == (~domain.is_outside).sum()


def test_population_smaller_than_a_neighbourhood() -> None:
    assert not find_domain(draw(0, 5), draw(0, 5), np.full(5, 0.5)).is_outside.any()
