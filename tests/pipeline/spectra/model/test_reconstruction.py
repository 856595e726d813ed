"""The model in the observed frame: at the pixel's place, in the spectrum's own units."""

import numpy as np
import pyarrow as pa
import pytest
import torch
from toy_model import GRID, WINDOW, make_model, make_windows

from catalog_schema.desi import SAMPLING
from pipeline.lake.store import replace_columns, to_matrix
from pipeline.settings.model import ScoreSettings
from pipeline.spectra.model.models import Model
from pipeline.spectra.model.reconstruction import to_observed_frame
from pipeline.spectra.science.anomaly import fit_windows

N = 5
FOLDS = np.array([0, 1, 1, 0, 1])
WAVE = SAMPLING.grid.wave


@pytest.fixture(scope="module")
def model() -> Model:
    return make_model(n_seeds=1)


def reconstruct(model: Model, windows: pa.Table, folds=FOLDS, batch_size: int = 2) -> np.ndarray:
    return to_observed_frame(model, ScoreSettings(batch_size=batch_size), windows, folds)


def test_each_row_is_what_its_member_says_at_every_pixel(model: Model) -> None:
    windows = make_windows(N)
    found = reconstruct(model, windows)
    assert (found.shape, found.dtype) == ((N, SAMPLING.grid.size), np.float32)
    for row in range(N):
        member = model.members[FOLDS[row]]
        flux, weight = (
            torch.from_numpy(to_matrix(windows[n])[[row]]) for n in ("rest_flux", "rest_weight")
        )
        start, z, norm = (windows[n][row].as_py() for n in ("window_start", "Z", "norm"))
        fit = fit_windows(member.network, member.is_learnt, flux, weight, torch.tensor([start]))
        # Between the centres of two pixels the model runs straight.
        place = (np.log10(WAVE / (1 + z)) - GRID.log10_start) / GRID.log10_step - 0.5 - start
        inside = (place > 0) & (place < WINDOW - 1)
        left = np.floor(place[inside]).astype(int)
        edges = GRID.wave[start + left] * (1 + z), GRID.wave[start + left + 1] * (1 + z)
        part = (WAVE[inside] - edges[0]) / (edges[1] - edges[0])
        expected = norm * (fit.model[0, left] * (1 - part) + fit.model[0, left + 1] * part)
        is_known = (
            member.is_learnt.numpy()[start + left] & member.is_learnt.numpy()[start + left + 1]
        )
        np.testing.assert_array_equal(np.isfinite(found[row, inside]), is_known)
        np.testing.assert_allclose(found[row, inside][is_known], expected[is_known], rtol=1e-3)


def test_flux_goes_with_the_norm_and_with_nothing_else(model: Model) -> None:
    windows = make_windows(N)
    norm = windows["norm"].to_numpy()
    scaled = replace_columns(windows, {"norm": norm * np.array([1, 2, 4, 0.5, 10])})
    ratio = reconstruct(model, scaled) / reconstruct(model, windows)
    for row, factor in enumerate([1, 2, 4, 0.5, 10]):
        known = np.isfinite(ratio[row])
        np.testing.assert_allclose(ratio[row][known], factor, rtol=1e-5)


@pytest.mark.parametrize("batch_size", [1, 3, 100])
def test_order_and_batches_do_not_matter(model: Model, batch_size: int) -> None:
    windows, order = make_windows(N), np.array([3, 0, 4, 2, 1])
    found = reconstruct(model, windows)
    moved = reconstruct(model, windows.take(pa.array(order)), FOLDS[order], batch_size)
    np.testing.assert_allclose(moved, found[order], rtol=1e-3)


def test_what_no_member_has_learnt_is_unknown(model: Model) -> None:
    """A run of pixels that only one member lacks is missing in the rows of that member alone."""
    found = reconstruct(model, make_windows(N))
    z = make_windows(N)["Z"].to_numpy()
    for row, fold in enumerate(FOLDS):
        gap = GRID.wave[[300 + 20 * fold, 309 + 20 * fold]] * (1 + z[row])
        is_gap = (gap[0] <= WAVE) & (gap[1] >= WAVE)
        assert is_gap.any()
        assert np.isnan(found[row, is_gap]).all()
        other = GRID.wave[[302 + 20 * (1 - fold), 307 + 20 * (1 - fold)]] * (1 + z[row])
        assert np.isfinite(found[row, (other[0] <= WAVE) & (other[1] >= WAVE)]).all()


def test_no_row_has_no_flux(model: Model) -> None:
    found = reconstruct(model, make_windows(0), np.zeros(0, np.intp))
    assert found.shape == (0, SAMPLING.grid.size)
