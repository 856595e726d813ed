"""Tiers: the two lists of findings, their grades, and the limits by which others are graded alike.

Each list has its own p-value and its own false-discovery rate. The list of the unexplained does
not ask whether an object resembles anything that was taught.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from catalog_schema.kind import Kind
from catalog_schema.vocabulary import Finding, Tier
from catalog_schema.waist import NORMAL, ROW_KEY, UNKNOWN, Waist
from pipeline.judge.classifier import rename_found
from pipeline.judge.science.grades import (
    find_limits,
    find_q_values_by_list,
    take_strictest,
)
from pipeline.lake.store import columns_to_table
from pipeline.run import Run
from pipeline.settings.judge import GradeSettings

Limits = Mapping[Finding, Mapping[Tier, float]]


@dataclass(frozen=True)
class Listed:
    """The list of each candidate, and the p-value by which it is graded there.

    Attributes
    ----------
    findings : ndarray of str, shape (n,)
        Of a candidate without p-value too, which is on no list.
    p_values : ndarray, shape (n,)
        NaN for what is on no list.
    """

    findings: NDArray[np.str_]
    p_values: NDArray[np.float64]

    @property
    def q_values(self) -> NDArray[np.float64]:
        """Each candidate's q-value on its list, NaN for what is on none, shape (n,)."""
        return find_q_values_by_list(self.p_values, self.findings)


def list_candidates(
    anomaly_class: pa.Array | pa.ChunkedArray, p_value: NDArray, joint_p_value: NDArray
) -> Listed:
    """Choose the list of each candidate, by its class.

    Parameters
    ----------
    anomaly_class : pyarrow.Array of str
        Null where nothing was classified.
    p_value, joint_p_value : ndarray, shape (n,)
        By score, and by score and class; what has no joint one, NaN, is on no list.
    """
    is_plain = pc.is_in(anomaly_class, pa.array([NORMAL, UNKNOWN, None], pa.string()))
    is_unexplained = is_plain.to_numpy(zero_copy_only=False)
    chosen = np.where(is_unexplained, p_value, joint_p_value)
    return Listed(
        np.where(is_unexplained, Finding.UNEXPLAINED.value, Finding.NAMED.value),
        np.where(np.isnan(joint_p_value), np.nan, chosen),
    )


def grade_rows(rows: pa.Table, kind: Kind, settings: GradeSettings) -> pa.Table:
    """Return rows of `tiers`, of rows with class, ``p_value`` and ``joint_p_value``."""
    listed = list_candidates(
        rows["anomaly_class"], to_numbers(rows["p_value"]), to_numbers(rows["joint_p_value"])
    )
    q_values = listed.q_values
    columns = {
        **{name: rows[name] for name in ROW_KEY},
        "finding": pa.array(listed.findings, mask=np.isnan(listed.p_values)),
        "finding_p_value": listed.p_values,
        "q_value": q_values,
        "tier": take_strictest(q_values, settings.levels),
    }
    return columns_to_table(kind["tiers"], columns)


def read_limits(run: Run) -> Limits:
    """Return the largest p-value of each tier of each list, by which others are graded alike."""
    tiers = run.read("tiers", ["finding", "finding_p_value", "tier"])
    p_values = to_numbers(tiers["finding_p_value"])
    findings, grades = (
        tiers[name].to_numpy(zero_copy_only=False).astype(str) for name in ("finding", "tier")
    )
    return {
        finding: find_limits(p_values, np.where(findings == finding.value, grades, Tier.NONE.value))
        for finding in Finding
    }


def grade_others(judged: Mapping[str, Any], limits: Limits, waist: Waist) -> dict[str, Any]:
    """Return the columns that grading gives to candidates from outside the lists.

    Parameters
    ----------
    judged : mapping
        As `classifier.judge` returns it.
    limits : mapping
        As `read_limits` returns them.
    waist : Waist

    Returns
    -------
    dict
        ``tier``, ``anomaly_class`` and ``artefact_kind``.
    """

    def take_tiers(anomaly_class: pa.Array) -> NDArray:
        listed = list_candidates(anomaly_class, judged["p_value"], judged["joint_p_value"])
        tiers = np.full(len(listed.p_values), Tier.NONE.value, object)
        for finding, of_list in limits.items():
            is_here = listed.findings == finding.value
            tiers[is_here] = take_strictest(listed.p_values[is_here], of_list)
        return tiers

    renamed = rename_found(judged, lambda named: take_tiers(named) != Tier.NONE.value, waist)
    return {"tier": take_tiers(renamed["anomaly_class"]), **renamed}


def to_numbers(column: pa.ChunkedArray) -> NDArray[np.float64]:
    """Return a column of numbers, NaN for null, shape (n,)."""
    return column.to_numpy(zero_copy_only=False).astype(np.float64)
