"""Stage `grade`: the false-discovery rate at which each quasar enters the list, and its tier."""

from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from catalog_schema.tables import CLASSES, ROW_KEY, TIERS
from catalog_schema.vocabulary import Tier
from pipeline.config import CalibrateSettings, Config
from pipeline.flow.shards import Report, find_finished
from pipeline.judge import classify
from pipeline.judge.science.grades import find_limits, grade_p_values
from pipeline.lake.store import Store, columns_to_table, make_fingerprint

STAGE = "grade"
REVISION = 1


def grade(store: Store, config: Config) -> Report:
    """Grade every quasar by its joint p-value; what has none is not on the list.

    Parameters
    ----------
    store : Store
        Reads `classes`; writes `tiers`.
    config : Config
        Reads ``calibrate``.

    Returns
    -------
    Report
        Of the dataset `tiers`.
    """
    planned = plan(store, config)
    if finished := find_finished(store, TIERS.name, planned):
        return finished
    [(path, fingerprint)] = planned.items()
    classes = store.read(store.lake.table(CLASSES.name), [*ROW_KEY, "joint_p_value"])
    rows = grade_rows(classes, config.calibrate)
    n = rows.num_rows
    store.write(path, rows, TIERS, fingerprint=fingerprint, n_expected=n, n_made=n)
    return Report(TIERS.name, made=1, n_expected=n, n_made=n)


def plan(store: Store, config: Config) -> dict[Path, str]:
    """Return the file that the stage is to make and its fingerprint."""
    inputs = list(classify.plan(store, config).values())
    fingerprint = make_fingerprint(STAGE, REVISION, [config.calibrate], inputs)
    return {store.lake.table(TIERS.name): fingerprint}


def grade_rows(classes: pa.Table, settings: CalibrateSettings) -> pa.Table:
    """Return rows of `tiers` of spectra with a ``joint_p_value``, null or not."""
    q_values, tiers = grade_p_values(to_p_values(classes), settings.levels)
    keys = {name: classes[name] for name in ROW_KEY}
    return columns_to_table(TIERS, {**keys, "q_value": q_values, "tier": tiers})


def read_limits(store: Store) -> dict[Tier, float]:
    """Return the largest joint p-value of each tier, by which others are graded alike."""
    # Both have the order of the classes.
    classes = store.read(store.lake.table(CLASSES.name), ["joint_p_value"])
    tiers = store.read(store.lake.table(TIERS.name), ["tier"])["tier"].to_numpy().astype(str)
    return find_limits(to_p_values(classes), tiers)


def to_p_values(classes: pa.Table) -> NDArray[np.float64]:
    """Return the column ``joint_p_value``, NaN for null, shape (n,)."""
    return classes["joint_p_value"].to_numpy(zero_copy_only=False).astype(np.float64)
