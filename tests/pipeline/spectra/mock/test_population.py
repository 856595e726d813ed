"""Who the quasars are: distances as cosmology has them, counts and luminosities as drawn."""

import numpy as np
import pytest
from astropy.cosmology import FlatLambdaCDM
from hypothesis import given
from hypothesis import strategies as st
from mock_scenes import make_scene

from pipeline.spectra.mock import population
from pipeline.spectra.mock.instrument import WAVE
from pipeline.spectra.mock.population import (
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


def test_redshifts_and_magnitudes_follow_their_counts() -> None:
    rng = np.random.default_rng(0)
    z = np.array([draw_redshift(rng) for _ in range(20_000)])
    found, _ = np.histogram(z, population._REDSHIFT_EDGES)
    expected = population._REDSHIFT_COUNTS / population._REDSHIFT_COUNTS.sum() * 20_000
    assert (np.abs(found - expected) < 5 * np.sqrt(expected)).all()
    magnitudes = np.array([draw_magnitude(rng, 22.0) for _ in range(20_000)])
    assert 17 <= magnitudes.min() < magnitudes.max() <= 22
    found, _ = np.histogram(magnitudes, population._MAGNITUDE_EDGES[:9])
    counts = population._MAGNITUDE_COUNTS[:8]
    expected = counts / counts.sum() * 20_000
    assert (np.abs(found - expected) < 5 * np.sqrt(expected)).all()


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


def test_luminosity_follows_distance_magnitude_and_slope() -> None:
    one, brighter = (population._log_luminosity(1.14, mag, -1.5) for mag in (20.0, 17.5))
    assert brighter - one == pytest.approx(1)
    # At this redshift 3000 Å is seen at 6420 Å: the slope does not matter.
    assert population._log_luminosity(1.14, 20.0, -2.0) == pytest.approx(one, abs=1e-9)
    flux = magnitude_to_flux(20.0) * 1e-17 * 6420
    expected = np.log10(4 * np.pi * luminosity_distance(1.14) ** 2 * flux)
    assert one == pytest.approx(expected, abs=1e-6)
    redder = population._log_luminosity(3.0, 20.0, -1.0)
    bluer = population._log_luminosity(3.0, 20.0, -2.0)
    assert redder - bluer == pytest.approx(np.log10(12_000 / 6420), abs=1e-6)


def test_hosts_fade_beside_brighter_quasars() -> None:
    ratios = [population._host_ratio(level) for level in np.arange(43.0, 47.0, 0.1)]
    assert (np.diff(ratios) <= 1e-12).all()
    assert ratios[0] == pytest.approx(0.8052)
    assert ratios[-1] == 0.03
    # It has no step where the fit ends.
    assert population._host_ratio(44.15 + 1.053 - 1e-6) == pytest.approx(0.03, abs=1e-3)


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
