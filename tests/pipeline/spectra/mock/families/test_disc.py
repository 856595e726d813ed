"""Profile of a disc: two peaks, a red shift, and no light lost."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.spectra.mock.families.disc import disc_profile

VELOCITY = np.arange(-60_000.0, 60_000.0, 50.0)


def peaks(profile: np.ndarray) -> np.ndarray:
    inside = (profile[1:-1] > profile[:-2]) & (profile[1:-1] >= profile[2:])
    high = profile[1:-1] > 0.3 * profile.max()
    return VELOCITY[1:-1][inside & high]


@settings(max_examples=25, deadline=None)
@given(
    inclination=st.floats(15, 50),
    inner=st.floats(200, 800),
    outer=st.floats(2000, 6000),
    slope=st.floats(1, 2.5),
    turbulence=st.floats(780, 1800),
)
def test_no_light_is_lost(inclination, inner, outer, slope, turbulence) -> None:
    profile = disc_profile(VELOCITY, inclination, inner, outer, slope, turbulence)
    assert (profile >= 0).all()
    assert np.trapezoid(profile, VELOCITY) == pytest.approx(1, abs=0.01)


def test_an_inclined_disc_has_two_peaks_the_blue_one_higher() -> None:
    profile = disc_profile(VELOCITY, 45.0, 300.0, 2500.0, 2.0, 800.0)
    found = peaks(profile)
    assert (found < 0).any()
    assert (found > 0).any()
    blue, red = (profile[(VELOCITY < 0)].max(), profile[VELOCITY > 0].max())
    assert blue > red
    # Kepler: the outer edge makes the peaks, at c sin i / sqrt(r) = 4,200 km/s.
    assert 3000 < np.ptp(found) / 2 < 6500


def test_a_disc_seen_from_above_is_one_peak_to_the_red() -> None:
    profile = disc_profile(VELOCITY, 0.0, 200.0, 1000.0, 2.0, 400.0)
    mean = np.average(VELOCITY, weights=profile)
    # Gravity and time dilation: 1.5 c / r, by radius.
    assert 299792 * 1.5 / 1000 < mean < 299792 * 1.5 / 200


def test_a_steeper_emissivity_widens_the_line() -> None:
    flat, steep = (disc_profile(VELOCITY, 35.0, 200.0, 5000.0, q, 900.0) for q in (1.0, 2.5))
    spread = [np.sqrt(np.average(VELOCITY**2, weights=p)) for p in (flat, steep)]
    assert spread[1] > 1.3 * spread[0]
