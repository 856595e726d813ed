"""Tiers: from joint p-values to grades, and to the limits by which others are graded alike."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from catalog_schema.kind import Kind
from catalog_schema.vocabulary import Tier
from catalog_schema.waist import ROW_KEY
from pipeline.judge.classifier import leave_unexplained
from pipeline.judge.science.grades import find_limits, grade_p_values, take_strictest
from pipeline.lake.store import columns_to_table
from pipeline.run import Run
from pipeline.settings.judge import GradeSettings


def grade_rows(classes: pa.Table, kind: Kind, settings: GradeSettings) -> pa.Table:
    """Return rows of `tiers` of rows with a ``joint_p_value``, null or not."""
    q_values, tiers = grade_p_values(to_p_values(classes), settings.levels)
    keys = {name: classes[name] for name in ROW_KEY}
    return columns_to_table(kind["tiers"], {**keys, "q_value": q_values, "tier": tiers})


def read_limits(run: Run) -> dict[Tier, float]:
    """Return the largest joint p-value of each tier, by which others are graded alike."""
    # Both have the order of the classes.
    classes = run.read("classes", ["joint_p_value"])
    tiers = run.read("tiers", ["tier"])["tier"].to_numpy().astype(str)
    return find_limits(to_p_values(classes), tiers)


def grade_others(
    p_values: NDArray, anomaly_class: pa.Array, limits: Mapping[Tier, float]
) -> dict[str, Any]:
    """Return the columns ``tier`` and ``anomaly_class`` of candidates from outside the list.

    Parameters
    ----------
    p_values : ndarray, shape (n,)
        Joint ones, NaN for what has none.
    anomaly_class : pyarrow.Array of str
    limits : mapping
        As `read_limits` returns them.
    """
    tiers = take_strictest(p_values, limits)
    is_found = tiers != Tier.NONE.value
    return {"tier": tiers, "anomaly_class": leave_unexplained(anomaly_class, is_found)}


def to_p_values(classes: pa.Table) -> NDArray[np.float64]:
    """Return the column ``joint_p_value``, NaN for null, shape (n,)."""
    return classes["joint_p_value"].to_numpy(zero_copy_only=False).astype(np.float64)
