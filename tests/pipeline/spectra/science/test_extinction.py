"""Galactic extinction against published coefficients."""

import numpy as np
import pytest

from pipeline.spectra.science.extinction import deredden, transmission

WAVE = np.array([3600.0, 4800.0, 5500.0, 6400.0, 9800.0])


def test_v_band_is_that_of_schlafly_and_finkbeiner() -> None:
    """Their table 6 for R_V = 3.1: A / E(B-V) of SFD in g, r, i, z of DES and Landolt's V."""
    published = {4810: 3.237, 5517: 2.742, 6420: 2.176, 7810: 1.595, 9170: 1.217}
    passed = transmission(np.array([*published], float), np.array([0.1]), 3.1)[0]
    expected = 10 ** (-0.04 * np.array([*published.values()]))
    # Their coefficients are averages over the band's photons.
    np.testing.assert_allclose(passed, expected, rtol=0.012)


def test_one_micron_is_the_anchor() -> None:
    for r_v in (2.5, 3.1, 5.0):
        passed = transmission(np.array([10_000.0]), np.array([0.3]), r_v)
        assert -2.5 * np.log10(passed[0, 0]) == pytest.approx(0.3 * 1.029, rel=1e-5)


def test_dust_reddens_and_adds_up() -> None:
    one, two, none = transmission(WAVE, np.array([0.2, 0.4, 0.0]), 3.1)
    assert (np.diff(one) > 0).all()
    np.testing.assert_allclose(two, one**2, rtol=1e-5)
    np.testing.assert_array_equal(none, 1)


@pytest.mark.parametrize("wave", [1100.0, 33000.0])
def test_stated_range_is_accepted(wave: float) -> None:
    assert 0 < transmission(np.array([wave]), np.array([0.1]), 3.1)[0, 0] < 1


@pytest.mark.parametrize("wave", [1000.0, 33_000.0])
def test_ends_of_the_documented_range(wave: float) -> None:
    assert 0 < transmission(np.array([wave]), np.array([0.1]), 3.1)[0, 0] < 1


def test_dereddening_undoes_the_dust_and_keeps_the_snr() -> None:
    passed = transmission(WAVE, np.array([0.3]), 3.1)
    true = np.full((1, len(WAVE)), 5, np.float32)
    flux, ivar = deredden(true * passed, np.full_like(true, 4), passed)
    np.testing.assert_allclose(flux, true, rtol=1e-6)
    np.testing.assert_allclose(flux * np.sqrt(ivar), true * passed * 2, rtol=1e-6)


@pytest.mark.parametrize("ebv", [1e-3, 0.1, 1.0, 20.0, 100.0, 1e4])
def test_exponential_is_exact_to_float32(ebv: float) -> None:
    """The optical depth is proportional to E(B-V)."""
    depth = -np.log(np.float64(transmission(WAVE, np.array([1.0]), 3.1)[0]))
    expected = np.exp(-depth * ebv)
    found = transmission(WAVE, np.array([ebv]), 3.1)[0]
    visible = expected > 1e-37
    # The reference depth itself is known to float32.
    tolerance = 1e-6 * (1 + (depth * ebv)[visible].max(initial=0))
    np.testing.assert_allclose(found[visible], expected[visible], rtol=tolerance)
    assert (found[~visible] < 1e-36).all()
