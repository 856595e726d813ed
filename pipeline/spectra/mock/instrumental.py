"""Planted errors of the instrument and its reduction.

A wrong redshift changes the scene; the others change the 7,958 arm pixels after the noise level is
set, so that no ivar knows of them. Each returns the wavelength in Å where it acts, NaN when
everywhere: rest frame for the redshift, observed for the others.
"""

from dataclasses import replace

import numpy as np

from pipeline.spectra.mock import instrument
from pipeline.spectra.mock.instrument import ARM_SLICES, ARM_WAVE
from pipeline.spectra.mock.scene import Scene


def wrong_redshift(scene: Scene, rng: np.random.Generator) -> tuple[Scene, float]:
    """A line taken for another one: right spectrum, wrong redshift in the catalogue."""
    lines = (1215.67, 1549.06, 1908.73, 2799.1, 4862.7)
    seen = [line for line in lines if 3800 < line * (1 + scene.quasar.z) < 9600]
    mistakes = [
        (line, (1 + scene.quasar.z) * line / other - 1)
        for line in seen
        for other in lines
        if line != other and 0.05 < (1 + scene.quasar.z) * line / other - 1 < 4.6
    ]
    line, z = mistakes[rng.integers(len(mistakes))]
    return replace(scene, z_catalog=z), line


def flux_jump(flux: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, float]:
    """One arm's flux calibration off by a factor: steps at the arm joins."""
    arm = ("B", "R", "Z")[rng.integers(3)]
    changed = flux.copy()
    changed[ARM_SLICES[arm]] *= 1 + rng.choice([-1, 1]) * 10 ** rng.uniform(-1.7, -0.35)
    return changed, {"B": 5780.0, "R": 5780.0, "Z": 7570.0}[arm]


def sky_residual(flux: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, float]:
    """Sky over- or undersubtracted by a few per cent, lines shifted a little."""
    sky = instrument.sky_brightness()
    error = rng.choice([-1, 1]) * 10 ** rng.uniform(-2.3, -1.0) * sky
    error += rng.normal(0, 0.02) * np.gradient(sky)
    return flux + error, np.nan


def cosmic_ray(flux: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, float]:
    """Cosmic-ray hits that no mask records."""
    changed = flux.copy()
    places = rng.integers(10, ARM_WAVE.size - 10, rng.integers(1, 6))
    for place in places:
        width = rng.integers(1, 5)
        changed[place : place + width] += 10 ** rng.uniform(0.2, 1.6) * rng.uniform(0.4, 1.0, width)
    return changed, float(ARM_WAVE[places[0]])


def scattered_light(flux: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, float]:
    """A smooth bump of light from a bright neighbour on the CCD."""
    centre, width = rng.uniform(4200, 9200), rng.uniform(150, 700)
    level = np.median(np.abs(flux)) * 10 ** rng.uniform(-1.2, 0.1) * rng.choice([-0.6, 1.0])
    return flux + level * np.exp(-0.5 * ((ARM_WAVE - centre) / width) ** 2), centre


def fringing(flux: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, float]:
    """Interference fringes in the red end of z, growing with wavelength."""
    period, phase = rng.uniform(18, 45), rng.uniform(0, 2 * np.pi)
    growth = np.clip((ARM_WAVE - 8000) / 1800, 0, 1)
    wave = np.sin(2 * np.pi * ARM_WAVE / period + phase)
    return flux * (1 + 10 ** rng.uniform(-1.3, -0.4) * growth * wave), 9200.0
