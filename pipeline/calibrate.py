"""Stage `calibrate`: p-values, q-values and tiers from the raw statistics."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from catalog_schema.tables import NULL, SCORES, TIERS
from catalog_schema.vocabulary import Parent, Split, Tier
from pipeline import models
from pipeline.config import CalibrateSettings, Config
from pipeline.errors import UserError
from pipeline.science.calibration import Conditions, adjust_p_values, fit_tail, standardise
from pipeline.shards import Report, finished_shards, read_contents
from pipeline.store import Store, columns_to_table, make_fingerprint
from pipeline.train import find_model_id

STAGE = "calibrate"
REVISION = 2

_KEY = ["SURVEY", "PROGRAM", "HEALPIX", "TARGETID"]
_STATISTICS = ("chi2", "kl_divergence", "isolation_score")
_REASONS = ("reconstruction", "latent", "isolation")
# Below this SNR per pixel the noise no longer changes how a spectrum scores.
_SNR_FLOOR = 0.1


def calibrate(store: Store, config: Config) -> Report:
    """Calibrate every quasar's score against the core quasars of the run.

    Parameters
    ----------
    store : Store
        Reads `scores`; writes `tiers` and, beside the model, the population as `null`.
    config : Config
        Reads ``calibrate``.

    Returns
    -------
    Report
        Of the dataset `tiers`.
    """
    (null_path, fingerprint), (tiers_path, _) = plan(store, config).items()
    done = [store.find_done(path, fingerprint) for path in (null_path, tiers_path)]
    if all(done) and done[1]:
        return Report(TIERS.name, skipped=1, n_expected=done[1].n_made, n_made=done[1].n_made)
    scores = read_scores(store)
    core = scores.filter(pc.field("parent") == Parent.CORE.value)
    null = make_null(core, config.calibrate)
    store.write(
        null_path, null, NULL, fingerprint=fingerprint,
        n_expected=core.num_rows, n_made=core.num_rows,
    )  # fmt: skip
    quasars = scores.filter(pc.field("parent") != Parent.CONTROL.value)
    tiers = grade(quasars, null, config.calibrate)
    n = quasars.num_rows
    store.write(tiers_path, tiers, TIERS, fingerprint=fingerprint, n_expected=n, n_made=n)
    return Report(TIERS.name, made=1, n_expected=n, n_made=n)


def plan(store: Store, config: Config) -> dict[Path, str]:
    """Return the files that the stage is to make, `null` first, and their fingerprint."""
    folder = store.lake.model(find_model_id(store, config))
    fingerprint = make_fingerprint(STAGE, REVISION, [config.calibrate], _read_contents(store))
    return {folder / models.NULL: fingerprint, store.lake.table(TIERS.name): fingerprint}


def calibrate_with(store: Store, config: Config, folder: Path) -> Report:
    """Calibrate foreign scores against the population of the model in a folder."""
    null_path = folder / models.NULL
    stamp = store.read_stamp(null_path)
    if stamp is None:
        raise UserError(f"model {folder} has no {models.NULL}; run `qad run` on its own data first")
    scores = read_scores(store).filter(pc.field("parent") != Parent.CONTROL.value)
    tiers = grade(scores, store.read(null_path), config.calibrate)
    inputs = [*_read_contents(store), stamp.content]
    fingerprint = make_fingerprint(STAGE, REVISION, [config.calibrate], inputs)
    n = scores.num_rows
    path = store.lake.table(TIERS.name)
    store.write(path, tiers, TIERS, fingerprint=fingerprint, n_expected=n, n_made=n)
    return Report(TIERS.name, made=1, n_expected=n, n_made=n)


def read_scores(store: Store) -> pa.Table:
    """Return the whole `scores` dataset but for the latents.

    Raises
    ------
    UserError
        If nothing was scored.
    """
    columns = [name for name in SCORES.names if name != "latent"]
    shards = finished_shards(store, "score")
    tables = [store.read(store.lake.shard(SCORES.name, shard), columns) for shard in shards]
    scores = pa.concat_tables(tables) if tables else None
    if scores is None or not scores.num_rows:
        raise UserError(f"{store.root}: no spectrum was scored; `qad status` says where they went")
    return scores.combine_chunks()


def make_null(scores: pa.Table, settings: CalibrateSettings) -> pa.Table:
    """Return the reference population of a run as rows of `null`."""
    conditions, statistics = _get_conditions(scores), _get_statistics(scores)
    departures = standardise(conditions, statistics, conditions, statistics, settings.neighbours)
    combined = _combine(departures)
    total = standardise(conditions, combined, conditions, combined, settings.neighbours)
    columns = {
        **{name: scores[name] for name in (*_KEY, "Z", *_STATISTICS)},
        "held_out": conditions.held_out,
        "log_snr": conditions.log_snr,
        "coverage": conditions.coverage,
        **{f"{reason}_departure": departures[:, i] for i, reason in enumerate(_REASONS)},
        "anomaly_score": total[:, 0],
    }
    return columns_to_table(NULL, columns)


def grade(scores: pa.Table, null: pa.Table, settings: CalibrateSettings) -> pa.Table:
    """Grade scores against a reference population, as rows of `tiers`.

    Parameters
    ----------
    scores : pyarrow.Table
        Rows of `scores`.
    null : pyarrow.Table
        Rows of `null`.
    settings : CalibrateSettings
    """
    reference = Conditions(
        *(null[name].to_numpy(zero_copy_only=False)
          for name in ("log_snr", "Z", "coverage", "held_out"))
    )  # fmt: skip
    conditions = _get_conditions(scores)
    departures = standardise(
        reference, _get_statistics(null), conditions, _get_statistics(scores), settings.neighbours
    )
    known = np.column_stack([null[f"{reason}_departure"].to_numpy() for reason in _REASONS])
    total = standardise(
        reference, _combine(known), conditions, _combine(departures), settings.neighbours
    )[:, 0]
    tail = fit_tail(
        null["anomaly_score"].to_numpy(), settings.tail_fraction, settings.contamination
    )
    p_values = tail.p_values(total)
    q_values = adjust_p_values(p_values)
    columns = {
        **{name: scores[name] for name in _KEY},
        "anomaly_score": total,
        "p_value": p_values,
        "q_value": q_values,
        "tier": find_tiers(q_values, settings),
        "reason": np.array(_REASONS)[np.argmax(departures, axis=1)],
    }
    return columns_to_table(TIERS, columns)


def find_tiers(q_values: NDArray, settings: CalibrateSettings) -> NDArray[np.str_]:
    """Return the strictest tier whose false-discovery level each q-value keeps, shape (n,)."""
    levels = [q_values <= getattr(settings, tier) for tier in ("gold", "silver", "bronze")]
    return np.select(levels, [Tier.GOLD.value, Tier.SILVER.value, Tier.BRONZE.value],
                     default=Tier.NONE.value)  # fmt: skip


def _read_contents(store: Store) -> list[str]:
    return list(read_contents(store, "score", SCORES.name).values())


def _get_conditions(scores: pa.Table) -> Conditions:
    snr = np.nan_to_num(scores["snr"].to_numpy(), nan=_SNR_FLOOR)
    arms = [scores[f"coverage_{arm}"].to_numpy() for arm in ("b", "r", "z")]
    return Conditions(
        np.log10(np.maximum(snr, _SNR_FLOOR)),
        scores["Z"].to_numpy(),
        np.mean(arms, axis=0),
        scores["split"].to_numpy().astype(str) != Split.TRAIN.value,
    )


def _get_statistics(rows: pa.Table) -> NDArray[np.float64]:
    """Return the raw statistics on scales where normal spectra scatter evenly, shape (n, 3)."""
    chi2, divergence, isolation = (rows[name].to_numpy().astype(float) for name in _STATISTICS)
    return np.column_stack([np.log(np.maximum(chi2, 1e-6)), np.log1p(divergence), isolation])


def _combine(departures: NDArray) -> NDArray[np.float64]:
    """Add the departures towards strangeness in quadrature, shape (n, 1)."""
    return np.sqrt(np.sum(np.maximum(departures, 0) ** 2, axis=1, keepdims=True))
