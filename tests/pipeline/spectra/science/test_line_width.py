"""Width of a narrow excess: that of a line, less than the instrument's where a pixel was hit."""

from dataclasses import replace

import numpy as np
import pytest

from catalog_schema.desi import ARM_FWHM, SAMPLING
from catalog_schema.grids import Arm, Sampling
from pipeline.science.measured import Measured
from pipeline.spectra.science.emission import measure_narrow_lines
from pipeline.spectra.science.residuals import Residuals
from pipeline.spectra.science.restframe import find_window_starts, make_grid, resample

GRID = make_grid(SAMPLING.grid, 0.8, 1.2, 1e-4, 16)
WAVE = SAMPLING.grid.wave
N = 200


def observe(wave: float, fwhm: float, snr: float, seed: int = 0) -> Residuals:
    """Return resampled noise with a Gaussian line about an observed wavelength; 0: one pixel."""
    rng = np.random.default_rng(seed)
    if fwhm:
        centre = wave + rng.uniform(-0.8, 0.8, (N, 1))
        line = np.exp(-0.5 * ((WAVE - centre) / (fwhm / 2.3548)) ** 2)
    else:
        line = np.zeros((N, len(WAVE)))
        line[np.arange(N), np.argmin(np.abs(WAVE - wave)) + rng.integers(-3, 4, N)] = 1
    line *= snr / np.sqrt((line**2).sum(1, keepdims=True))
    flux = (line + rng.normal(size=line.shape)).astype(np.float32)
    z = rng.uniform(0.99, 1.01, N)
    start, _ = find_window_starts(GRID, SAMPLING.grid, z)
    flux, weight = resample(flux, np.ones_like(flux), z, start, SAMPLING.grid, GRID)
    flux, weight = flux.astype(float), weight.astype(float)
    return Residuals(flux, 0 * flux, weight, weight, start.astype(int), z, GRID, SAMPLING)


def measure(spectra: Residuals, wave: float) -> Measured:
    """Return the widths of the spectra of which the line is the strongest excess."""
    found = measure_narrow_lines(spectra)["width_beyond_resolution"]
    is_line = np.abs(found.wave * (1 + spectra.z) - wave) < 10
    assert is_line.mean() > 0.9
    return Measured(*(each[is_line] for each in found))


@pytest.mark.parametrize(("wave", "arm"), [(4300.0, "b"), (6500.0, "r"), (9000.0, "z")])
@pytest.mark.parametrize("times", [1.0, 2.0, 4.0])
@pytest.mark.parametrize("snr", [12.0, 30.0])
def test_a_line_s_width_is_recovered_within_its_error(
    wave: float, arm: str, times: float, snr: float
) -> None:
    found = measure(observe(wave, times * ARM_FWHM[arm], snr), wave)
    assert np.isfinite(found.value).mean() > 0.97
    off = np.abs(found.value - (times - 1)) / found.error
    assert np.mean(off < 1) > 0.5
    assert np.mean(off < 2) > 0.88


@pytest.mark.parametrize(("wave", "n_sigma"), [(4300.0, 5), (6500.0, 2), (9000.0, 1)])
def test_a_hit_pixel_is_narrower_than_the_instrument_allows(wave: float, n_sigma: float) -> None:
    """The window's pixels are as wide as the resolution at 6500 Å, wider at 9000 Å."""
    hit = measure(observe(wave, 0.0, 40.0), wave)
    assert np.median(hit.value) < -0.5
    assert np.median(hit.value / hit.error) < -n_sigma
    line = measure(observe(wave, SAMPLING.arms[0].fwhm or 0.0, 40.0), wave)
    assert np.mean(line.value / line.error < -3) < 0.01


def test_without_a_resolution_or_a_pixel_there_is_no_width() -> None:
    spectra = observe(6500.0, 3.0, 20.0)
    arms = tuple(Arm(arm.name, arm.first, arm.last) for arm in SAMPLING.arms)
    unknown = replace(spectra, sampling=Sampling(SAMPLING.grid, arms))
    dark = replace(spectra, weight=0 * spectra.weight, noise_weight=0 * spectra.weight)
    for each in (unknown, dark):
        found = measure_narrow_lines(each)["width_beyond_resolution"]
        assert np.isnan(found.value).all()


def test_the_unit_of_the_flux_does_not_matter() -> None:
    spectra = observe(6500.0, 3.0, 20.0)
    scaled = replace(
        spectra,
        flux=7 * spectra.flux,
        weight=spectra.weight / 49,
        noise_weight=spectra.noise_weight / 49,
    )
    one, other = (measure(each, 6500.0) for each in (spectra, scaled))
    np.testing.assert_allclose(one.value, other.value, rtol=1e-6)
