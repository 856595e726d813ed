"""Families of errors of the instrument and its reduction.

Each function changes the 7,958 arm pixels, in 1e-17 erg/s/cm2/Å, after the noise level is set, so
that no ivar knows of it, and returns them with the observed wavelength in Å where it acts, NaN when
everywhere. Counts are turned into flux for an exposure of 1,000 s.
"""

import numpy as np

from catalog_schema.lines import BALMER, LINES, waves
from pipeline.spectra.mock import instrument
from pipeline.spectra.mock.contaminants import star
from pipeline.spectra.mock.distributions import (
    exponential,
    from_density,
    lognormal,
    normal,
    uniform,
)
from pipeline.spectra.mock.instrument import ARM_SLICES, ARM_WAVE
from pipeline.spectra.mock.population import magnitude_to_flux

_ARMS = ("B", "R", "Z")
_EXPOSURE = 1000.0
# Thickness of the LBNL detectors of r and z, Å (Abareshi et al. 2022).
_THICKNESS = 2.5e6
_REFRACTION = 3.6

# Steps between the cameras of one spectrum: desispec issues 2547 and 2606 show per cent to tens of
# per cent. That 3.5 per cent are ordinary, and the exponential fall, is assumed.
JUMP = {"size": exponential(0.09, 0.035, 0.6), "tilt": normal(0.0, 0.35, -0.9, 0.9)}
# Sky lines at a wavelength or width (Å) that is not the fibre's: desispec fits both on the sky
# fibres and carries them over to the others (pull requests 1125, 1381), and refuses wavelengths
# beyond 0.3 Å (pull request 1598). Sizes and exponential fall assumed.
SKY = {"shift": exponential(0.06, 0.02, 0.5), "broadening": normal(0.0, 0.05, -0.15, 0.15)}
# Cosmic rays whose charge escaped the rejection of single exposures (desispec issues 762, 1726):
# dN/dq as q^-2 above 250 electrons. A muon leaves 20,000 in 250 µm, which is always seen; shape
# assumed.
COSMIC = {
    "count": from_density(lambda n: np.exp(-n / 2.0), 1.0, 9.0),
    "log_charge": from_density(lambda q: 10.0**-q, 2.4, 4.0),
}
# Light spread over the detector by a bright neighbour, which desispec models between the bundles of
# fibres (pull request 859) and can misjudge beside bright stars (issue 1580). Levels and the smooth
# course along an arm are assumed.
SCATTERED = {
    "level": lognormal(0.16, 0.3, 0.04, 0.9),
    "slope": uniform(-0.8, 0.8),
    "dome": uniform(-0.9, 0.9),
}
# Fringes of a silicon layer of 250 µm, where it becomes transparent (Abareshi et al. 2022); how
# much a flat field leaves of them is assumed.
FRINGE = {"amplitude": exponential(0.05, 0.03, 0.35), "phase": uniform(0.0, 1.0)}
# Cross-talk of the neighbouring fibre: 1 % beyond 9000 Å (desispec pull request 1138), twice that
# in one camera (pull request 2482), wrongly corrected (issue 2179); neighbours are bright stars.
NEIGHBOUR = {
    "magnitude": exponential(-0.9, 14.5, 17.8),
    "share": uniform(0.004, 0.02),
    "temperature": normal(6000.0, 700.0, 4500.0, 8000.0),
}
# Steps of 10 electrons/Å where two amplifiers meet (desispec issue 1518).
AMPLIFIER = {"step": exponential(5.0, 3.0, 25.0)}
# A wrong standard star in the flux calibration: an outlier that is not rejected marks the whole
# petal (desispec pull request 1434), Balmer lines stay in its calibration (issue 357, there of
# BOSS). The slow wave and the sizes are assumed.
RIPPLE = {
    "depth": exponential(0.08, 0.06, 0.45),
    "wave": uniform(0.0, 1.0),
    "period": uniform(180.0, 900.0),
}


def flux_jump(
    flux: np.ndarray, rng: np.random.Generator, *, size: float, tilt: float
) -> tuple[np.ndarray, float]:
    """One camera's flux calibration off by a factor that leans (desispec issues 2547, 2606)."""
    arm = _ARMS[rng.integers(3)]
    pixels = ARM_SLICES[arm]
    course = np.linspace(-1, 1, ARM_WAVE[pixels].size)
    changed = flux.copy()
    changed[pixels] *= np.exp(rng.choice([-1, 1]) * size * (1 + tilt * course))
    return changed, {"B": 5780.0, "R": 5780.0, "Z": 7570.0}[arm]


def sky_residual(
    flux: np.ndarray, rng: np.random.Generator, *, shift: float, broadening: float
) -> tuple[np.ndarray, float]:
    """Sky lines subtracted at a wrong wavelength and width in one arm (desispec 1598)."""
    pixels = ARM_SLICES[_ARMS[rng.choice(3, p=(0.15, 0.3, 0.55))]]
    step = ARM_WAVE[1] - ARM_WAVE[0]
    first = np.gradient(instrument.sky_brightness()[pixels], step)
    changed = flux.copy()
    changed[pixels] += rng.choice([-1, 1]) * shift * first
    changed[pixels] += broadening * np.gradient(first, step) * step**2
    return changed, float(ARM_WAVE[pixels].mean())


