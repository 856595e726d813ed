"""Crowds of strange spectra: a planted one is seen by its members, chance makes none."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from pipeline.judge.science.crowding import find_crowding


def test_planted_crowd_is_seen() -> None:
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(40), 50)
    is_strange = rng.random(2000) < 0.01
    is_strange[groups == 7] = rng.random(50) < 0.3
    chance = find_crowding(groups, is_strange)
    assert chance[groups == 7].max() < 1e-4
    assert (chance[groups != 7] < 1e-3).mean() < 0.01


def test_a_spectrum_does_not_count_for_itself() -> None:
    chance = find_crowding(np.array([1, 1, 2, 3]), np.array([True, False, False, False]))
    assert chance[0] == 1
    assert chance[1] < 1


@given(
    members=st.lists(st.tuples(st.integers(-1, 4), st.booleans()), min_size=2, max_size=40),
)
def test_chance_is_that_of_the_other_members_counted_one_by_one(members: list) -> None:
    groups, is_strange = (np.array(column) for column in zip(*members, strict=True))
    chance = find_crowding(groups, is_strange)
    for row, (group, _) in enumerate(members):
        others = [strange for k, (_, strange) in enumerate(members) if k != row]
        near = [strange for k, (g, strange) in enumerate(members) if k != row and g == group]
        if group < 0:
            assert np.isnan(chance[row])
        elif near:
            share = sum(others) / len(others)
            expected = binomtest(sum(near), len(near), share, alternative="greater").pvalue
            assert np.isclose(chance[row], expected, rtol=1e-9)
        else:
            assert chance[row] == 1


def test_unknown_group_and_no_spectrum() -> None:
    chance = find_crowding(np.array([-1, -1, 4]), np.ones(3, bool))
    assert np.isnan(chance[:2]).all()
    assert chance[2] == 1
    assert find_crowding(np.zeros(0, np.int64), np.zeros(0, bool)).shape == (0,)
