"""Arrays of one spectrum: smoothing, bad pixels, lines; and the map projection."""

import numpy as np
import pytest

from catalog_schema.desi import WAVE_SIZE, WAVE_START, WAVE_STEP
from portal.data.lines import place_lines
from portal.data.spectrum import UNMASKED, Spectrum, list_masked, make_curves, robust_range
from portal.drawing.projection import CENTRE, make_graticule, project

WAVE = WAVE_START + WAVE_STEP * np.arange(WAVE_SIZE)


def make_spectrum(flux: np.ndarray, ivar: np.ndarray) -> Spectrum:
    zeros = np.zeros(WAVE_SIZE)
    return Spectrum(
        WAVE, flux.astype("f4"), ivar.astype("f4"), zeros.astype("i4"), zeros.astype("f4")
    )


def test_unsmoothed_curves_are_the_spectrum() -> None:
    flux, ivar = np.arange(WAVE_SIZE) % 7.0, np.full(WAVE_SIZE, 4.0)
    ivar[10] = 0
    curves = make_curves(make_spectrum(flux, ivar), 1)
    assert np.isnan(curves.flux[10])
    assert np.allclose(np.delete(curves.flux, 10), np.delete(flux, 10))
    assert np.allclose(np.delete(curves.sigma, 10), 0.5)
    assert np.allclose(np.delete(curves.residual, 10), 2 * np.delete(flux, 10))


def test_smoothing_ignores_bad_pixels_and_keeps_noise_honest() -> None:
    rng = np.random.default_rng(4)
    ivar = rng.uniform(1, 9, WAVE_SIZE)
    flux = rng.normal(size=WAVE_SIZE) / np.sqrt(ivar)
    ivar[::50] = 0
    flux[::50] = 1e6
    curves = make_curves(make_spectrum(flux, ivar), 9)
    assert np.nanmax(np.abs(curves.flux)) < 5
    assert np.nanstd(curves.residual) == pytest.approx(1, abs=0.05)


def test_undefined_model_leaves_a_gap_in_the_residual_only() -> None:
    spectrum = make_spectrum(np.ones(WAVE_SIZE), np.ones(WAVE_SIZE))
    spectrum.model[:100] = np.nan
    for width in (1, 5):
        curves = make_curves(spectrum, width)
        assert np.isfinite(curves.flux).all()
        assert np.isnan(curves.residual[: 100 - width]).all()
        assert np.isfinite(curves.residual[100:]).all()


def test_axis_follows_a_spike_but_not_a_monster() -> None:
    values = np.tile([0.0, 1.0], 4000)
    values[7] = 2.0
    assert robust_range(values) == pytest.approx((-0.05, 2.05))
    values[7] = 1e9
    assert robust_range(values)[1] < 3
    assert robust_range(np.full(3, np.nan)) == (0.0, 1.0)


def test_masked_runs_are_named() -> None:
    spectrum = make_spectrum(np.ones(WAVE_SIZE), np.ones(WAVE_SIZE))
    spectrum.mask[100:110] = (1 << 2) | (1 << 9)
    spectrum.ivar[100:112] = 0
    runs = {name: (low, high, n) for name, low, high, n in list_masked(spectrum)}
    assert set(runs) == {"COSMIC", "BADFIBER", UNMASKED}
    assert runs["COSMIC"][2] == 10
    assert runs["COSMIC"][:2] == pytest.approx((3679.6, 3687.6))
    assert runs[UNMASKED][2] == 2


def test_lines_move_with_redshift() -> None:
    names = [line.name for line in place_lines(2.0, 3600, 9824, ("emission",))]
    assert "Lyα" in names
    assert "Hα" not in names
    assert place_lines(0.0, 3600, 9824, ()) == []


def test_projection_keeps_area_and_poles() -> None:
    x, y = project([CENTRE, CENTRE, CENTRE - 90, CENTRE + 180.0], [90.0, -90.0, 0.0, 0.0])
    assert np.allclose(y, [np.sqrt(2), -np.sqrt(2), 0, 0], atol=1e-6)
    assert np.allclose(np.abs(x), [0, 0, np.sqrt(2), 2 * np.sqrt(2)], atol=1e-4)
    assert x[2] > 0
    _, at_30 = project([CENTRE], [30.0])
    theta = np.arcsin(at_30[0] / np.sqrt(2))
    assert (2 * theta + np.sin(2 * theta)) / np.pi == pytest.approx(0.5)
    assert np.isfinite(make_graticule()[["x", "y"]].to_numpy()).all()
