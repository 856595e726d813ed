"""Kappas against published and independent values."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from pipeline.reviews.agreement import measure_cohen_kappa, measure_fleiss_kappa

# Fleiss (1971), ten subjects of the worked example, fourteen raters, five categories.
FLEISS = np.array([
    [0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1],
    [7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7],
])  # fmt: skip


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc")), min_size=1, max_size=40))
def test_cohen_is_that_of_scikit_learn(pairs: list[tuple[str, str]]) -> None:
    first, second = zip(*pairs, strict=True)
    if len({*first, *second}) > 1:
        expected = cohen_kappa_score(first, second)
        assert measure_cohen_kappa(first, second) == pytest.approx(expected, nan_ok=True)


def test_fleiss_is_that_of_the_worked_example() -> None:
    assert measure_fleiss_kappa(FLEISS) == pytest.approx(0.210, abs=5e-4)


def test_without_comparison_there_is_no_kappa() -> None:
    assert np.isnan(measure_cohen_kappa([], []))
    assert np.isnan(measure_cohen_kappa("aa", "aa"))
    assert np.isnan(measure_fleiss_kappa(np.array([[1, 0], [0, 1]])))
    assert np.isnan(measure_fleiss_kappa(np.array([[3, 0], [2, 0]])))
    assert measure_fleiss_kappa(np.array([[3, 0], [0, 2]])) == pytest.approx(1.0)


def test_raters_may_differ_in_number() -> None:
    alone = np.vstack([FLEISS, np.eye(5, dtype=int)])
    assert measure_fleiss_kappa(alone) == measure_fleiss_kappa(FLEISS)
