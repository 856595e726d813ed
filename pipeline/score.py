"""Stage `score`: latents and residual statistics of every window under one model."""

from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch

from catalog_schema.tables import RESTFRAME, SCORES, arrow_schema
from catalog_schema.vocabulary import Arm
from pipeline.config import Config, ScoreSettings
from pipeline.models import Model, load_model, read_card, read_reference
from pipeline.preprocess import to_matrix
from pipeline.science.anomaly import Fit, Isolation, find_arm, fit_windows, reduced_chi2
from pipeline.shards import Product, Report, Task, finished_shards, read_stamps, run_shards
from pipeline.store import Store, columns_to_table, make_fingerprint
from pipeline.train import find_model_id

STAGE = "score"
REVISION = 2

_CARRIED = (
    "SURVEY", "PROGRAM", "HEALPIX", "TARGETID", "Z", "split", "parent", "control",
    "snr", "snr_b", "snr_r", "snr_z", "coverage_b", "coverage_r", "coverage_z",
)  # fmt: skip


def score(store: Store, config: Config) -> Report:
    """Score every window with the model that the run trained.

    Gate: `outside_training_range` (too few pixels that the model has learnt).

    Parameters
    ----------
    store : Store
        Reads `restframe` and the model, writes `scores`.
    config : Config
        Reads ``score``, ``run.seed`` and ``run.workers``.

    Returns
    -------
    Report
        Of the dataset `scores`.
    """
    return score_with(store, config, store.lake.model(find_model_id(store, config)))


def score_with(store: Store, config: Config, folder: Path) -> Report:
    """Do what `score` does with the model in a given folder."""
    work = partial(_score_shard, store.root, folder, config.score, config.run.seed)
    tasks = plan(store, config, str(read_card(folder)["id"]))
    return run_shards(store, STAGE, SCORES, tasks, work, config.run.workers)


def plan(store: Store, config: Config, model_id: str | None = None) -> list[Task]:
    """Return one task per preprocessed shard."""
    model_id = model_id or find_model_id(store, config)
    shards = finished_shards(store, "preprocess")
    return [
        Task(
            shard,
            make_fingerprint(STAGE, REVISION, [config.score], [stamp.content, model_id]),
            stamp.n_made,
            (str(store.lake.shard(RESTFRAME.name, shard)),),
        )
        for shard, stamp in read_stamps(store, RESTFRAME.name, shards).items()
    ]


def fit_table(model: Model, settings: ScoreSettings, windows: pa.Table) -> Fit:
    """Fit the rows of a `restframe` table in batches, on one thread: the bits never vary."""
    torch.set_num_threads(1)
    flux, ivar = (torch.from_numpy(to_matrix(windows[n])) for n in ("rest_flux", "rest_ivar"))
    start = torch.from_numpy(windows["window_start"].to_numpy().astype(np.int64))
    fits = [
        fit_windows(model.network, model.support, settings.min_support,
                    flux[batch], ivar[batch], start[batch])
        for batch in torch.arange(len(start)).split(settings.batch_size)
    ]  # fmt: skip
    return Fit(*(np.concatenate([getattr(fit, name) for fit in fits]) for name in vars(fits[0])))


def score_windows(folder: Path, settings: ScoreSettings, seed: int, windows: pa.Table) -> Product:
    """Score the rows of a `restframe` table with the model in a folder.

    Parameters
    ----------
    folder : Path
    settings : ScoreSettings
    seed : int
        Seeds the Isolation Forest.
    windows : pyarrow.Table

    Returns
    -------
    Product
        Rows of `scores` and the gates of the others.
    """
    model, isolation = _load(folder, settings.trees, seed)
    sizes = {"latent": model.network.shape.latent}
    if not windows.num_rows:
        return Product(arrow_schema(SCORES, **sizes).empty_table())
    fit = fit_table(model, settings, windows)
    n_used = np.count_nonzero(fit.is_used, axis=1)
    kept = n_used >= settings.min_valid_fraction * model.grid.window
    columns = {name: windows[name].filter(kept) for name in _CARRIED} | {
        name: values[kept] for name, values in _measure(model, isolation, windows, fit).items()
    }
    columns["n_valid"] = n_used[kept].astype(np.int32)
    columns["model_id"] = [model.model_id] * int(kept.sum())
    table = columns_to_table(SCORES, columns, **sizes)
    return Product(table, {"outside_training_range": int((~kept).sum())})


def _score_shard(
    root: Path, folder: Path, settings: ScoreSettings, seed: int, task: Task
) -> Product:
    return score_windows(folder, settings, seed, Store(root).read(Path(task.arguments[0])))


def _measure(model: Model, isolation: Isolation, windows: pa.Table, fit: Fit) -> dict:
    pixels = windows["window_start"].to_numpy()[:, None] + np.arange(fit.chi.shape[1])
    observed = model.grid.wave[pixels] * (1 + windows["Z"].to_numpy()[:, None])
    n_parameters = fit.latent.shape[1] + 1
    by_arm = {arm: reduced_chi2(fit, n_parameters, find_arm(observed, arm)) for arm in Arm.values()}
    stacked = np.stack([by_arm[arm] for arm in Arm.values()], 1)
    worst = np.argmax(np.where(np.isnan(stacked), -np.inf, stacked), axis=1)
    return {
        "chi2": reduced_chi2(fit, n_parameters),
        **{f"chi2_{arm}": values for arm, values in by_arm.items()},
        "worst_arm": np.array(Arm.values())[worst],
        "amplitude": fit.amplitude,
        "kl_divergence": np.maximum(fit.divergence, 0),
        "isolation_score": isolation.score(fit.latent),
        "latent": fit.latent,
    }


@lru_cache(maxsize=2)
def _load(folder: Path, n_trees: int, seed: int) -> tuple[Model, Isolation]:
    return load_model(folder), Isolation(read_reference(folder).numpy(), n_trees, seed)
