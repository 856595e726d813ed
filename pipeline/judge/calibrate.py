"""Stage `calibrate`: what the raw statistics mean for a spectrum like this one, as p-values."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from catalog_schema.statistics import STATISTICS
from catalog_schema.tables import NULL, ROW_KEY, SCORES, SIGNIFICANCE
from catalog_schema.vocabulary import Parent
from pipeline.config import CalibrateSettings, Config
from pipeline.errors import UserError
from pipeline.flow.shards import Report, find_finished, finished_shards, read_contents, read_shards
from pipeline.judge.science.calibration import (
    Conditions,
    fit_tail,
    standardise,
    take_strange_side,
)
from pipeline.lake.store import (
    Store,
    columns_to_table,
    make_fingerprint,
    replace_columns,
    to_matrix,
)
from pipeline.spectra.model import models
from pipeline.spectra.stages.train import find_model_id

STAGE = "calibrate"
REVISION = 5

_REASONS = np.array([statistic.reason for statistic in STATISTICS])
_IS_RATIO = np.array([statistic.is_ratio for statistic in STATISTICS])
_SMALLEST_RATIO = 1e-6
_CEILING = 8.0
# Below this SNR per pixel the noise no longer changes how a spectrum scores.
_SNR_FLOOR = 0.1


def calibrate(store: Store, config: Config) -> Report:
    """Calibrate every quasar's score against the core quasars of the run.

    Parameters
    ----------
    store : Store
        Reads `scores`; writes `significance` and, beside the model, the population as `null`.
    config : Config
        Reads ``calibrate``.

    Returns
    -------
    Report
        Of the dataset `significance`.
    """
    planned = plan(store, config)
    if finished := find_finished(store, SIGNIFICANCE.name, planned):
        return finished
    (null_path, fingerprint), (path, _) = planned.items()
    scores = read_scores(store)
    core = scores.filter(pc.field("parent") == Parent.CORE.value)
    null = make_null(core, config.calibrate)
    store.write(
        null_path,
        null,
        NULL,
        fingerprint=fingerprint,
        n_expected=core.num_rows,
        n_made=core.num_rows,
    )
    quasars = scores.filter(pc.field("parent") != Parent.CONTROL.value)
    rows = weigh(quasars, null, config.calibrate)
    rows = _add_rank_range(rows, quasars, core, config.calibrate)
    n = quasars.num_rows
    store.write(path, rows, SIGNIFICANCE, fingerprint=fingerprint, n_expected=n, n_made=n)
    return Report(SIGNIFICANCE.name, made=1, n_expected=n, n_made=n)


def plan(store: Store, config: Config) -> dict[Path, str]:
    """Return the files that the stage is to make, `null` first, and their fingerprint."""
    folder = store.lake.model(find_model_id(store, config))
    fingerprint = make_fingerprint(STAGE, REVISION, [config.calibrate], _read_contents(store))
    return {folder / models.NULL: fingerprint, store.lake.table(SIGNIFICANCE.name): fingerprint}


def calibrate_with(store: Store, config: Config, folder: Path) -> Report:
    """Calibrate foreign scores against the population of the model in a folder."""
    null_path = folder / models.NULL
    stamp = store.read_stamp(null_path)
    if stamp is None:
        raise UserError(f"model {folder} has no {models.NULL}; run `qad run` on its own data first")
    scores = read_scores(store).filter(pc.field("parent") != Parent.CONTROL.value)
    rows = weigh(scores, store.read(null_path), config.calibrate)
    inputs = [*_read_contents(store), stamp.content]
    fingerprint = make_fingerprint(STAGE, REVISION, [config.calibrate], inputs)
    n = scores.num_rows
    path = store.lake.table(SIGNIFICANCE.name)
    store.write(path, rows, SIGNIFICANCE, fingerprint=fingerprint, n_expected=n, n_made=n)
    return Report(SIGNIFICANCE.name, made=1, n_expected=n, n_made=n)


def read_scores(store: Store) -> pa.Table:
    """Return the whole `scores` dataset but for the latents.

    Raises
    ------
    UserError
        If nothing was scored.
    """
    columns = [name for name in SCORES.names if name != "latent"]
    shards = finished_shards(store, "score")
    tables = read_shards(store, SCORES.name, shards, columns)
    scores = pa.concat_tables(tables.values()) if tables else None
    if scores is None or not scores.num_rows:
        raise UserError(f"{store.root}: no spectrum was scored; `qad status` says where they went")
    return scores.combine_chunks()


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
        "score_rank": _rank(total),
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


def _add_rank_range(
    rows: pa.Table, quasars: pa.Table, core: pa.Table, settings: CalibrateSettings
) -> pa.Table:
    """Fill in the smallest and the largest rank that the seeds' models give each quasar."""
    size = len(STATISTICS)
    seeds = quasars.schema.field("seed_statistics").type.list_size // size
    if seeds < 2:
        return rows
    ranks = [rows["score_rank"].to_numpy()]
    for first in range(size, seeds * size, size):
        ours, null = (_take_seed(rows, slice(first, first + size)) for rows in (quasars, core))
        ranks.append(_rank(compare(ours, make_null(null, settings), settings)[1]))
    extremes = {"score_rank_low": np.min(ranks, axis=0), "score_rank_high": np.max(ranks, axis=0)}
    return replace_columns(rows, extremes)


def _take_seed(scores: pa.Table, columns: slice) -> pa.Table:
    """Return scores with the statistics of another seed."""
    return replace_columns(scores, {"statistics": to_matrix(scores["seed_statistics"])[:, columns]})


def _rank(score: NDArray) -> NDArray[np.int32]:
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


def _read_contents(store: Store) -> list[str]:
    return list(read_contents(store, "score", SCORES.name).values())


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
