"""Rebinning: what was there is there again, no more and no less, on whatever grid."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog_schema.grids import Grid
from pipeline.spectra.science.rebin import find_edges, lay_out, rebin

GRIDS = [Grid(4000.0, 0.8, 1000), Grid(3.6, 1e-4, 800, is_log=True)]


def make_wave(seed: int, n: int = 400) -> np.ndarray:
    """Return rising wavelengths inside both grids, no two pixels twice as far apart as others."""
    steps = np.random.default_rng(seed).uniform(0.7, 1.3, n)
    return 4050 + np.cumsum(steps)


@pytest.mark.parametrize("grid", GRIDS)
@given(seed=st.integers(0, 1000))
def test_weight_and_weighted_flux_are_kept(grid: Grid, seed: int) -> None:
    wave, rng = make_wave(seed), np.random.default_rng(seed)
    flux, ivar = rng.normal(0, 5, len(wave)), rng.uniform(0, 3, len(wave))
    ivar[rng.random(len(wave)) < 0.1] = 0
    laid = lay_out(wave, flux, ivar, grid)
    assert laid.ivar.sum() == pytest.approx(ivar.sum())
    assert (laid.ivar * laid.flux).sum() == pytest.approx((ivar * flux).sum())
    assert (laid.flux[laid.ivar == 0] == 0).all()
    assert laid.n_beyond == 0


@pytest.mark.parametrize("grid", GRIDS)
@given(level=st.floats(-1e3, 1e3))
def test_a_flat_spectrum_stays_flat(grid: Grid, level: float) -> None:
    wave = make_wave(1)
    laid = lay_out(wave, np.full(len(wave), level), np.ones(len(wave)), grid)
    assert laid.is_resampled
    np.testing.assert_allclose(laid.flux[laid.ivar > 0], level, rtol=1e-9)


@pytest.mark.parametrize("grid", GRIDS)
def test_the_grid_s_own_pixels_stay_as_they_are(grid: Grid) -> None:
    kept = np.r_[10:300, 420:700]
    flux = np.random.default_rng(1).normal(size=len(kept))
    laid = lay_out(grid.wave[kept], flux, np.full(len(kept), 2.0), grid)
    assert not laid.is_resampled
    np.testing.assert_array_equal(laid.flux[kept], flux)
    assert np.count_nonzero(laid.ivar) == len(kept)


@pytest.mark.parametrize("grid", GRIDS)
def test_what_lies_beyond_is_counted(grid: Grid) -> None:
    wave = np.r_[grid.wave[0] - np.array([30.3, 20.3, 10.3]), grid.wave[:50] + 0.1]
    ivar = np.ones(len(wave))
    ivar[0] = 0
    laid = lay_out(wave, ivar, ivar, grid)
    assert laid.n_beyond == 2
    assert laid.ivar.sum() == pytest.approx(50, abs=1.5)


def test_neighbours_share_what_an_edge_cuts() -> None:
    flux, weight = rebin(np.array([1.0, 3.0]), np.array([1.0, 2.0]), np.array([0, 1.5, 2.0]))
    np.testing.assert_allclose(weight, [2, 1])
    np.testing.assert_allclose(flux, [2, 3])


def test_edges_lie_amid_the_centres() -> None:
    np.testing.assert_allclose(find_edges(np.array([1.0, 2, 4])), [0.5, 1.5, 3, 5])
