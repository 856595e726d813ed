"""The reference population: what is normal, and how far scores depart from it."""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from catalog_schema.kind import Kind
from catalog_schema.waist import ROW_KEY, Waist
from pipeline.judge.science.calibration import (
    find_neighbours,
    fit_tail,
    standardise_among,
    take_own,
    take_strange_side,
)
from pipeline.lake.align import find_rows
from pipeline.lake.store import columns_to_table, to_matrix
from pipeline.settings.judge import CalibrateSettings

_SMALLEST_RATIO = 1e-6
_CEILING = 8.0


def make_null(scores: pa.Table, kind: Kind, settings: CalibrateSettings) -> pa.Table:
    """Return the reference population of a run as rows of `null`."""
    waist = kind.waist
    conditions, statistics = locate(scores, waist), _get_statistics(scores, waist)
    targetid = scores["TARGETID"].to_numpy()
    near = find_neighbours(conditions, conditions, settings.neighbours, (targetid, targetid))
    departures = standardise_among(near, statistics, statistics)
    combined = _combine(departures, waist)
    total = standardise_among(near, combined, combined)
    columns = {
        **{name: scores[name] for name in (*ROW_KEY, "statistics")},
        **{name: scores[name] for name in waist.condition_names},
        "departures": departures.astype(np.float32),
        "anomaly_score": total[:, 0],
    }
    return columns_to_table(kind["null"], columns)


def weigh(scores: pa.Table, null: pa.Table, kind: Kind, settings: CalibrateSettings) -> pa.Table:
    """Compare scores with a reference population, as rows of `significance`.

    Parameters
    ----------
    scores : pyarrow.Table
        Rows of `scores`.
    null : pyarrow.Table
        Rows of `null`.
    kind : Kind
    settings : CalibrateSettings
    """
    departures, total, p_values = compare(scores, null, kind.waist, settings)
    strange = take_strange_side(departures, kind.waist.is_two_sided)
    reasons = np.array([statistic.reason for statistic in kind.waist.statistics])
    columns = {
        **{name: scores[name] for name in ROW_KEY},
        "anomaly_score": total,
        "p_value": p_values,
        "score_rank": rank(total),
        "score_rank_low": pa.nulls(len(total), pa.int32()),
        "score_rank_high": pa.nulls(len(total), pa.int32()),
        "reason": reasons[np.argmax(strange, axis=1)],
        "departures": departures.astype(np.float32),
    }
    return columns_to_table(kind["significance"], columns)


def compare(
    scores: pa.Table, null: pa.Table, waist: Waist, settings: CalibrateSettings
) -> tuple[NDArray, NDArray, NDArray]:
    """Return departures (n, k), combined score (n,) and p-value (n,) of rows of `scores`."""
    reference, conditions = locate(null, waist), locate(scores, waist)
    objects = null["TARGETID"].to_numpy(), scores["TARGETID"].to_numpy()
    near = find_neighbours(reference, conditions, settings.neighbours, objects)
    departures = standardise_among(
        near, _get_statistics(null, waist), _get_statistics(scores, waist)
    )
    known = _combine(to_matrix(null["departures"]).astype(np.float64), waist)
    total = standardise_among(near, known, _combine(departures, waist))[:, 0]
    population = null["anomaly_score"].to_numpy()
    tail = fit_tail(population, settings.tail_fraction, settings.contamination)
    own = take_own(population, find_rows(null, scores))
    return departures, total, tail.p_values(total, own)


def rank(score: NDArray) -> NDArray[np.int32]:
    """Return the place of each score, 1 for the largest, shape (n,)."""
    ranks = np.empty(len(score), np.int32)
    ranks[np.argsort(-score, kind="stable")] = np.arange(1, len(score) + 1)
    return ranks


def locate(rows: pa.Table, waist: Waist) -> NDArray[np.float64]:
    """Return the scaled conditions of rows of `scores`, `null` or `norms`, shape (n, d)."""
    return waist.locate({name: rows[name].to_numpy() for name in waist.condition_names})


def _get_statistics(rows: pa.Table, waist: Waist) -> NDArray[np.float64]:
    """Return the raw statistics on scales where normal ones scatter evenly, shape (n, k)."""
    values = to_matrix(rows["statistics"]).astype(np.float64)
    ratio = waist.is_ratio
    values[:, ratio] = np.log(np.maximum(values[:, ratio], _SMALLEST_RATIO))
    return values


def _combine(departures: NDArray, waist: Waist) -> NDArray[np.float64]:
    """Add the departures towards strangeness in quadrature, shape (n, 1).

    Each counts up to a ceiling: one freak value does not decide alone.
    """
    strange = np.minimum(take_strange_side(departures, waist.is_two_sided), _CEILING)
    return np.sqrt((strange**2).sum(axis=1, keepdims=True))
