"""Who the quasars are: distances as cosmology has them, counts and luminosities as drawn."""

import numpy as np
import pytest
from astropy.cosmology import FlatLambdaCDM
from hypothesis import given
from hypothesis import strategies as st
from mock_scenes import make_scene
from scipy.stats import ks_2samp

from pipeline.spectra.mock.instrument import WAVE
from pipeline.spectra.mock.population import (
    Quasar,
    draw_magnitude,
    draw_quasar,
    draw_redshift,
    luminosity_distance,
    magnitude_to_flux,
)
from pipeline.spectra.mock.scene import band_fluxes

RNG_SEEDS = st.integers(0, 2**32 - 1)


@pytest.mark.parametrize("z", [0.05, 0.5, 1.0, 2.5, 4.6])
def test_distances_are_those_of_the_cosmology(z: float) -> None:
    expected = FlatLambdaCDM(H0=70, Om0=0.3).luminosity_distance(z).to_value("cm")
    assert luminosity_distance(z) == pytest.approx(expected, rel=1e-4)


@given(seed=RNG_SEEDS, low=st.floats(0.05, 4.0), width=st.floats(0.01, 0.6))
def test_redshifts_stay_in_their_range(seed: int, low: float, width: float) -> None:
    rng = np.random.default_rng(seed)
    assert low - 1e-9 <= draw_redshift(rng, low, low + width) <= low + width + 1e-9


def test_a_narrower_draw_is_a_part_of_the_whole_one() -> None:
    """Limits cut a distribution and do not bend it."""
    rng = np.random.default_rng(0)
    z = np.array([draw_redshift(rng) for _ in range(6000)])
    some = [draw_redshift(rng, 1.1, 2.3) for _ in range(3000)]
    assert ks_2samp(z[(z > 1.1) & (z < 2.3)], some).pvalue > 0.001
    magnitudes = np.array([draw_magnitude(rng) for _ in range(6000)])
    assert 17 <= magnitudes.min() < magnitudes.max() <= 23
    some = [draw_magnitude(rng, 21.2) for _ in range(3000)]
    assert max(some) <= 21.2
    assert ks_2samp(magnitudes[magnitudes < 21.2], some).pvalue > 0.001
    # More quasars are fainter up to where the survey ends.
    counts, _ = np.histogram(magnitudes, [17, 18, 19, 20, 21, 22])
    assert (np.diff(counts) > 0).all()


def test_a_magnitude_is_that_of_an_ab_source() -> None:
    """f_ν = 3631 Jy at magnitude 0, per Å at the band's 6420 Å."""
    expected = 3631e-23 * 10 ** (-0.4 * 20.0) * 2.99792458e18 / 6420**2 * 1e17
    assert magnitude_to_flux(20.0) == pytest.approx(expected, rel=2e-3)
    assert magnitude_to_flux(17.5) / magnitude_to_flux(20.0) == pytest.approx(10)


def test_bands_of_a_flat_spectrum_in_frequency_are_equal() -> None:
    """An AB magnitude of 20 is 10 nanomaggies in every band."""
    flat = magnitude_to_flux(20.0) * (6420.0 / WAVE) ** 2
    np.testing.assert_allclose(band_fluxes(flat[None])[0], 10, rtol=0.025)
    two = band_fluxes(np.stack([flat, 3 * flat]))
    np.testing.assert_allclose(two[1], 3 * two[0])


@given(seed=RNG_SEEDS, z=st.floats(0.05, 4.6), r_mag=st.floats(17, 23))
def test_every_property_is_within_its_bounds(seed: int, z: float, r_mag: float) -> None:
    quasar = draw_quasar(np.random.default_rng(seed), z, r_mag)
    assert (quasar.z, quasar.r_mag) == (z, r_mag)
    assert -600 <= quasar.blueshift <= 4500
    assert 10**3.2 <= quasar.fwhm_broad <= 10**4.1
    assert 200 <= quasar.fwhm_narrow <= 1000
    assert 0.45 <= quasar.core_share <= 0.68
    assert 0 <= quasar.balmer_continuum <= 0.45
    assert 0 <= quasar.ebv_smc <= 0.10
    assert 0 <= quasar.host_age <= 1
    assert quasar.host_ratio > 0
    assert quasar.line_scatter.shape == (40,)


def draw(z: float, r_mag: float, seed: int = 3) -> Quasar:
    return draw_quasar(np.random.default_rng(seed), z, r_mag)


@given(seed=RNG_SEEDS, z=st.floats(0.05, 4.6), r_mag=st.floats(17, 23))
def test_luminosity_follows_distance_magnitude_and_slope(seed: int, z: float, r_mag: float) -> None:
    """λ L_λ at rest 3000 Å: what is seen at 6420 Å, along the power law to where that lies."""
    quasar = draw(z, r_mag, seed)
    seen_at = 3000 * (1 + z)
    flux = magnitude_to_flux(r_mag) * 1e-17 * (seen_at / 6420) ** quasar.slope_uv
    expected = np.log10(4 * np.pi * luminosity_distance(z) ** 2 * seen_at * flux)
    assert quasar.log_l3000 == pytest.approx(expected, abs=1e-9)


@given(seed=RNG_SEEDS)
def test_hosts_fade_beside_brighter_quasars(seed: int) -> None:
    """From four fifths of a faint one's light to a floor that all bright ones share."""
    ratios = np.array([draw(0.3, r_mag, seed).host_ratio for r_mag in np.arange(24, 12, -0.25)])
    assert (np.diff(ratios) <= 1e-12).all()
    assert ratios[-1] == ratios[-2] > 0
    assert draw(0.05, 24.0, seed).host_ratio / ratios[-1] == pytest.approx(0.8052 / 0.03)


@pytest.mark.parametrize("r_mag", [18.0, 21.0])
def test_a_scene_has_its_magnitude_and_adds_its_parts(r_mag: float) -> None:
    scene = make_scene(1.7, r_mag)
    flux = scene.flux()
    assert band_fluxes(flux[None])[0, 1] == pytest.approx(10 ** (0.4 * (22.5 - r_mag)), rel=2e-3)
    total = sum(scene.parts.values()) * scene.passed * scene.scale
    np.testing.assert_allclose(flux, total + scene.other, rtol=1e-12)
    np.testing.assert_allclose(scene.flux(2 * scene.scale), 2 * flux)
    bare = scene.changed(broad=np.zeros(WAVE.size))
    assert bare.parts.keys() == scene.parts.keys()
    assert (bare.parts["continuum"] == scene.parts["continuum"]).all()
    # Without its broad lines the rest is brighter: the magnitude stays.
    assert bare.scale > scene.scale
