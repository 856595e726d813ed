"""Whether a population stands for spectra that are not its own."""

import numpy as np
import pytest
from conditions import Conditions
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from scipy.stats import binomtest

from pipeline.judge.science.domain import Domain, find_domain


def draw(seed: int, n: int) -> Conditions:
    rng = np.random.default_rng(seed)
    return Conditions(rng.normal(0.3, 0.3, n), rng.uniform(0.5, 3.5, n), rng.uniform(0.9, 1, n))


def test_own_kind_with_as_many_anomalies_as_there_may_be_is_alike() -> None:
    rng, reference = np.random.default_rng(0), draw(0, 500)
    for seed in range(1, 40):
        p = rng.random(200)
        p[:10] = 1e-6
        domain = find_domain(reference.at, draw(seed, 200).at, p)
        assert domain.is_seen
        assert domain.is_alike
        assert domain.is_outside.mean() < 0.02


@pytest.mark.parametrize(("n", "n_low"), [(20, 9), (100, 30), (1000, 200)])
def test_too_many_low_p_values_are_another_kind(n: int, n_low: int) -> None:
    p = np.r_[np.full(n_low, 1e-4), np.full(n - n_low, 0.5)]
    assert not find_domain(draw(0, 500).at, draw(0, n).at, p).is_alike


def test_few_spectra_show_nothing() -> None:
    p = np.array([0.9, np.nan, 0.01])
    domain = find_domain(draw(0, 500).at, draw(1, 3).at, p)
    assert (domain.n_low, domain.n, domain.is_seen) == (1, 2, False)


@pytest.mark.parametrize("far", [{"log_snr": 3.0}, {"z": 9.0}, {"coverage": 0.1}])
def test_conditions_that_the_population_lacks(far: dict) -> None:
    wanted = draw(1, 30)
    values = {name: np.array(getattr(wanted, name)) for name in ("log_snr", "z", "coverage")}
    for name, value in far.items():
        values[name][:2] = value
    domain = find_domain(draw(0, 500).at, Conditions(**values).at, np.full(30, 0.01))
    assert domain.is_outside[:2].all()
    assert domain.n == (~domain.is_outside).sum()


def test_population_smaller_than_a_neighbourhood() -> None:
    assert not find_domain(draw(0, 5).at, draw(0, 5).at, np.full(5, 0.5)).is_outside.any()


@given(seed=st.integers(0, 999), n=st.integers(2, 90))
def test_outside_is_what_is_farther_from_its_fortieth_neighbour_than_any_member(
    seed: int, n: int
) -> None:
    reference, wanted = draw(seed, n), draw(seed + 1, 20)
    wanted = Conditions(3 * wanted.log_snr, wanted.z, wanted.coverage)
    p_values = np.random.default_rng(seed).uniform(0, 0.1, 20)
    p_values[::4], p_values[1] = np.nan, 0.05
    k = min(40, n - 1)
    own = np.sort(cdist(reference.at, reference.at), axis=1)[:, k].max()
    outside = np.sort(cdist(wanted.at, reference.at), axis=1)[:, k - 1] > own
    domain = find_domain(reference.at, wanted.at, p_values)
    np.testing.assert_array_equal(domain.is_outside, outside)
    listed = p_values[~outside & ~np.isnan(p_values)]
    assert (domain.n, domain.n_low) == (len(listed), sum(p < 0.05 for p in listed))


@given(n=st.integers(1, 400), share=st.floats(0, 0.4))
def test_alike_unless_chance_makes_so_many_low_ones_in_one_case_of_a_hundred(
    n: int, share: float
) -> None:
    n_low = int(share * n)
    chance = binomtest(n_low, n, 0.15, alternative="greater").pvalue
    domain = Domain(np.zeros(n, bool), n_low, n)
    assert domain.is_alike == (chance >= 0.01)
    assert domain.is_seen == (n >= 20)
