"""Stage `measure`: physical measurements of every scored spectrum, and its best rival redshift."""

from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from catalog_schema.tables import MEASURED, RESTFRAME, ROW_KEY, SCORES, SIGNIFICANCE, arrow_schema
from pipeline.config import Config
from pipeline.flow.shards import (
    Product,
    Report,
    Task,
    finished_shards,
    read_stamps,
    run_shards,
    split_by_shard,
)
from pipeline.judge import calibrate
from pipeline.lake.store import (
    Store,
    columns_to_table,
    digest_rows,
    make_fingerprint,
    read_dataset,
    replace_columns,
    to_matrix,
)
from pipeline.spectra.model import models
from pipeline.spectra.model.models import Model, assign_folds, load_model
from pipeline.spectra.sampled import get_sampling
from pipeline.spectra.science.anomaly import add_excess
from pipeline.spectra.science.measurements import take_measurements
from pipeline.spectra.science.residuals import Measured, Residuals
from pipeline.spectra.science.rivals import find_rivals, move_window, shift_redshift
from pipeline.spectra.stages.score import fit_batches, score_windows
from pipeline.spectra.stages.train import find_model_id

STAGE = "measure"
REVISION = 2

_BLOCK_ROWS = 256


def measure(store: Store, config: Config) -> Report:
    """Measure every scored spectrum, negative controls included.

    Quasars that are strange are scored again at the redshifts where their lines fit best.

    Parameters
    ----------
    store : Store
        Reads `restframe`, `scores`, `significance` and the model with its `null`; writes
        `measurements`.
    config : Config
        Reads ``classify``, ``score``, ``calibrate``, ``run.seed`` and ``run.workers``.

    Returns
    -------
    Report
        Of the dataset `measurements`.
    """
    return measure_with(store, config, store.lake.model(find_model_id(store, config)))


def measure_with(store: Store, config: Config, folder: Path) -> Report:
    """Do what `measure` does with the model in a given folder."""
    work, tasks = partial(_measure_shard, store.root, folder, config), plan(store, config, folder)
    return run_shards(store, STAGE, MEASURED, tasks, work, config.run.workers)


def plan(store: Store, config: Config, folder: Path | None = None) -> list[Task]:
    """Return one task per scored shard."""
    folder = folder or store.lake.model(find_model_id(store, config))
    null = store.read_stamp(folder / models.NULL)
    significance = store.read(store.lake.table(SIGNIFICANCE.name), [*ROW_KEY, "p_value"])
    strange, nothing = split_by_shard(significance), significance.slice(0, 0)
    shards = finished_shards(store, "score")
    stamps = read_stamps(store, SCORES.name, shards)
    tries = (config.classify.rivals, config.classify.rival_p_value, config.run.seed)
    tasks = []
    for shard, stamp in read_stamps(store, RESTFRAME.name, shards).items():
        rows = strange.get(shard, nothing)
        contents = [stamp.content, stamps[shard].content, null.content if null else ""]
        inputs = [folder.name, *contents, digest_rows(rows), *map(str, tries)]
        sections = [config.score, config.calibrate]
        fingerprint = make_fingerprint(STAGE, REVISION, sections, inputs)
        paths = [str(store.lake.shard(name, shard)) for name in (RESTFRAME.name, SCORES.name)]
        tasks.append(Task(shard, fingerprint, stamps[shard].n_made, (*paths, rows)))
    return tasks


def measure_table(folder: Path, config: Config, windows: pa.Table, p_value: NDArray) -> pa.Table:
    """Measure the rows of a `restframe` table, and try rival redshifts for what is strange.

    Parameters
    ----------
    folder : Path
        Of the model.
    config : Config
    windows : pyarrow.Table
    p_value : ndarray, shape (n,)
        At the redshift that the rows have; NaN where there is none.

    Returns
    -------
    pyarrow.Table
        Rows of `measurements`.
    """
    if not windows.num_rows:
        return arrow_schema(MEASURED).empty_table()
    measured = measure_windows(_load(folder), config, windows)
    rival_z, rival_p_value = np.full((2, windows.num_rows), np.nan)
    strange = np.flatnonzero(p_value < config.classify.rival_p_value)
    if len(strange):
        found = _try_rivals(folder, config, windows.take(pa.array(strange)))
        rival_z[strange], rival_p_value[strange] = found
    columns = {
        **{name: windows[name] for name in (*ROW_KEY, "parent", "control")},
        "measured": measured.value.astype(np.float32),
        "measured_error": measured.error.astype(np.float32),
        "measured_wave": measured.wave.astype(np.float32),
        "rival_z": rival_z,
        "rival_p_value": rival_p_value,
    }
    return columns_to_table(MEASURED, columns)


