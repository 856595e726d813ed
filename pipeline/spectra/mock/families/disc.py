"""Line profile of a thin relativistic disc around a black hole."""

import numpy as np

from catalog_schema.constants import LIGHT_SPEED

_RADII, _ANGLES = 60, 180


def disc_profile(
    velocity: np.ndarray,
    inclination: float,
    inner: float,
    outer: float,
    slope: float,
    turbulence: float,
) -> np.ndarray:
    """Profile of a circular disc, of unit integral over `velocity` (Chen & Halpern 1989).

    Parameters
    ----------
    velocity : ndarray, shape (n,)
        Line-of-sight velocity in km/s, positive to the red.
    inclination : float
        Angle between axis and line of sight, degrees; 0 is face on.
    inner, outer : float
        Radii in units of G M / c².
    slope : float
        The emissivity falls with radius to this power.
    turbulence : float
        Local broadening, σ in km/s.

    Returns
    -------
    ndarray, shape (n,)
        Per km/s. Gravity and the transverse Doppler effect redden it, beaming makes the blue peak
        the higher one; the bending of light is left out.
    """
    radius = np.geomspace(inner, outer, _RADII)[:, None]
    angle = 2 * np.pi * (np.arange(_ANGLES) + 0.5) / _ANGLES
    orbit = np.sin(np.radians(inclination)) * np.cos(angle) / np.sqrt(radius)
    # Ratio of emitted to received wavelength.
    doppler = np.sqrt(1 - 3 / radius) / (1 + orbit)
    # Area of a ring of equal logarithmic width, and intensity boosted by the cube.
    light = radius ** (2 - slope) * doppler**3
    shift = LIGHT_SPEED * (1 / doppler - 1)
    step = turbulence / 8
    edges = np.arange(shift.min() - 6 * turbulence, shift.max() + 6 * turbulence, step)
    counts, _ = np.histogram(shift, edges, weights=light)
    reach = np.arange(-40, 41) * step
    kernel = np.exp(-0.5 * (reach / turbulence) ** 2)
    smooth = np.convolve(counts, kernel / kernel.sum(), mode="same") / (counts.sum() * step)
    return np.interp(velocity, 0.5 * (edges[1:] + edges[:-1]), smooth, left=0.0, right=0.0)
