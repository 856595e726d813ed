"""Calibration: what a p-value promises, it keeps."""

import numpy as np
import pytest
from conditions import Conditions
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import false_discovery_control, kstest, norm

from catalog_schema.spectra import WAIST
from catalog_schema.statistics import STATISTICS
from pipeline.judge.science.calibration import (
    find_neighbours,
    join_p_values,
    standardise,
    standardise_among,
    take_strange_side,
)
from pipeline.judge.science.tail import fit_tail

# Conditions that lie a number of units from those of an ordinary spectrum.
UNITS = {
    "log_snr": lambda units: 0.3 * units,
    "z": lambda units: np.expm1(0.3 * units),
    "coverage": lambda units: 0.1 * units,
}


def place(n: int, **values: float | np.ndarray) -> Conditions:
    """Return n spectra under the same conditions but for some."""
    return Conditions(
        **{name: np.broadcast_to(values.get(name, 0.0), n).astype(float) for name in UNITS}
    )


def draw_null(n: int, seed: int, trend: float = 1.0) -> tuple[Conditions, np.ndarray]:
    """Draw normal spectra whose statistics grow and spread with SNR and redshift."""
    rng = np.random.default_rng(seed)
    conditions = Conditions(
        rng.uniform(-0.5, 1.5, n), rng.uniform(0.3, 4, n), rng.uniform(0.7, 1, n)
    )
    scale = np.exp(trend * (0.5 * conditions.log_snr + 0.2 * conditions.z))
    centre = trend * (2 * conditions.log_snr - conditions.z)
    noise = rng.standard_normal((n, 3))
    return conditions, centre[:, None] + scale[:, None] * noise


def score(conditions: Conditions, statistics: np.ndarray) -> np.ndarray:
    departures = standardise(conditions.at, statistics, conditions.at, statistics, 200)
    combined = np.sqrt((np.maximum(departures, 0) ** 2).sum(1, keepdims=True))
    return standardise(conditions.at, combined, conditions.at, combined, 200)[:, 0]


def test_p_values_are_uniform_on_the_null() -> None:
    scores = score(*draw_null(4000, 0))
    p_values = fit_tail(scores, 0.15, 0.05).p_values(scores)
    assert kstest(p_values, "uniform").statistic < 0.03
    for level in (0.1, 0.01):
        assert np.mean(p_values <= level) == pytest.approx(level, rel=0.4)


def test_p_values_do_not_depend_on_the_conditions() -> None:
    conditions, statistics = draw_null(4000, 1)
    scores = score(conditions, statistics)
    p_values = fit_tail(scores, 0.15, 0.05).p_values(scores)
    # The raw statistic is ruled by the conditions; the p-value must not be.
    assert abs(np.corrcoef(conditions.log_snr, statistics[:, 0])[0, 1]) > 0.2
    for values in (conditions.log_snr, conditions.z, conditions.coverage):
        upper = values > np.median(values)
        for side in (upper, ~upper):
            assert np.mean(p_values[side] < 0.1) == pytest.approx(0.1, abs=0.03)


def test_contamination_does_not_hide_itself() -> None:
    conditions, statistics = draw_null(4000, 2)
    clean = score(conditions, statistics)
    is_odd = np.random.default_rng(3).random(4000) < 0.03
    spread = np.exp(0.5 * conditions.log_snr + 0.2 * conditions.z)
    spoilt = statistics.copy()
    spoilt[is_odd, 0] += 12 * spread[is_odd]
    scores = score(conditions, spoilt)
    p_values = fit_tail(scores, 0.15, 0.05).p_values(scores)
    q_values = false_discovery_control(p_values)
    found = q_values < 0.1
    assert found[is_odd].mean() > 0.9
    assert (found & ~is_odd).sum() < 0.15 * found.sum()
    # The normal ones keep nearly the scores that they had.
    assert np.corrcoef(clean[~is_odd], scores[~is_odd])[0, 1] > 0.98
    assert np.mean(p_values[~is_odd] < 0.01) < 0.02


def test_standardise_is_median_and_one_sided_spread_of_the_neighbours() -> None:
    n = 60
    # Far more above the median than below: each side has its own unit.
    values = np.random.default_rng(0).exponential(1.0, (n, 2)) * [1, 5] + [10, 0]
    one = Conditions(np.zeros(2), np.ones(2), np.ones(2))
    wanted = np.array([[13.0, -5.0], [8.0, 20.0]])
    low, centre, high = np.quantile(values, [0.1587, 0.5, 0.8413], axis=0)
    above, below = (wanted - centre) / (high - centre), (wanted - centre) / (centre - low)
    # With as many neighbours as spectra the sample is known; `standardise` takes a third at most.
    crowd = Conditions(np.zeros(3 * n), np.ones(3 * n), np.r_[np.ones(n), np.full(2 * n, 9.0)])
    population = np.vstack([values, np.full((2 * n, 2), 1e6)])
    found = standardise(crowd.at, population, one.at, wanted, n)
    np.testing.assert_allclose(found, np.where(wanted > centre, above, below))


