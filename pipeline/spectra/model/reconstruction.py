"""The model's flux in the observed frame."""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.settings.model import ScoreSettings
from pipeline.spectra.model.models import Model
from pipeline.spectra.model.scorer import fit_batches
from pipeline.spectra.sampled import get_sampling


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
