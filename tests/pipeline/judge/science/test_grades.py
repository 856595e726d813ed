"""Grades follow from q-values, strictest first, and only for what is on the list."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from catalog_schema.vocabulary import Finding, Tier
from pipeline.judge.science.grades import (
    find_limits,
    find_q_values,
    find_q_values_by_list,
    grade_p_values,
    take_strictest,
)
from pipeline.settings.judge import GradeSettings

LEVELS = GradeSettings().levels
ORDER = [tier.value for tier in Tier]
LISTED = st.lists(
    st.tuples(st.floats(0, 1) | st.just(np.nan), st.sampled_from(Finding.values())),
    min_size=1,
    max_size=30,
)


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


def split(rows: list) -> tuple[np.ndarray, np.ndarray]:
    p_values, findings = zip(*rows, strict=True)
    return np.array(p_values), np.array(findings)


@given(rows=LISTED, others=st.lists(st.floats(0, 1), min_size=30, max_size=30))
def test_the_p_values_of_one_list_change_no_q_value_of_the_other(rows: list, others: list) -> None:
    p_values, findings = split(rows)
    before = find_q_values_by_list(p_values, findings)
    np.testing.assert_array_equal(np.isnan(before), np.isnan(p_values))
    for finding in Finding:
        is_other = (findings != finding.value) & ~np.isnan(p_values)
        moved = np.where(is_other, others[: len(rows)], p_values)
        after = find_q_values_by_list(moved, findings)
        is_here = findings == finding.value
        np.testing.assert_array_equal(after[is_here], before[is_here])


@given(rows=LISTED)
def test_a_list_is_one_of_all_objects(rows: list) -> None:
    """BH by its definition: rank on the list, number of the objects of both."""
    p_values, findings = split(rows)
    n = int((~np.isnan(p_values)).sum())
    for finding in Finding:
        is_here = findings == finding.value
        mine = np.sort(p_values[is_here & ~np.isnan(p_values)])
        shares = mine * n / np.arange(1, len(mine) + 1)
        wanted = [min([1.0, *shares[mine >= p]]) for p in p_values[is_here & ~np.isnan(p_values)]]
        found = find_q_values_by_list(p_values, findings)[is_here]
        np.testing.assert_allclose(found[~np.isnan(found)], wanted, rtol=1e-12)


def test_each_list_keeps_its_level_where_the_lists_are_chosen_by_the_p_values() -> None:
    """Normal objects go where they look stranger, and anomalies to either list."""
    rng, level, n_surveys, n = np.random.default_rng(7), 0.1, 2000, 60
    shares: dict = {(finding, way): [] for finding in Finding for way in ("all", "alone")}
    for survey in range(n_surveys):
        # Score and class of one object are correlated; each p-value of a normal one is uniform.
        by_score, by_class = rng.uniform(size=(2, n))
        is_shared = rng.uniform(size=n) < 0.5
        joint = np.where(is_shared, by_score, by_class)
        n_real = 6 * (survey % 2)
        by_score[:n_real] = joint[:n_real] = rng.uniform(0, 1e-3, n_real)
        is_named = (joint < by_score) | (rng.uniform(size=n) < 0.1)
        findings = np.where(is_named, Finding.NAMED.value, Finding.UNEXPLAINED.value)
        p_values = np.where(is_named, joint, by_score)
        q_values = find_q_values_by_list(p_values, findings)
        for finding in Finding:
            here = np.flatnonzero(findings == finding.value)
            ways = {"all": q_values[here], "alone": find_q_values(p_values[here])}
            for way, q in ways.items():
                kept = here[q <= level]
                shares[finding, way].append((kept >= n_real).sum() / max(len(kept), 1))
    error = 3 * 0.3 / np.sqrt(n_surveys)
    for finding in Finding:
        assert np.mean(shares[finding, "all"]) < level + error
    # A list is chosen for its small p-values: counted by itself it would not keep its level.
    assert np.mean(shares[Finding.NAMED, "alone"]) > level + error