@pytest.mark.parametrize("n", [41, 150, 700])
def test_quantiles_are_those_of_numpy_to_the_last_bit(n: int) -> None:
    """Missing values and infinite ones too; rows in blocks, in any order."""
    rng = np.random.default_rng(n)
    at, statistics = rng.normal(size=(n, 3)), rng.normal(size=(n, 4))
    statistics[rng.random(statistics.shape) < 0.1] = np.nan
    statistics[::50, 1] = np.inf
    objects = np.arange(n) // 2
    near = find_neighbours(at, at, 60, (objects, objects))
    members = near.members[np.argsort(near.candidates)]
    assert not (objects[members] == objects[:, None]).any()
    local = statistics[members]
    local = np.where(np.isnan(local), statistics[:, None], local)
    with np.errstate(invalid="ignore"):
        low, centre, high = np.quantile(local, [0.1587, 0.5, 0.8413], axis=1)
        departure = statistics - centre
        spread = np.where(departure > 0, high - centre, centre - low)
        expected = np.nan_to_num(departure / np.maximum(spread, 1e-6))
    found = standardise(at, statistics, at, statistics, 60, objects=(objects, objects))
    again = standardise_among(near, statistics, statistics)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(again, expected)


@pytest.mark.parametrize(
    ("near", "far"), [(a, b) for a in UNITS for b in UNITS if a != b], ids="-".join
)
def test_one_unit_of_a_condition_is_nearer_than_one_and_a_half_of_another(
    near: str, far: str
) -> None:
    one, other = place(60, **{near: UNITS[near](1.0)}), place(60, **{far: UNITS[far](1.5)})
    both = Conditions(*(np.r_[getattr(one, c), getattr(other, c)] for c in UNITS))
    statistics = np.r_[np.arange(60.0) - 29.5, np.full(60, 1e3)][:, None]
    found = standardise(both.at, statistics, place(1).at, np.array([[1e3]]), 40)
    assert found[0, 0] > 10


@pytest.mark.parametrize(
    ("n", "asked", "taken"), [(30, 200, 30), (90, 10, 40), (300, 60, 60), (300, 250, 100)]
)
def test_as_many_are_compared_as_asked_but_a_third_at_most_and_forty_at_least(
    n: int, asked: int, taken: int
) -> None:
    reference = place(n, log_snr=np.arange(n) / 100)
    values = np.arange(float(n))[:, None]
    found = standardise(reference.at, values, place(1).at, np.array([[-1.0]]), asked)
    low, centre = np.quantile(np.arange(taken), [0.1587, 0.5])
    assert found[0, 0] == pytest.approx((-1 - centre) / (centre - low))


@given(least=st.floats(1e-3, 100), departure=st.floats(-50, 50))
def test_no_spread_is_smaller_than_the_least(least: float, departure: float) -> None:
    reference, alike = place(50), np.full((50, 1), 7.0)
    found = standardise(reference.at, alike, place(1).at, np.array([[7 + departure]]), 40, least)
    assert found[0, 0] == pytest.approx(departure / least, abs=1e-9)


def test_only_the_strange_side_of_a_statistic_counts() -> None:
    values = np.random.default_rng(0).normal(size=(50, len(STATISTICS)))
    is_two_sided = WAIST.is_two_sided
    strange, turned = (take_strange_side(sign * values, is_two_sided) for sign in (1, -1))
    assert (strange >= 0).all()
    for k, statistic in enumerate(STATISTICS):
        if statistic.two_sided:
            np.testing.assert_array_equal(strange[:, k], turned[:, k])
        # Each value is strange as it is, or turned round, or both ways.
        np.testing.assert_array_equal(np.maximum(strange[:, k], turned[:, k]), np.abs(values[:, k]))
        assert (strange[:, k] > 0).all() == statistic.two_sided


def test_missing_statistic_is_no_departure_and_no_comparison() -> None:
    conditions, statistics = draw_null(600, 7)
    holed = statistics.copy()
    holed[::3, 1] = np.nan
    found = standardise(conditions.at, holed, conditions.at, holed, 100)
    assert (found[::3, 1] == 0).all()
    assert np.isfinite(found).all()
    full = standardise(conditions.at, statistics, conditions.at, statistics, 100)
    np.testing.assert_array_equal(found[:, [0, 2]], full[:, [0, 2]])
    assert np.corrcoef(found[1::3, 1], full[1::3, 1])[0, 1] > 0.85


def test_shift_and_scale_of_a_statistic_do_not_matter() -> None:
    conditions, statistics = draw_null(500, 4)
    one = standardise(conditions.at, statistics, conditions.at, statistics, 100)
    scaled = statistics * [3, 0.1, 7] + [5, -2, 100]
    two = standardise(conditions.at, scaled, conditions.at, scaled, 100)
    np.testing.assert_allclose(one, two, atol=1e-6)


