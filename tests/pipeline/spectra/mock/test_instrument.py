"""The spectrograph: its noise is that of counted photons, its blur keeps the light."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog_schema.desi import ARM_PIXELS, SAMPLING
from pipeline.spectra.mock import instrument
from pipeline.spectra.mock.identity import draw_identity
from pipeline.spectra.mock.instrument import ARM_SLICES, ARM_WAVE, ARMS, WAVE, Conditions

QUIET = Conditions(1000.0, 1, 1.0, 1.0)
NAMES = list(ARMS)


def test_arms_are_those_of_the_survey() -> None:
    np.testing.assert_allclose(WAVE, SAMPLING.grid.wave)
    for name, pixels in ARMS.items():
        assert (pixels.start, pixels.stop) == ARM_PIXELS[name.lower()]
        np.testing.assert_array_equal(ARM_WAVE[ARM_SLICES[name]], WAVE[pixels])


def test_the_variance_is_of_photons_and_of_reading() -> None:
    """σ² = (S t (q f + s) + n R²) / (q S t)²: straight in the light, over the time."""
    sigma = [instrument.noise_sigma(np.full(ARM_WAVE.size, f), QUIET) for f in (0.0, 10.0, 20.0)]
    variance = np.square(sigma)
    np.testing.assert_allclose(variance[2] - variance[1], variance[1] - variance[0], rtol=1e-6)
    electrons = instrument.sensitivity() * 1000.0
    slope = (variance[1] - variance[0]) / 10
    np.testing.assert_allclose(slope, 1 / (electrons * instrument.FIBRE_SHARE), rtol=1e-6)
    # Where no sky and no light are, the reading remains: n electrons² of 40 each.
    night = np.square(
        instrument.noise_sigma(np.zeros(ARM_WAVE.size), Conditions(1000.0, 3, 0.0, 1.0))
    )
    np.testing.assert_allclose(night, 120 / (electrons * instrument.FIBRE_SHARE) ** 2, rtol=1e-9)


@given(share=st.floats(0.3, 1.0), sky=st.floats(1, 5), exposures=st.integers(1, 4))
def test_worse_conditions_are_noisier(share: float, sky: float, exposures: int) -> None:
    light = np.full(ARM_WAVE.size, 1.0)
    best = instrument.noise_sigma(light, QUIET)
    worse = instrument.noise_sigma(light, Conditions(1000.0, exposures, sky, share))
    assert (worse >= best * (1 - 1e-12)).all()
    # Light below zero adds no noise of its own.
    np.testing.assert_array_equal(
        instrument.noise_sigma(-light, QUIET), instrument.noise_sigma(0 * light, QUIET)
    )


@given(level=st.floats(-5, 5))
def test_a_flat_spectrum_stays_flat_in_every_arm(level: float) -> None:
    np.testing.assert_allclose(instrument.split_arms(np.full(WAVE.size, level)), level, atol=1e-12)


@pytest.mark.parametrize("pixel", [1000, 2725, 4000, 4960, 7000])
def test_blur_keeps_the_light_of_a_line_in_every_arm_that_sees_it(pixel: int) -> None:
    line = np.zeros(WAVE.size)
    line[pixel] = 3.0
    found = instrument.split_arms(np.stack([line, 2 * line]))
    np.testing.assert_allclose(found[1], 2 * found[0])
    seen = 0
    for name, pixels in ARMS.items():
        if pixels.start + 10 < pixel < pixels.stop - 10:
            arm = found[0, ARM_SLICES[name]]
            assert arm.sum() == pytest.approx(3.0)
            assert np.argmax(arm) == pixel - pixels.start
            seen += 1
    assert seen == 1 + (pixel in (2725, 4960))


@pytest.mark.parametrize("arm", NAMES)
def test_the_resolution_is_the_blur_that_was_done(arm: str) -> None:
    """A line multiplied by the matrix of a spectrograph is nearly what the arm has of it."""
    matrices = instrument.resolution(arm)
    n_pixels = ARMS[arm].stop - ARMS[arm].start
    assert matrices.shape == (10, 11, n_pixels)
    np.testing.assert_allclose(matrices, matrices[:, ::-1], rtol=1e-5)
    middle = n_pixels // 2
    line = np.zeros(WAVE.size)
    line[ARMS[arm].start + middle] = 1.0
    done = instrument.split_arms(line)[ARM_SLICES[arm]][middle - 5 : middle + 6]
    np.testing.assert_allclose(matrices.mean(axis=0)[:, middle], done, atol=0.02)


@pytest.mark.parametrize("arm", NAMES)
def test_the_resolution_is_a_twentieth_worse_at_the_ends_of_an_arm(arm: str) -> None:
    matrices = instrument.resolution(arm)
    offsets = np.arange(-5, 6)[:, None]
    width = np.sqrt((matrices * offsets**2).sum(axis=1))
    middle = width.shape[1] // 2
    np.testing.assert_allclose(width[:, [0, -1]] / width[:, [middle]], 1.05, rtol=2e-3)
    assert np.ptp(width[:, middle]) / width[:, middle].mean() < 0.061


@given(seed=st.integers(0, 999), exposures=st.integers(1, 4))
def test_lost_pixels_are_short_runs_and_fewer_with_more_exposures(
    seed: int, exposures: int
) -> None:
    mask = instrument.cosmic_mask(np.random.default_rng(seed), exposures)
    assert (mask.shape, mask.dtype) == (ARM_WAVE.shape, np.uint32)
    assert set(np.unique(mask)) <= {0, 1, 4, 5}
    assert np.count_nonzero(mask) < 40 * 4 / exposures**2 + 60


def test_telluric_residuals_stay_in_the_bands() -> None:
    factors = [instrument.telluric_residual(np.random.default_rng(k)) for k in range(200)]
    clear = instrument.atmosphere() > 1 - 1e-9
    assert clear.mean() > 0.5
    assert np.ptp([factor[clear] for factor in factors]) < 1e-9
    band = np.argmin(instrument.atmosphere())
    scatter = np.std([factor[band] for factor in factors])
    assert scatter == pytest.approx(0.06 * (1 - instrument.atmosphere()[band]), rel=0.15)


@given(seed=st.integers(0, 999), healpix=st.integers(0, 49151))
def test_identities_pack_their_parts_and_lie_in_their_pixel(seed: int, healpix: int) -> None:
    classes = ["quasar", "sky", "stuck", "galaxy"] * 5
    rng = np.random.default_rng(seed)
    found = draw_identity(rng, healpix, classes, first_object=8000, tile=1234)
    assert len(set(found.targetid.tolist())) == len(classes)
    for targetid, kind in zip(found.targetid.tolist(), classes, strict=True):
        if kind == "stuck":
            assert 12_340_000 <= -targetid < 12_350_000
            continue
        assert bool(targetid >> 59 & 1) == (kind == "sky")
        assert targetid >> 42 & 0xFFFF == 9010
        assert 0 <= (targetid >> 22 & 0xFFFFF) - 100_000 - 10 * healpix < 10
        assert 8000 <= targetid & 0x3FFFFF < 12_000
    both = found.joined(found)
    np.testing.assert_array_equal(both.ra, np.tile(found.ra, 2))
    np.testing.assert_array_equal(both.targetid, np.tile(found.targetid, 2))
