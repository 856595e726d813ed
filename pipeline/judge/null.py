"""The reference population: what is normal, and how far scores depart from it."""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from catalog_schema.statistics import STATISTICS
from catalog_schema.tables import NULL, ROW_KEY, SIGNIFICANCE
from pipeline.judge.science.calibration import (
    Conditions,
    fit_tail,
    standardise,
    take_strange_side,
)
from pipeline.lake.store import columns_to_table, to_matrix
from pipeline.settings.judge import CalibrateSettings

_REASONS = np.array([statistic.reason for statistic in STATISTICS])
_IS_RATIO = np.array([statistic.is_ratio for statistic in STATISTICS])
_SMALLEST_RATIO = 1e-6
_CEILING = 8.0
# Below this SNR per pixel the noise no longer changes how a spectrum scores.
_SNR_FLOOR = 0.1


def make_null(scores: pa.Table, settings: CalibrateSettings) -> pa.Table:
    """Return the reference population of a run as rows of `null`."""
    conditions, statistics = get_conditions(scores), _get_statistics(scores)
    departures = standardise(conditions, statistics, conditions, statistics, settings.neighbours)
    combined = _combine(departures)
    total = standardise(conditions, combined, conditions, combined, settings.neighbours)
    columns = {
        **{name: scores[name] for name in (*ROW_KEY, "Z", "statistics")},
        "log_snr": conditions.log_snr,
        "coverage": conditions.coverage,
        "departures": departures.astype(np.float32),
        "anomaly_score": total[:, 0],
    }
    return columns_to_table(NULL, columns)


def weigh(scores: pa.Table, null: pa.Table, settings: CalibrateSettings) -> pa.Table:
    """Compare scores with a reference population, as rows of `significance`.

    Parameters
    ----------
    scores : pyarrow.Table
        Rows of `scores`.
    null : pyarrow.Table
        Rows of `null`.
    settings : CalibrateSettings
    """
    departures, total, p_values = compare(scores, null, settings)
    columns = {
        **{name: scores[name] for name in ROW_KEY},
        "anomaly_score": total,
        "p_value": p_values,
        "score_rank": rank(total),
        "score_rank_low": pa.nulls(len(total), pa.int32()),
        "score_rank_high": pa.nulls(len(total), pa.int32()),
        "reason": _REASONS[np.argmax(take_strange_side(departures), axis=1)],
        "departures": departures.astype(np.float32),
    }
    return columns_to_table(SIGNIFICANCE, columns)


def compare(
    scores: pa.Table, null: pa.Table, settings: CalibrateSettings
) -> tuple[NDArray, NDArray, NDArray]:
    """Return departures (n, k), combined score (n,) and p-value (n,) of spectra under a null."""
    reference, conditions = read_conditions(null), get_conditions(scores)
    departures = standardise(
        reference, _get_statistics(null), conditions, _get_statistics(scores), settings.neighbours
    )
    known = to_matrix(null["departures"]).astype(np.float64)
    total = standardise(
        reference, _combine(known), conditions, _combine(departures), settings.neighbours
    )[:, 0]
    tail = fit_tail(
        null["anomaly_score"].to_numpy(), settings.tail_fraction, settings.contamination
    )
    return departures, total, tail.p_values(total)


def rank(score: NDArray) -> NDArray[np.int32]:
    """Return the place of each score, 1 for the largest, shape (n,)."""
    ranks = np.empty(len(score), np.int32)
    ranks[np.argsort(-score, kind="stable")] = np.arange(1, len(score) + 1)
    return ranks


def read_conditions(null: pa.Table) -> Conditions:
    """Return the conditions of a reference population, from rows of `null`."""
    return Conditions(*(null[name].to_numpy() for name in ("log_snr", "Z", "coverage")))


def get_conditions(scores: pa.Table) -> Conditions:
    """Return what the statistics of normal spectra depend on, from rows of `scores`."""
    snr = np.nan_to_num(scores["snr"].to_numpy(), nan=_SNR_FLOOR)
    arms = [scores[f"coverage_{arm}"].to_numpy() for arm in ("b", "r", "z")]
    log_snr = np.log10(np.maximum(snr, _SNR_FLOOR))
    return Conditions(log_snr, scores["Z"].to_numpy(), np.mean(arms, axis=0))


def _get_statistics(rows: pa.Table) -> NDArray[np.float64]:
    """Return the raw statistics on scales where normal spectra scatter evenly, shape (n, k)."""
    values = to_matrix(rows["statistics"]).astype(np.float64)
    values[:, _IS_RATIO] = np.log(np.maximum(values[:, _IS_RATIO], _SMALLEST_RATIO))
    return values


def _combine(departures: NDArray) -> NDArray[np.float64]:
    """Add the departures towards strangeness in quadrature, shape (n, 1).

    Each counts up to a ceiling: one freak value does not decide alone.
    """
    strange = np.minimum(take_strange_side(departures), _CEILING)
    return np.sqrt((strange**2).sum(axis=1, keepdims=True))