@pytest.mark.parametrize("n", [1, 2, 5, 41])
def test_small_populations_give_numbers(n: int) -> None:
    conditions, statistics = draw_null(n, 5)
    assert np.isfinite(standardise(conditions.at, statistics, conditions.at, statistics, 200)).all()
    scores = np.arange(float(n))
    p_values = fit_tail(scores, 0.15, 0.05).p_values(scores)
    assert ((p_values >= 0) & (p_values <= 1)).all()


def test_constant_statistic_is_not_an_anomaly() -> None:
    conditions, _ = draw_null(100, 6)
    flat = np.full((100, 1), 3.0)
    np.testing.assert_array_equal(standardise(conditions.at, flat, conditions.at, flat, 50), 0)


def test_joint_p_values_are_uniform_on_the_null_whatever_the_correlation() -> None:
    rng = np.random.default_rng(8)
    odds = rng.normal(size=5000)
    for share in (0.0, 0.7):
        other = share * odds + np.sqrt(1 - share**2) * rng.normal(size=5000)
        p_values = norm.sf(other)
        joint = join_p_values(p_values, odds, (p_values, odds), 0.15, 0.05)
        for level in (0.01, 0.1, 0.5):
            assert (joint < level).mean() == pytest.approx(level, rel=0.25)


def test_either_indication_alone_is_enough_and_both_are_more() -> None:
    rng = np.random.default_rng(9)
    p_values, odds = rng.uniform(size=3000), rng.normal(size=3000)
    p_values[:3], odds[:3] = (1e-5, 0.5, 1e-5), (0.0, 12.0, 12.0)
    joint = join_p_values(p_values, odds, (p_values[3:], odds[3:]), 0.15, 0.05)
    assert joint[:2].max() < 0.01
    assert joint[2] < joint[:2].min()
    assert np.median(joint[3:]) == pytest.approx(0.5, abs=0.03)


@given(seed=st.integers(0, 99), step=st.floats(0.01, 5))
def test_what_is_stranger_in_one_is_not_less_strange_in_both(seed: int, step: float) -> None:
    rng = np.random.default_rng(seed)
    reference = rng.uniform(size=200), rng.normal(size=200)
    p_values, odds = rng.uniform(size=50), rng.normal(size=50)
    joint = join_p_values(p_values, odds, reference, 0.15, 0.05)
    for stranger in ((p_values * np.exp(-step), odds), (p_values, odds + step)):
        assert (join_p_values(*stranger, reference, 0.15, 0.05) <= joint).all()


@pytest.mark.parametrize("n_repeats", [0, 30])
def test_no_object_is_compared_with_itself(n_repeats: int) -> None:
    """As if each were alone outside a population without it, repeat observations and all."""
    rng = np.random.default_rng(0)
    n = 150
    objects = np.arange(n)
    objects[n - n_repeats :] = np.arange(n_repeats)
    at, statistics = rng.normal(size=(n, 2)), rng.normal(size=(n, 3))
    found = standardise(at, statistics, at, statistics, 40, objects=(objects, objects))
    for k in range(0, n, 7):
        others = objects != objects[k]
        rows = slice(k, k + 1)
        alone = standardise(at[others], statistics[others], at[rows], statistics[rows], 40)
        np.testing.assert_array_equal(found[rows], alone)


def test_strangers_are_compared_as_without_names() -> None:
    rng = np.random.default_rng(1)
    at, statistics = rng.normal(size=(100, 2)), rng.normal(size=(100, 3))
    wanted, values = rng.normal(size=(9, 2)), rng.normal(size=(9, 3))
    names = np.arange(100), np.arange(-9, 0)
    named = standardise(at, statistics, wanted, values, 50, objects=names)
    np.testing.assert_array_equal(named, standardise(at, statistics, wanted, values, 50))


def test_a_population_of_one_object_stands_for_itself() -> None:
    at, statistics, one = np.zeros((3, 2)), np.arange(3.0)[:, None], np.zeros(3, int)
    found = standardise(at, statistics, at, statistics, 50, objects=(one, one))
    assert np.isfinite(found).all()


def test_own_place_of_a_member_in_joined_p_values() -> None:
    rng = np.random.default_rng(3)
    p_values, odds = rng.uniform(0.001, 1, 300), rng.normal(size=300)
    members = np.arange(300)
    joined = join_p_values(p_values, odds, (p_values, odds), 0.15, 0.05, members)
    strangers = join_p_values(p_values, odds, (p_values, odds), 0.15, 0.05)
    # Its own value no longer counts as one above it.
    assert (joined <= strangers).all()
    is_body = (strangers > 0.2) & (strangers < 1)
    assert (joined[is_body] < strangers[is_body]).all()
    assert joined.min() > 0
