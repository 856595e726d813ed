"""Tiers of rows with and without a joint p-value, and the limits that grade others alike."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy_points import POINTS
from toy_tables import make_keys

from catalog_schema.validate import find_violations
from catalog_schema.vocabulary import Tier
from pipeline.judge.science.grades import find_limits, take_strictest
from pipeline.judge.tiers import grade_rows, to_p_values
from pipeline.settings.judge import GradeSettings

P_VALUES = st.lists(st.one_of(st.none(), st.floats(1e-12, 1)), min_size=1, max_size=30)
ORDER = ["gold", "silver", "bronze", "none"]


def make(p_values: list) -> pa.Table:
    return pa.table(make_keys(len(p_values)) | {"joint_p_value": pa.array(p_values, pa.float64())})


def grade(p_values: list, **levels: float) -> list[str]:
    rows = grade_rows(make(p_values), POINTS, GradeSettings(**levels))
    return list(rows["tier"].to_pylist())


@given(p_values=P_VALUES)
def test_q_values_are_benjamini_and_hochbergs_and_the_tier_keeps_its_level(p_values: list) -> None:
    rows = grade_rows(make(p_values), POINTS, GradeSettings())
    assert find_violations(rows, POINTS["tiers"]) == []
    assert rows["TARGETID"].to_pylist() == list(range(len(p_values)))
    listed = sorted(p for p in p_values if p is not None)
    for p, q, tier in zip(
        p_values, rows["q_value"].to_pylist(), rows["tier"].to_pylist(), strict=True
    ):
        if p is None:
            assert (q, tier) == (None, "none")
            continue
        # The least expected share of false ones among those at least as significant as one above.
        shares = [len(listed) * limit / (k + 1) for k, limit in enumerate(listed) if limit >= p]
        assert q == pytest.approx(min(*shares, 1.0), rel=1e-9)
        levels = {"gold": 0.01, "silver": 0.05, "bronze": 0.10}
        assert tier == next((name for name, level in levels.items() if q <= level), "none")


@given(p_values=P_VALUES)
def test_what_is_not_on_the_list_changes_no_grade(p_values: list) -> None:
    alone = [p for p in p_values if p is not None]
    if alone:
        found = grade(p_values)
        assert [tier for p, tier in zip(p_values, found, strict=True) if p is not None] == grade(
            alone
        )


@given(p_values=P_VALUES, factor=st.floats(1, 9))
def test_looser_levels_lose_nobody(p_values: list, factor: float) -> None:
    strict, loose = (
        grade(p_values, gold=0.01 * f, silver=0.05 * f, bronze=0.1 * f) for f in (1, factor)
    )
    for before, after in zip(strict, loose, strict=True):
        assert ORDER.index(after) <= ORDER.index(before)


@given(p_values=P_VALUES)
def test_limits_give_the_listed_ones_the_grades_that_they_have(p_values: list) -> None:
    rows = make(p_values)
    tiers = np.array(grade(p_values))
    limits = find_limits(to_p_values(rows), tiers)
    assert limits[Tier.GOLD] <= limits[Tier.SILVER] <= limits[Tier.BRONZE]
    np.testing.assert_array_equal(take_strictest(to_p_values(rows), limits), tiers)


def test_null_is_nan_in_both_widths() -> None:
    for width in (pa.float32(), pa.float64()):
        found = to_p_values(pa.table({"joint_p_value": pa.array([0.5, None], width)}))
        np.testing.assert_array_equal(found, [0.5, np.nan])
        assert found.dtype == np.float64
