"""Dust of the mock: published points of both curves, and that layers multiply."""

import numpy as np
import pytest
from astropy import units
from dust_extinction.parameter_averages import O94
from hypothesis import given
from hypothesis import strategies as st

from pipeline.spectra.mock.dust import galactic_transmission, smc_transmission

WAVE = np.linspace(3600, 9824, 300)
REST = np.geomspace(900, 9000, 300)


def find_depth(passed: np.ndarray) -> np.ndarray:
    """Return an extinction in magnitudes."""
    return -2.5 * np.log10(passed)


@pytest.mark.parametrize("curve", [smc_transmission, galactic_transmission])
@given(first=st.floats(0, 1), second=st.floats(0, 1))
def test_two_layers_are_one_of_their_sum(curve, first: float, second: float) -> None:
    np.testing.assert_allclose(
        curve(WAVE, first) * curve(WAVE, second), curve(WAVE, first + second), rtol=1e-10
    )
    assert (curve(WAVE, 0.0) == 1).all()


@pytest.mark.parametrize("curve", [smc_transmission, galactic_transmission])
def test_blue_light_is_lost_first(curve) -> None:
    passed = curve(WAVE, 0.1)
    assert (np.diff(passed) > 0).all()
    assert ((passed > 0) & (passed < 1)).all()


@pytest.mark.parametrize(
    ("inverse_micron", "ratio"), [(1.82, 1.0), (2.27, 1.32), (1.43, 0.75), (1.11, 0.48)]
)
def test_smc_curve_goes_through_the_measured_bands(inverse_micron: float, ratio: float) -> None:
    """A(λ) / A(V) of Pei (1992) in V, B, R, I, within the scatter of the measurements."""
    depth = find_depth(smc_transmission(np.array([1e4 / inverse_micron, 5500.0]), 0.1))
    assert depth[0] / depth[1] == pytest.approx(ratio, rel=0.1)


def test_smc_colour_excess_is_that_asked_for() -> None:
    """A(B) - A(V) = E(B-V), of which A(V) is 2.93 times."""
    blue, visual = find_depth(smc_transmission(np.array([4400.0, 5500.0]), 0.1))
    assert blue - visual == pytest.approx(0.1, rel=0.1)
    assert visual / 0.1 == pytest.approx(2.93, rel=0.05)


def test_smc_has_no_bump_and_rises_steeply_to_the_far_ultraviolet() -> None:
    depth = find_depth(smc_transmission(REST, 0.1))
    assert (np.diff(depth) < 0).all()
    far, near = find_depth(smc_transmission(np.array([1250.0, 2500.0]), 0.1))
    assert far / near == pytest.approx(2.15, rel=0.1)


@pytest.mark.parametrize("ebv", [0.0, 0.02, 0.3])
def test_galactic_dust_is_that_of_its_source(ebv: float) -> None:
    expected = 3.1 * ebv * np.array(O94(Rv=3.1)(WAVE * units.AA))
    np.testing.assert_allclose(find_depth(galactic_transmission(WAVE, ebv)), expected, rtol=1e-6)
