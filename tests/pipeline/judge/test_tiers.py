"""The two lists: who is on which, its grades, and the limits that grade others alike."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy_points import POINTS
from toy_tables import make_keys

from catalog_schema.validate import find_violations
from catalog_schema.vocabulary import Finding, Tier
from catalog_schema.waist import UNKNOWN
from pipeline.judge.classifier import name_found
from pipeline.judge.science.grades import find_limits
from pipeline.judge.tiers import grade_others, grade_rows, list_candidates, to_numbers
from pipeline.settings.judge import GradeSettings

CLASSES = [None, "normal", "unknown", "artefact"]
P_VALUE = st.floats(1e-12, 1)
ROWS = st.lists(
    st.tuples(st.sampled_from(CLASSES), P_VALUE, P_VALUE | st.none()), min_size=1, max_size=30
)
ORDER = ["gold", "silver", "bronze", "none"]
LEVELS = {"gold": 0.01, "silver": 0.05, "bronze": 0.10}


def make(rows: list) -> pa.Table:
    names, p_values, joint = zip(*rows, strict=True)
    columns = {
        "anomaly_class": pa.array(names, pa.string()),
        "p_value": pa.array(p_values, pa.float64()),
        "joint_p_value": pa.array(joint, pa.float64()),
    }
    return pa.table(make_keys(len(rows)) | columns)


def grade(rows: list, **levels: float) -> pa.Table:
    return grade_rows(make(rows), POINTS, GradeSettings(**levels))


def list_tiers(rows: list, **levels: float) -> list[str]:
    return list(grade(rows, **levels)["tier"].to_pylist())


def judge(rows: list) -> dict:
    """What a classifier says of the rows, which look like nothing that it knows."""
    table = make(rows)
    is_unknown = np.array(POINTS.waist.classes.values()) == UNKNOWN
    return {
        "anomaly_class": table["anomaly_class"].combine_chunks(),
        "class_probabilities": np.tile(is_unknown * 1.0, (len(rows), 1)),
        "artefact_kind": pa.array(["slip"] * len(rows)),
        **{name: to_numbers(table[name]) for name in ("p_value", "joint_p_value")},
    }


def read_limits(tiers: pa.Table) -> dict[Finding, dict[Tier, float]]:
    """The limits of the lists, each from its own rows."""
    p_values = to_numbers(tiers["finding_p_value"])
    names, grades = (
        np.array(tiers[name].to_pylist(), dtype=object) for name in ("finding", "tier")
    )
    return {f: find_limits(p_values[names == f.value], grades[names == f.value]) for f in Finding}


@given(rows=ROWS)
def test_each_is_on_the_list_of_its_class_with_the_p_value_of_that_list(rows: list) -> None:
    found = grade(rows)
    assert find_violations(found, POINTS["tiers"]) == []
    assert found["TARGETID"].to_pylist() == list(range(len(rows)))
    for (name, p_value, joint), row in zip(rows, found.to_pylist(), strict=True):
        if joint is None:
            expected = (None, None, None, "none")
            assert tuple(row[c] for c in ("finding", "finding_p_value", "q_value", "tier")) == (
                expected
            )
        elif name == "artefact":
            assert (row["finding"], row["finding_p_value"]) == ("named", joint)
        else:
            assert (row["finding"], row["finding_p_value"]) == ("unexplained", p_value)


@given(rows=ROWS)
def test_q_values_count_all_and_rank_the_own_list_and_the_tier_keeps_its_level(rows: list) -> None:
    found = grade(rows).to_pylist()
    listed = [row for row in found if row["finding"]]
    for row in listed:
        mine = sorted(r["finding_p_value"] for r in listed if r["finding"] == row["finding"])
        shares = [
            len(listed) * p / (k + 1) for k, p in enumerate(mine) if p >= row["finding_p_value"]
        ]
        assert row["q_value"] == pytest.approx(min(*shares, 1.0), rel=1e-9)
        wanted = next((name for name, level in LEVELS.items() if row["q_value"] <= level), "none")
        assert row["tier"] == wanted


def test_what_only_the_score_finds_is_graded() -> None:
    """A tiny p-value is found although the classes make its joint one a large one."""
    crowd = [("normal", p, p) for p in np.linspace(0.1, 1, 50)]
    [row, *_] = grade([("normal", 1e-5, 0.3), *crowd]).to_pylist()
    assert (row["finding"], row["finding_p_value"], row["tier"]) == ("unexplained", 1e-5, "gold")
    # A class that the score does not confirm is graded with it.
    [row, *_] = grade([("artefact", 0.3, 1e-5), *crowd]).to_pylist()
    assert (row["finding"], row["finding_p_value"], row["tier"]) == ("named", 1e-5, "gold")


@given(rows=ROWS)
def test_what_is_on_no_list_changes_no_grade(rows: list) -> None:
    alone = [row for row in rows if row[2] is not None]
    if alone:
        found = list_tiers(rows)
        assert [t for t, row in zip(found, rows, strict=True) if row[2] is not None] == list_tiers(
            alone
        )


@given(rows=ROWS, factor=st.floats(1, 9))
def test_looser_levels_lose_nobody(rows: list, factor: float) -> None:
    strict, loose = (
        list_tiers(rows, gold=0.01 * f, silver=0.05 * f, bronze=0.1 * f) for f in (1, factor)
    )
    for before, after in zip(strict, loose, strict=True):
        assert ORDER.index(after) <= ORDER.index(before)


@given(rows=ROWS)
def test_an_outsider_gets_the_grade_of_the_member_with_its_class_and_p_values(rows: list) -> None:
    # What is found although normal is renamed by `classify` before members are listed.
    once = judge(rows)
    graded = np.array(list_tiers(rows)) != "none"
    once["anomaly_class"] = name_found(
        once["anomaly_class"], once["class_probabilities"], lambda _: graded, POINTS.waist
    )
    names = once["anomaly_class"].to_pylist()
    tiers = grade([(name, *row[1:]) for name, row in zip(names, rows, strict=True)])
    found = grade_others(judge(rows), read_limits(tiers), POINTS.waist)
    assert list(found["tier"]) == tiers["tier"].to_pylist()
    kinds = found["artefact_kind"].to_pylist()
    assert kinds == ["slip" if n == "artefact" else None for n in names]
    names = zip(found["anomaly_class"].to_pylist(), found["tier"], rows, strict=True)
    for name, tier, (before, _, _) in names:
        is_renamed = before == "normal" and tier != "none"
        assert name == ("unknown" if is_renamed else before)


@given(rows=ROWS, beyond=st.floats(1e-6, 0.5))
def test_beyond_the_limit_of_its_own_list_an_outsider_loses_the_tier(
    rows: list, beyond: float
) -> None:
    limits = read_limits(grade(rows))
    for finding, name in ((Finding.NAMED, "artefact"), (Finding.UNEXPLAINED, "normal")):
        last = limits[finding][Tier.BRONZE]
        for p, is_graded in ((last, True), (max(last, 0) * (1 + beyond) + 1e-9, False)):
            if p >= 0:
                found = grade_others(judge([(name, p, p)]), limits, POINTS.waist)
                assert (found["tier"][0] != "none") == is_graded


def test_without_classes_all_are_unexplained() -> None:
    listed = list_candidates(pa.nulls(2, pa.string()), np.array([0.1, 0.2]), np.array([0.1, 0.2]))
    assert listed.findings.tolist() == ["unexplained"] * 2
    assert listed.p_values.tolist() == [0.1, 0.2]


def test_null_is_nan_in_both_widths() -> None:
    for width in (pa.float32(), pa.float64()):
        found = to_numbers(pa.chunked_array([pa.array([0.5, None], width)]))
        np.testing.assert_array_equal(found, [0.5, np.nan])
        assert found.dtype == np.float64
