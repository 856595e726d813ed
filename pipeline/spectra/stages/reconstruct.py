"""Stage `reconstruct`: the model's flux, in the observed frame, of every spectrum to publish."""

from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from catalog_schema.tables import RECONSTRUCTIONS, RESTFRAME, ROW_KEY, TARGETS, TIERS
from catalog_schema.vocabulary import Tier
from pipeline.config import Config, ReconstructSettings, ScoreSettings
from pipeline.flow.shards import (
    Product,
    Report,
    Task,
    finished_shards,
    read_shards,
    read_stamps,
    run_shards,
    split_by_shard,
)
from pipeline.lake.store import Store, columns_to_table, digest_rows, make_fingerprint
from pipeline.science.draw import Stream, hash_to_unit
from pipeline.spectra.model.models import Model, assign_folds, load_model
from pipeline.spectra.sampled import attach_sampling, get_sampling
from pipeline.spectra.science.extinction import transmission
from pipeline.spectra.stages.score import fit_batches
from pipeline.spectra.stages.train import find_model_id

STAGE = "reconstruct"
REVISION = 1


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
    targets = read_shards(store, TARGETS.name, shards, [*ROW_KEY, "EBV"])
    chosen = choose_published(store.read(store.lake.table(TIERS.name)), config.reconstruct)
    joined = chosen.join(pa.concat_tables(targets.values()), ROW_KEY)
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
    draw = hash_to_unit(others["TARGETID"].to_numpy(), Stream.AUDIT)
    # Repeat observations share the draw.
    order = np.lexsort((*(others[name].to_numpy() for name in ("PROGRAM", "SURVEY")), draw))
    sample = ungraded[order[: settings.reference_sample]]
    rows = np.sort(np.concatenate([np.flatnonzero(is_graded), sample]))
    return tiers.select(ROW_KEY).take(pa.array(rows))


def _reconstruct_shard(
    root: Path, folder: Path, settings: ScoreSettings, r_v: float, task: Task
) -> Product:
    path, rows = task.arguments
    windows = Store(root).read(Path(path))
    windows = windows.filter(pc.is_in(windows["TARGETID"], rows["TARGETID"].combine_chunks()))
    windows = windows.sort_by("TARGETID")
    sampling = get_sampling(windows)
    flux = np.zeros((0, sampling.grid.size), np.float32)
    if windows.num_rows:
        model = _load(folder)
        folds = assign_folds(windows["TARGETID"].to_numpy(), len(model.members))
        ebv = pc.fill_null(rows["EBV"], 0.0).to_numpy()
        passed = transmission(sampling.grid.wave, ebv, r_v)
        flux = to_observed_frame(model, settings, windows, folds) * passed
    columns = {**{name: windows[name] for name in ROW_KEY}, "model": flux}
    return Product(attach_sampling(columns_to_table(RECONSTRUCTIONS, columns), sampling))


def to_observed_frame(
    model: Model, settings: ScoreSettings, windows: pa.Table, folds: NDArray[np.intp]
) -> NDArray:
    """Return the dereddened model flux density on the windows' observed grid, shape (n, p).

    NaN where the model has not learnt the pixel.
    """
    names, observed = ("window_start", "Z", "norm"), get_sampling(windows).grid
    start, z, norm = (windows[name].to_numpy() for name in names)
    flux = np.empty((windows.num_rows, observed.size), np.float32)
    for k, rows, fit in fit_batches(model.members, settings, windows, folds):
        is_learnt = model.members[k].is_learnt.numpy()
        for row, fitted in zip(rows, fit.model, strict=True):
            pixels = slice(start[row], start[row] + len(fitted))
            scaled = np.where(is_learnt[pixels], fitted * norm[row], np.nan)
            wave = model.grid.wave[pixels] * (1 + z[row])
            flux[row] = np.interp(observed.wave, wave, scaled)
    return flux


@lru_cache(maxsize=2)
def _load(folder: Path) -> Model:
    return load_model(folder)
