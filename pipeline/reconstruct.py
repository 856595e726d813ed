"""Stage `reconstruct`: the model's flux, in the observed frame, of every spectrum to publish."""

from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from catalog_schema.tables import RECONSTRUCTIONS, RESTFRAME, TARGETS, TIERS
from catalog_schema.vocabulary import Tier
from pipeline.config import Config, ReconstructSettings, ScoreSettings
from pipeline.models import Model, assign_folds, load_model
from pipeline.preprocess import OBSERVED_GRID
from pipeline.science.draw import AUDIT_STREAM, hash_to_unit
from pipeline.science.extinction import transmission
from pipeline.score import fit_table
from pipeline.shards import (
    Product,
    Report,
    Task,
    finished_shards,
    read_shards,
    read_stamps,
    run_shards,
    split_by_shard,
)
from pipeline.store import Store, columns_to_table, digest_rows, make_fingerprint
from pipeline.train import find_model_id

STAGE = "reconstruct"
REVISION = 1

_KEY = ["SURVEY", "PROGRAM", "HEALPIX", "TARGETID"]


def reconstruct(store: Store, config: Config) -> Report:
    """Reconstruct the graded spectra and a random sample of ungraded ones for comparison.

    Parameters
    ----------
    store : Store
        Reads `targets`, `restframe`, `tiers` and the model; writes `reconstructions`.
    config : Config
        Reads ``reconstruct``, ``score`` and ``preprocess.r_v``.

    Returns
    -------
    Report
        Of the dataset `reconstructions`.
    """
    return reconstruct_with(store, config, store.lake.model(find_model_id(store, config)))


def reconstruct_with(store: Store, config: Config, folder: Path) -> Report:
    """Do what `reconstruct` does with the model in a given folder."""
    work = partial(_reconstruct_shard, store.root, folder, config.score, config.preprocess.r_v)
    tasks = plan(store, config, folder.name)
    return run_shards(store, STAGE, RECONSTRUCTIONS, tasks, work, config.run.workers)


def plan(store: Store, config: Config, model_id: str | None = None) -> list[Task]:
    """Return one task per scored shard; it may publish no row."""
    model_id = model_id or find_model_id(store, config)
    shards = finished_shards(store, "score")
    targets = read_shards(store, TARGETS.name, shards, [*_KEY, "EBV"])
    chosen = choose_published(store.read(store.lake.table(TIERS.name)), config.reconstruct)
    joined = chosen.join(pa.concat_tables(targets.values()), _KEY)
    wanted, nothing = split_by_shard(joined), joined.slice(0, 0)
    tasks = []
    for shard, stamp in read_stamps(store, RESTFRAME.name, shards).items():
        rows = wanted.get(shard, nothing)
        inputs = [stamp.content, model_id, digest_rows(rows)]
        sections = [config.score, config.preprocess]
        fingerprint = make_fingerprint(STAGE, REVISION, sections, inputs)
        path = str(store.lake.shard(RESTFRAME.name, shard))
        tasks.append(Task(shard, fingerprint, rows.num_rows, (path, rows)))
    return tasks


def choose_published(tiers: pa.Table, settings: ReconstructSettings) -> pa.Table:
    """Return the keys of the graded rows and of a sample of ungraded ones drawn by hash.

    The draw is that of the random audit, whose spectra reviewers must find here.
    """
    is_graded = pc.not_equal(tiers["tier"], Tier.NONE.value).to_numpy()
    ungraded = np.flatnonzero(~is_graded)
    others = tiers.take(pa.array(ungraded))
    draw = hash_to_unit(others["TARGETID"].to_numpy(), AUDIT_STREAM)
    # Repeat observations share the draw.
    order = np.lexsort((*(others[name].to_numpy() for name in ("PROGRAM", "SURVEY")), draw))
    sample = ungraded[order[: settings.reference_sample]]
    rows = np.sort(np.concatenate([np.flatnonzero(is_graded), sample]))
    return tiers.select(_KEY).take(pa.array(rows))


def _reconstruct_shard(
    root: Path, folder: Path, settings: ScoreSettings, r_v: float, task: Task
) -> Product:
    path, rows = task.arguments
    windows = Store(root).read(Path(path))
    windows = windows.filter(pc.is_in(windows["TARGETID"], rows["TARGETID"].combine_chunks()))
    windows = windows.sort_by("TARGETID")
    model = np.zeros((0, OBSERVED_GRID.size), np.float32)
    if windows.num_rows:
        ebv = pc.fill_null(rows["EBV"], 0.0).to_numpy()
        model = _to_observed_frame(_load(folder), settings, windows) * transmission(
            OBSERVED_GRID.wave, ebv, r_v
        )
    columns = {**{name: windows[name] for name in _KEY}, "model": model}
    return Product(columns_to_table(RECONSTRUCTIONS, columns))


def _to_observed_frame(model: Model, settings: ScoreSettings, windows: pa.Table) -> NDArray:
    """Return the dereddened model flux density on DESI's grid, shape (n, 7781).

    NaN where fewer training spectra than `min_support` cover the pixel.
    """
    folds = assign_folds(windows["TARGETID"].to_numpy(), len(model.members))
    fit = fit_table(model, settings, windows, folds)
    starts, redshifts = windows["window_start"].to_numpy(), windows["Z"].to_numpy()
    is_learnt = np.stack([member.support.numpy() for member in model.members])[folds] >= (
        settings.min_support
    )
    known = np.take_along_axis(is_learnt, starts[:, None] + np.arange(fit.model.shape[1]), axis=1)
    scaled = np.where(known, fit.model * windows["norm"].to_numpy()[:, None], np.nan)
    flux = np.empty((len(scaled), OBSERVED_GRID.size), np.float32)
    for row, (start, z) in enumerate(zip(starts, redshifts, strict=True)):
        wave = model.grid.wave[start : start + scaled.shape[1]] * (1 + z)
        flux[row] = np.interp(OBSERVED_GRID.wave, wave, scaled[row])
    return flux


@lru_cache(maxsize=2)
def _load(folder: Path) -> Model:
    return load_model(folder)
