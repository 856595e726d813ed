"""Noise against inverse variance: what is misread is named, what is real is left alone."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog_schema.desi import ARM_PIXELS, WAVE_SIZE
from pipeline.settings.transport import AcquireSettings
from pipeline.spectra.desi.coadd_file import open_coadd, read_arms, read_targetids
from pipeline.spectra.loose.spectrum_table import read_spectrum
from pipeline.spectra.science.coadd import join_arms
from pipeline.spectra.science.noise import Doubt, compare_readings, find_doubts, measure_levels
from pipeline.transport.sources import local_file

ARMS = list(ARM_PIXELS.values())
doubt_of = partial(find_doubts, arms=ARMS)
levels_of = partial(measure_levels, arms=ARMS)


def observe(
    seed: int, n: int = 4, noise: float = 0.3, size: int = WAVE_SIZE
) -> tuple[np.ndarray, np.ndarray]:
    """Draw spectra with a line, noise that rises to the blue, and sky lines."""
    rng, pixel = np.random.default_rng(seed), np.arange(size)
    sigma = noise * (1 + 3 * np.exp(-pixel / 1500)) * rng.lognormal(0, 0.1, (n, 1))
    sigma = sigma * np.where(pixel % 97 < 9, 3, 1)
    flux = 2 + 5 * np.exp(-0.5 * ((pixel - 3000) / 40) ** 2) + sigma * rng.normal(size=(n, size))
    return flux.astype(np.float32), (1 / sigma**2).astype(np.float32)


def read_as(ivar: np.ndarray, power: float, pixels: slice = slice(None)) -> np.ndarray:
    """Write standard deviations (-1/2) or variances (-1) in the place of inverse variances."""
    written = ivar.copy()
    good = ivar[:, pixels] > 0
    written[:, pixels] = np.where(good, np.where(good, ivar[:, pixels], 1) ** power, 0)
    return written


def test_level_is_the_scatter_in_units_of_the_error() -> None:
    flux, ivar = observe(0, noise=0.3)
    for factor in (0.5, 1.0, 3.0):
        _, level = compare_readings(levels_of(flux, ivar * factor**2))
        np.testing.assert_allclose(level, factor, rtol=0.1)


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 2**32 - 1), power=st.floats(-1.3, 1.5))
def test_other_depths_and_other_units_of_both_pass(seed: int, power: float) -> None:
    flux, ivar = observe(seed, n=2)
    scale = np.float32(10**power)
    assert not doubt_of(flux * scale, ivar / scale**2).astype(bool).any()


@pytest.mark.parametrize("arm", [None, *ARM_PIXELS])
@pytest.mark.parametrize(("power", "doubt"), [(-0.5, Doubt.SIGMA), (-1.0, Doubt.VARIANCE)])
@pytest.mark.parametrize("noise", [0.05, 0.3, 4.0])
def test_sigma_and_variance_are_told_from_ivar(
    arm: str | None, power: float, doubt: Doubt, noise: float
) -> None:
    flux, ivar = observe(1, noise=noise)
    pixels = slice(*ARM_PIXELS[arm]) if arm else slice(None)
    assert doubt_of(flux, read_as(ivar, power, pixels)).tolist() == [doubt] * 4


@pytest.mark.parametrize(
    ("flux_factor", "ivar_factor", "doubt"),
    [
        (1e20, 1.0, Doubt.FLUX),
        (1e20, 1e-40, Doubt.FLUX),
        (1e-17, 1.0, Doubt.FLUX),
        (1e-17, 1e34, Doubt.IVAR),
        (1.0, 1e3, Doubt.SCATTER),
        (1.0, 1e-3, Doubt.SMOOTH),
    ],
)
def test_wrong_factor(flux_factor: float, ivar_factor: float, doubt: Doubt) -> None:
    flux, ivar = observe(2)
    scaled = flux * np.float32(flux_factor), (ivar * ivar_factor).astype(np.float32)
    assert doubt_of(*scaled).tolist() == [doubt] * 4


def test_smoothed_spectra_are_not_taken_for_misread_ones() -> None:
    flux, ivar = observe(3)
    smooth = (flux[:, :-4] + flux[:, 1:-3] + flux[:, 2:-2] + flux[:, 3:-1] + flux[:, 4:]) / 5
    assert doubt_of(smooth, ivar[:, 2:-2]).tolist() == [Doubt.SMOOTH] * 4


def test_what_has_too_few_pixels_is_in_no_doubt() -> None:
    flux, ivar = observe(4)
    ivar[0] = 0
    ivar[1, 90:] = 0
    assert doubt_of(flux, ivar).tolist() == [Doubt.NONE] * 4
    assert doubt_of(flux[:0], ivar[:0]).tolist() == []


def test_strong_lines_and_spikes_are_no_noise() -> None:
    flux, ivar = observe(5)
    flux[:, ::50] += 30
    flux[:, 2000:2100] *= 0.05
    assert doubt_of(flux, ivar).tolist() == [Doubt.NONE] * 4


def read_real(data: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read every DESI spectrum of the test data."""
    flux, ivar = [], []
    for path in [*data.glob("desi/coadd-*.fits"), *data.glob("survey/**/coadd-*.fits")]:
        coadd = open_coadd(local_file(path))
        arms = read_arms(coadd, np.arange(coadd.n_rows), AcquireSettings())
        spectra, _, n_filled = join_arms(read_targetids(coadd), arms, WAVE_SIZE, 1e-6)
        assert not n_filled.any()
        flux.append(spectra.flux)
        ivar.append(spectra.ivar)
    for path in data.glob("desi_clagn/spectrum*.csv"):
        one = read_spectrum(path)
        flux.append(one.flux[None])
        ivar.append(one.ivar[None])
    return np.concatenate(flux), np.concatenate(ivar)


def test_real_spectra(real_data: Path) -> None:
    flux, ivar = read_real(real_data)
    assert not doubt_of(flux, ivar).astype(bool).any()
    _, level = compare_readings(levels_of(flux, ivar))
    assert np.nanmin(level) > 0.9
    assert np.nanmax(level) < 1.6
    has_data = ivar.any(axis=1)
    for power, doubt in ((-0.5, Doubt.SIGMA), (-1.0, Doubt.VARIANCE)):
        assert (doubt_of(flux, read_as(ivar, power))[has_data] == doubt).all()
