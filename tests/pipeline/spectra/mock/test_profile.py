"""Lines of the mock: their integral, place and width are those asked for."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog_schema.constants import LIGHT_SPEED
from pipeline.spectra.mock.iron import IRON_GRID, iron_templates
from pipeline.spectra.mock.profile import add_gaussian

WAVE = np.arange(1000.0, 9000.0, 0.25)


def draw(centre: float, fwhm: float, strength: float, wave: np.ndarray = WAVE) -> np.ndarray:
    flux = np.zeros_like(wave)
    add_gaussian(flux, wave, centre, fwhm, strength)
    return flux


@given(centre=st.floats(2000, 7000), fwhm=st.floats(300, 8000), strength=st.floats(-50, 50))
def test_a_line_has_its_integral_its_centre_and_its_width(
    centre: float, fwhm: float, strength: float
) -> None:
    flux = draw(centre, fwhm, strength)
    assert np.trapezoid(flux, WAVE) == pytest.approx(strength, rel=1e-3, abs=1e-6)
    if abs(strength) < 1e-3:
        return
    assert np.average(WAVE, weights=flux) == pytest.approx(centre, abs=0.05)
    is_high = np.abs(flux) > 0.5 * np.abs(flux).max()
    width = np.ptp(WAVE[is_high]) / centre * LIGHT_SPEED
    assert width == pytest.approx(fwhm, abs=0.6 / centre * LIGHT_SPEED + 1e-3 * fwhm)


def test_a_line_is_added_to_what_is_there() -> None:
    flux = np.full(WAVE.size, 3.0)
    add_gaussian(flux, WAVE, 5000.0, 1000.0, 10.0)
    np.testing.assert_allclose(flux, 3 + draw(5000.0, 1000.0, 10.0))


def test_a_line_outside_or_between_two_pixels_is_nothing_and_no_fault() -> None:
    assert not draw(500.0, 1000.0, 5.0).any()
    assert not draw(20_000.0, 1000.0, 5.0).any()
    assert not draw(5000.5, 0.01, 5.0, np.array([5000.0, 5001.0])).any()


def test_a_line_at_the_edge_is_cut_there() -> None:
    whole, cut = draw(5000.0, 2000.0, 4.0), draw(5000.0, 2000.0, 4.0, WAVE[WAVE >= 5000])
    np.testing.assert_allclose(cut, whole[WAVE >= 5000])
    assert np.trapezoid(cut, WAVE[WAVE >= 5000]) == pytest.approx(2.0, rel=1e-3)


@pytest.mark.parametrize("fwhm", [300.0, 2000.0, 2500.0, 5000.0, 30_000.0])
def test_iron_has_unit_flux_in_its_own_range(fwhm: float) -> None:
    for template, low, high in zip(iron_templates(fwhm), (2200, 4434), (3090, 4684), strict=True):
        inside = (low <= IRON_GRID) & (high >= IRON_GRID)
        assert np.trapezoid(template[inside], IRON_GRID[inside]) == pytest.approx(1, rel=2e-3)
        assert (template >= 0).all()


def test_broader_iron_is_smoother_and_the_nearest_width_is_taken() -> None:
    rough, smooth = (np.abs(np.diff(iron_templates(fwhm)[1])).sum() for fwhm in (1500.0, 9000.0))
    assert smooth < 0.7 * rough
    for near, width in ((1700.0, 1500.0), (2600.0, 2500.0), (5200.0, 6000.0), (1e5, 9000.0)):
        assert iron_templates(near)[0] is iron_templates(width)[0]
