"""The tail: normal candidates get uniform p-values, whatever share of the population is none."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import false_discovery_control

from pipeline.judge.science.tail import Tail, fit_tail

Draw = Callable[[np.random.Generator, int], NDArray]
NORMAL: dict[str, Draw] = {
    "exponential": lambda rng, n: rng.exponential(size=n),
    "student": lambda rng, n: np.abs(rng.standard_t(6, size=n)),
    "pareto": lambda rng, n: rng.pareto(15, size=n),
}
samples = st.lists(st.floats(-50, 50), min_size=20, max_size=200, unique=True)


def make_tail(shape: float = 0.1, n: int = 100) -> Tail:
    return Tail(np.arange(float(n)), 0.0, 84.0, 10.0, shape, 0.15, np.diag([0.01, 0.001]))


@given(values=samples, asked=st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=30))
def test_p_values_fall_with_the_value(values: list, asked: list) -> None:
    tail = fit_tail(np.array(values), 0.15, 0.05)
    ordered = np.sort(np.concatenate([asked, values, [tail.threshold]]))
    p_values = tail.p_values(ordered)
    assert (np.diff(p_values) <= 1e-12).all()
    assert ((p_values > 0) & (p_values <= 1)).all()


@pytest.mark.parametrize("share", [0.0, 0.01, 0.04])
@pytest.mark.parametrize("name", NORMAL)
def test_normal_candidates_are_as_rare_as_their_p_values(name: str, share: float) -> None:
    """In units of the normal spread anomalies are 4 to 24 beyond it; of 30 surveys the mean."""
    rng, n = np.random.default_rng(0), 3000
    n_odd = int(share * n)
    low, lower, false = [], [], []
    for _ in range(30):
        normal, odd = NORMAL[name](rng, n - n_odd), NORMAL[name](rng, n_odd)
        far = np.std(normal) * rng.uniform(4, 24, n_odd)
        values = np.concatenate([odd + far, normal])
        p_values = fit_tail(values, 0.15, 0.05).p_values(values, values)
        found = false_discovery_control(p_values) <= 0.1
        low.append((p_values[n_odd:] < 0.01).mean())
        lower.append((p_values[n_odd:] < 0.001).mean())
        false.append(found[n_odd:].sum() / max(found.sum(), 1))
    assert 0.004 < np.mean(low) < 0.0125
    assert np.mean(lower) < 0.002
    # Without an anomaly every find is false: as many surveys as the level says have one.
    assert np.mean(false) < (0.12 if share else 0.2)


def test_what_stands_out_is_found_though_it_is_in_the_population() -> None:
    rng = np.random.default_rng(1)
    values = np.concatenate([rng.exponential(size=2900), rng.uniform(12, 40, 100)])
    q_values = false_discovery_control(fit_tail(values, 0.15, 0.05).p_values(values))
    assert (q_values[2900:] < 0.1).all()
    # More than may be anomalies are not taken for such.
    crowd = np.concatenate([rng.exponential(size=2000), rng.uniform(12, 40, 1000)])
    assert (false_discovery_control(fit_tail(crowd, 0.15, 0.05).p_values(crowd)) > 0.1).all()


def test_how_far_out_outliers_lie_does_not_matter() -> None:
    values = np.sort(np.random.default_rng(9).exponential(1.0, 2000))
    far = values.copy()
    far[-60:] += 1e6
    further = values.copy()
    further[-60:] += 1e9
    one, two = (fit_tail(each, 0.15, 0.05) for each in (far, further))
    assert (one.threshold, one.scale, one.shape) == (two.threshold, two.scale, two.shape)


def test_unit_and_zero_of_the_values_do_not_matter() -> None:
    values = np.random.default_rng(3).exponential(size=2000)
    asked = np.linspace(0, 12, 30)
    plain = fit_tail(values, 0.15, 0.05).p_values(asked)
    moved = fit_tail(40 * values - 7, 0.15, 0.05).p_values(40 * asked - 7)
    np.testing.assert_allclose(moved, plain, rtol=1e-3)


@pytest.mark.parametrize("n", [1, 2, 5, 41])
def test_small_populations_give_numbers(n: int) -> None:
    scores = np.arange(float(n))
    tail = fit_tail(scores, 0.15, 0.05)
    low, high = tail.find_intervals(scores)
    p_values = tail.p_values(scores)
    assert ((low >= 0) & (low <= p_values) & (p_values <= high) & (high <= 1)).all()


def test_of_one_value_nothing_is_strange() -> None:
    values = np.full(500, 3.0)
    assert (fit_tail(values, 0.15, 0.05).p_values(values) > 0.1).all()


def test_definition_of_body_and_tail() -> None:
    tail = make_tail()
    assert tail.p_values(np.array([-1.0])) == pytest.approx(1.0)
    assert tail.p_values(np.array([50.0])) == pytest.approx(51 / 101)
    assert tail.p_values(np.array([94.0])) == pytest.approx(0.15 * 1.1**-10)
    assert make_tail(0.0).p_values(np.array([94.0])) == pytest.approx(0.15 / np.e)


def test_own_value_of_a_member_does_not_count_in_its_p_value() -> None:
    rng = np.random.default_rng(2)
    values = rng.normal(size=200)
    tail = fit_tail(values, 0.15, 0.05)
    body = values < tail.threshold
    p_values = tail.p_values(values, values)
    for k in np.flatnonzero(body)[:20]:
        others = np.delete(values, k)
        n_above = (others[others <= tail.sorted_values[-1]] >= values[k]).sum() + tail.n_beyond
        n = len(tail.sorted_values) + tail.n_beyond - 1
        assert p_values[k] == pytest.approx((n_above + 1) / (n + 1))
    unknown = np.full(200, np.nan)
    np.testing.assert_array_equal(tail.p_values(values, unknown), tail.p_values(values))


def test_what_was_taken_away_is_no_member_any_more() -> None:
    rng = np.random.default_rng(4)
    values = np.concatenate([rng.exponential(size=1000), [50.0, 60.0]])
    tail = fit_tail(values, 0.15, 0.05)
    assert tail.sorted_values[-1] < 50
    planted, own = np.array([0.5]), np.array([50.0])
    np.testing.assert_array_equal(tail.p_values(planted, own), tail.p_values(planted))


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    rng, held = np.random.default_rng(5), []
    for _ in range(150):
        tail = fit_tail(rng.pareto(1 / 0.06, size=2000), 0.15, 0.05)
        truth = np.array([0.5, 0.2, 0.01, 0.001])
        low, high = tail.find_intervals(truth**-0.06 - 1)
        held.append((low <= truth) & (truth <= high))
    assert (np.mean(held, axis=0) > 0.88).all()


def test_what_is_extrapolated_farther_is_known_less_and_of_more_members_better() -> None:
    def width(n: int) -> NDArray:
        values = np.random.default_rng(6).exponential(size=n)
        low, high = fit_tail(values, 0.15, 0.05).find_intervals(np.array([3.0, 6.0, 12.0]))
        return np.log(high / low)

    few, many = width(1000), width(50_000)
    assert (np.diff(few) > 0).all()
    assert (np.diff(many) > 0).all()
    assert (many < few / 2).all()