def measure_windows(model: Model, config: Config, windows: pa.Table) -> Measured:
    """Measure the rows of a `restframe` table, each by the member that has not seen its object.

    Returns
    -------
    Measured
        Arrays of shape (n, number of measurements).
    """
    found = [
        take_measurements(fit_residuals(model, config, windows.slice(first, _BLOCK_ROWS)))
        for first in range(0, windows.num_rows, _BLOCK_ROWS)
    ]
    return Measured(*(np.concatenate(parts) for parts in zip(*found, strict=True)))


def fit_residuals(model: Model, config: Config, windows: pa.Table) -> Residuals:
    """Return the rows of a `restframe` table with their models."""
    folds = assign_folds(windows["TARGETID"].to_numpy(), len(model.members))
    start = windows["window_start"].to_numpy().astype(np.intp)
    flux, z = to_matrix(windows["rest_flux"]), windows["Z"].to_numpy()
    fitted, weight, noise_weight = (np.empty_like(flux) for _ in range(3))
    for _, rows, fit in fit_batches(model.members, config.score, windows, folds):
        fitted[rows], noise_weight[rows] = fit.model, fit.weight
        weight[rows] = add_excess(fit, model.excess.numpy(), start[rows])
    sampling = get_sampling(windows)
    return Residuals(flux, fitted, weight, noise_weight, start, z, model.grid, sampling)


def score_rows(
    folder: Path, config: Config, windows: pa.Table
) -> tuple[pa.Table, NDArray[np.intp]]:
    """Score the rows of a `restframe` table; also tell which rows could be scored."""
    # The score drops what the model has not learnt: a number in place of the pixel tells.
    number = np.arange(windows.num_rows, dtype=np.int32)
    numbered = replace_columns(windows, {"HEALPIX": number})
    scores = score_windows(folder, config.score, config.run.seed, numbered).data
    rows = scores["HEALPIX"].to_numpy().astype(np.intp)
    own = windows["HEALPIX"].to_numpy()[rows]
    return replace_columns(scores, {"HEALPIX": own}), rows


def move_windows(windows: pa.Table, shift: NDArray, model: Model) -> pa.Table:
    """Return rows of `restframe` at the redshifts `shift` pixels further on the grid."""
    start = windows["window_start"].to_numpy()
    moved = {}
    for name in ("rest_flux", "rest_weight"):
        moved[name], moved["window_start"] = move_window(
            to_matrix(windows[name]), start, shift, model.grid.align
        )
    moved["Z"] = shift_redshift(windows["Z"].to_numpy(), shift, model.grid.log10_step)
    return replace_columns(windows, moved)


def _measure_shard(root: Path, folder: Path, config: Config, task: Task) -> Product:
    path, scores, graded = task.arguments
    store = Store(root)
    scored = store.read(Path(scores), ["TARGETID"])["TARGETID"].combine_chunks()
    windows = store.read(Path(path))
    windows = windows.filter(pc.is_in(windows["TARGETID"], scored))
    p_value = _look_up(graded, windows["TARGETID"].to_numpy())
    return Product(measure_table(folder, config, windows, p_value))


def _try_rivals(folder: Path, config: Config, windows: pa.Table) -> tuple[NDArray, NDArray]:
    """Return the rival redshift of the largest p-value and that p-value, NaN without, each (n,)."""
    model, template = _load(folder), _make_template(_load(folder))
    best_z, best = np.full((2, windows.num_rows), np.nan)
    rivals = np.concatenate(
        [
            find_rivals(
                fit_residuals(model, config, windows.slice(first, _BLOCK_ROWS)),
                template,
                config.classify.rivals,
            )
            for first in range(0, windows.num_rows, _BLOCK_ROWS)
        ]
    )
    rows, which = np.nonzero(rivals)
    if not len(rows):
        return best_z, best
    moved = move_windows(windows.take(pa.array(rows)), rivals[rows, which], model)
    scores, tries = score_rows(folder, config, moved)
    if not len(tries):
        return best_z, best
    null = read_dataset(folder / models.NULL)
    _, _, p_values = calibrate.compare(scores, null, config.calibrate)
    order = np.argsort(p_values, kind="stable")
    best[rows[tries[order]]] = p_values[order]
    best_z[rows[tries[order]]] = scores["Z"].to_numpy()[order]
    return best_z, best


def _look_up(graded: pa.Table, targetids: NDArray) -> NDArray[np.float64]:
    known = dict(zip(graded["TARGETID"].to_pylist(), graded["p_value"].to_pylist(), strict=True))
    return np.array([known.get(int(targetid), np.nan) for targetid in targetids])


def _make_template(model: Model) -> NDArray[np.float64]:
    mean = model.members[0].network.linear_basis.mean.numpy()
    return np.repeat(mean, model.grid.size // len(mean)).astype(np.float64)


@lru_cache(maxsize=2)
def _load(folder: Path) -> Model:
    return load_model(folder)
