"""Measuring windows: physical measurements, and the best rival redshift of what is strange."""

from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from catalog_schema.column import arrow_schema
from catalog_schema.spectra import WAIST
from catalog_schema.tables import MEASURED
from catalog_schema.waist import ROW_KEY
from pipeline.config import Config
from pipeline.judge.null import Population
from pipeline.lake.layout import MODEL_NULL
from pipeline.lake.store import columns_to_table, read_dataset, replace_columns, to_matrix
from pipeline.science.draw import assign_folds
from pipeline.science.measured import Measured
from pipeline.settings.judge import CalibrateSettings
from pipeline.spectra.model.models import Model, load_model
from pipeline.spectra.model.scorer import fit_batches, score_windows
from pipeline.spectra.sampled import get_sampling
from pipeline.spectra.science.anomaly import add_excess
from pipeline.spectra.science.measurements import take_measurements
from pipeline.spectra.science.residuals import Residuals
from pipeline.spectra.science.rivals import find_rivals, move_window, shift_redshift

_BLOCK_ROWS = 256


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
    scores = score_windows(folder, config.score, config.run.seed, numbered).tables[0]
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


def _try_rivals(folder: Path, config: Config, windows: pa.Table) -> tuple[NDArray, NDArray]:
    """Return the rival redshift of the largest p-value and that p-value, NaN without, each (n,)."""
    model = _load(folder)
    basis = model.members[0].network.linear_basis
    best_z, best = np.full((2, windows.num_rows), np.nan)
    rivals = np.concatenate(
        [
            find_rivals(
                fit_residuals(model, config, windows.slice(first, _BLOCK_ROWS)),
                basis,
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
    null = folder / MODEL_NULL
    population = _read_population(null, null.stat().st_mtime_ns, config.calibrate)
    p_values = population.compare(scores).p_value
    order = np.argsort(p_values, kind="stable")
    best[rows[tries[order]]] = p_values[order]
    best_z[rows[tries[order]]] = scores["Z"].to_numpy()[order]
    return best_z, best


@lru_cache(maxsize=1)
def _read_population(null: Path, _written: int, settings: CalibrateSettings) -> Population:
    """Return the reference population, read once and not for every shard; written anew, again."""
    return Population.from_rows(read_dataset(null), WAIST, settings)


@lru_cache(maxsize=2)
def _load(folder: Path) -> Model:
    return load_model(folder)
