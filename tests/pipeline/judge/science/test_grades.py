"""Grades follow from q-values, strictest first, and only for what is on the list."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from catalog_schema.vocabulary import Tier
from pipeline.judge.science.grades import find_limits, grade_p_values, take_strictest
from pipeline.settings.judge import GradeSettings

LEVELS = GradeSettings().levels
ORDER = [tier.value for tier in Tier]


def grade(p_values: np.ndarray) -> np.ndarray:
    return grade_p_values(p_values, LEVELS)[0]


def test_tiers_take_the_strictest_level_kept() -> None:
    q_values = np.array([0.0, 0.01, 0.0101, 0.05, 0.07, 0.10, 0.11, 1.0, np.nan])
    assert take_strictest(q_values, LEVELS).tolist() == [
        "gold",
        "gold",
        "silver",
        "silver",
        "bronze",
        "bronze",
        "none",
        "none",
        "none",
    ]
    assert take_strictest(np.zeros(0), LEVELS).shape == (0,)


@given(p=st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_a_larger_p_value_is_never_graded_better(p: list) -> None:
    _, tiers = grade_p_values(np.sort(p), LEVELS)
    ranks = [ORDER.index(tier) for tier in tiers]
    assert ranks == sorted(ranks)


@given(p=st.lists(st.floats(0, 1), min_size=1, max_size=30), n_without=st.integers(0, 5))
def test_what_has_no_p_value_is_not_counted(p: list, n_without: int) -> None:
    q_values, tiers = grade_p_values(np.array([*p, *[np.nan] * n_without]), LEVELS)
    np.testing.assert_array_equal(q_values[: len(p)], grade(np.array(p)))
    assert np.isnan(q_values[len(p) :]).all()
    assert set(tiers[len(p) :]) <= {"none"}


@given(p=st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_an_object_of_the_list_gets_its_own_grade_again(p: list) -> None:
    p_values = np.array(p)
    _, tiers = grade_p_values(p_values, LEVELS)
    assert take_strictest(p_values, find_limits(p_values, tiers)).tolist() == tiers.tolist()


def test_limits_are_the_largest_p_value_of_each_tier() -> None:
    limits = find_limits(
        np.array([1e-6, 1e-4, 1e-3, 0.02, np.nan]),
        np.array(["gold", "gold", "silver", "none", "none"]),
    )
    asked = np.array([1e-7, 1e-4, 1.1e-4, 1e-3, 1.1e-3, 1.0, np.nan])
    # Nothing is bronze, so nothing is graded bronze.
    assert take_strictest(asked, limits).tolist() == [
        "gold",
        "gold",
        "silver",
        "silver",
        "none",
        "none",
        "none",
    ]
    nothing = find_limits(np.array([0.5]), np.array(["none"]))
    assert take_strictest(np.array([0.0, 1.0]), nothing).tolist() == ["none", "none"]


@given(p=st.lists(st.floats(0, 1), min_size=1, max_size=40))
def test_q_values_are_those_of_the_naive_loop(p: list) -> None:
    """q_i is the smallest rate at which the Benjamini–Hochberg procedure rejects i."""
    n, ranked = len(p), sorted(p)
    expected = [
        min([1.0, *(v * n / (k + 1) for k, v in enumerate(ranked) if v >= one)]) for one in p
    ]
    np.testing.assert_allclose(grade(np.array(p)), expected, rtol=1e-12)


@given(p=st.lists(st.floats(0, 1), min_size=1, max_size=40), seed=st.integers(0, 99))
def test_q_values_follow_their_rows(p: list, seed: int) -> None:
    order = np.random.default_rng(seed).permutation(len(p))
    p_values = np.array(p)
    q_values = grade(p_values)
    np.testing.assert_array_equal(grade(p_values[order]), q_values[order])
    assert (q_values >= p_values).all()


def test_nothing_has_no_grade() -> None:
    q_values, tiers = grade_p_values(np.zeros(0), LEVELS)
    assert q_values.shape == tiers.shape == (0,)