def cosmic_ray(
    flux: np.ndarray, rng: np.random.Generator, *, count: float, log_charge: float
) -> tuple[np.ndarray, float]:
    """Cosmic-ray hits that no mask records (desispec 762, 1726).

    The strongest leaves 10^log_charge electrons, spread as the optics spread light.
    """
    changed = flux.copy()
    places = rng.uniform(20, ARM_WAVE.size - 20, int(count))
    charges = 10**log_charge * np.r_[1.0, rng.uniform(0.2, 1.0, int(count) - 1)]
    for place, charge in zip(places, charges, strict=True):
        near = np.arange(int(place) - 8, int(place) + 9)
        shape = np.exp(-0.5 * ((near - place) / rng.uniform(0.45, 1.4)) ** 2)
        changed[near] += charge * (shape / shape.sum()) * _flux_of_electron()[near]
    return changed, float(ARM_WAVE[int(places[0])])


def scattered_light(
    flux: np.ndarray,
    rng: np.random.Generator,
    *,
    level: float,
    slope: float,
    dome: float,
) -> tuple[np.ndarray, float]:
    """A bright neighbour's light, spread smoothly over one arm (desispec 1580)."""
    pixels = ARM_SLICES[_ARMS[rng.integers(3)]]
    course = np.linspace(-1, 1, ARM_WAVE[pixels].size)
    shape = 1 + slope * course + dome * (1.5 * course**2 - 0.5)
    changed = flux.copy()
    changed[pixels] += level * np.maximum(shape, 0) * star(ARM_WAVE[pixels], 5800.0)
    return changed, float(ARM_WAVE[pixels].mean())


def fringing(
    flux: np.ndarray, rng: np.random.Generator, *, amplitude: float, phase: float
) -> tuple[np.ndarray, float]:
    """Interference in the red end of z, on object and sky alike (Abareshi et al. 2022).

    Light passes 250 µm of silicon twice: the period is λ² / (2 n d), 5 Å at 9500 Å.
    """
    red = ARM_SLICES["Z"]
    wave = ARM_WAVE[red]
    order = 2 * _REFRACTION * _THICKNESS / wave
    growth = np.exp((wave - wave[-1]) / 350.0)
    changed = flux.copy()
    light = flux[red] + instrument.sky_brightness()[red]
    changed[red] += amplitude * growth * np.cos(2 * np.pi * (order + phase)) * light
    return changed, 9600.0


def neighbour_light(
    flux: np.ndarray,
    rng: np.random.Generator,
    *,
    magnitude: float,
    share: float,
    temperature: float,
) -> tuple[np.ndarray, float]:
    """Cross-talk of a bright fibre beside it (desispec pull request 1138, issue 2179).

    `share` of the neighbour's light comes over at 9800 Å, a tenth of that at 9000 Å.
    """
    red = ARM_SLICES["Z"]
    wave = ARM_WAVE[red]
    light = star(wave, temperature) / star(np.array([6420.0]), temperature)
    growth = 10 ** ((wave - 9800.0) / 800.0)
    changed = flux.copy()
    changed[red] += rng.choice([-1, 1]) * share * growth * magnitude_to_flux(magnitude) * light
    return changed, 9500.0


def amplifier_offset(
    flux: np.ndarray, rng: np.random.Generator, *, step: float
) -> tuple[np.ndarray, float]:
    """An offset of half an arm, from one amplifier's bias (desispec issue 1518), electrons/Å."""
    pixels = ARM_SLICES[_ARMS[rng.choice(3, p=(0.5, 0.25, 0.25))]]
    middle = (pixels.start + pixels.stop) // 2
    half = [slice(pixels.start, middle), slice(middle, pixels.stop)][rng.integers(2)]
    changed = flux.copy()
    width = ARM_WAVE[1] - ARM_WAVE[0]
    changed[half] += rng.choice([-1, 1]) * step * width * _flux_of_electron()[half]
    return changed, float(ARM_WAVE[middle])


def calibration_ripple(
    flux: np.ndarray,
    rng: np.random.Generator,
    *,
    depth: float,
    wave: float,
    period: float,
) -> tuple[np.ndarray, float]:
    """A calibration vector with the standard's lines and a slow wave (desispec 1434).

    The Balmer lines are imprinted with `depth`, the wave of `period` Å with half of it, in b and r.
    """
    lines = sum(np.exp(-0.5 * ((ARM_WAVE - line) / 18.0) ** 2) for line in waves(*BALMER[:6]))
    ripple = 0.5 * np.sin(2 * np.pi * (ARM_WAVE / period + wave))
    inside = np.arange(ARM_WAVE.size) < ARM_SLICES["Z"].start
    factor = 1 + rng.choice([-1, 1]) * depth * (lines + ripple) * inside
    return flux * factor, LINES["hbeta"].wave


def _flux_of_electron() -> np.ndarray:
    """Flux (7958,) that gives one electron in a pixel."""
    return 1 / (instrument.FIBRE_SHARE * instrument.sensitivity() * _EXPOSURE)
