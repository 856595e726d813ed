"""How DESI sees it: arms, throughput, sky, noise, resolution, dead pixels.

Spectra here have 7,958 "arm pixels": the b, r and z arms one after another, overlaps kept twice.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.ndimage import gaussian_filter1d

WAVE = 3600.0 + 0.8 * np.arange(7781)
ARMS = {"B": slice(0, 2751), "R": slice(2700, 5026), "Z": slice(4900, 7781)}
ARM_WAVE = np.concatenate([WAVE[pixels] for pixels in ARMS.values()])
ARM_SLICES = {"B": slice(0, 2751), "R": slice(2751, 5077), "Z": slice(5077, 7958)}
N_DIAGONALS = 11
N_SPECTROGRAPHS = 10
MASK_SOMEBADPIX, MASK_COSMIC = 1, 4

# Electrons per photon above the atmosphere. The edges are the dichroics'; the dip in b is seen in
# the noise of real coadds.
_THROUGHPUT = {
    "B": (
        (3600, 3700, 3800, 3900, 4000, 4200, 4500, 4800, 5100, 5400, 5700, 5800),
        (0.028, 0.051, 0.092, 0.133, 0.165, 0.22, 0.28, 0.33, 0.37, 0.365, 0.33, 0.34),
    ),
    "R": (
        (5760, 5780, 5800, 5850, 5900, 6000, 6200, 6500, 7000, 7350, 7450, 7520, 7570, 7600, 7620),
        (0.02, 0.06, 0.15, 0.27, 0.31, 0.36, 0.41, 0.46, 0.51, 0.52, 0.44, 0.32, 0.13, 0.025, 0.02),
    ),
    "Z": (
        (7520, 7560, 7620, 7700, 8000, 8500, 9000, 9300, 9500, 9824),
        (0.26, 0.38, 0.46, 0.49, 0.53, 0.56, 0.57, 0.50, 0.44, 0.33),
    ),
}
_SKY_WAVE = (3600, 4000, 4500, 5000, 5500, 6000, 6500, 7000, 7500, 8000, 8500, 9000, 9824)
_SKY_LEVEL = (3.0, 2.6, 2.1, 1.7, 1.6, 1.5, 1.15, 0.95, 0.95, 0.95, 0.85, 0.75, 1.3)
# Lines of the night sky as (vacuum Å, flux): mercury, sodium, oxygen and the Meinel bands of OH.
_SKY_LINES = (
    (4047.8, 4), (4359.6, 9), (5199.5, 5), (5462.3, 12), (5578.9, 190), (5771.2, 5), (5792.3, 5),
    (5891.6, 30), (5897.6, 18), (5917, 5), (5934, 7), (5954, 6), (6236, 6), (6259, 9), (6289, 12),
    (6302.0, 75), (6323, 8), (6365.5, 26), (6500.5, 9), (6506.8, 10), (6524.3, 10), (6535.0, 10),
    (6555.4, 12), (6570.6, 7), (6579.0, 8), (6606, 4), (6831.2, 12), (6843, 10), (6865.8, 26),
    (6873.0, 16), (6881.0, 20), (6891.2, 8), (6902.6, 15), (6914.8, 22), (6925.2, 20), (6941.4, 20),
    (6951.0, 16), (6980.3, 9), (7005.8, 6), (7242, 14), (7247.3, 22), (7278.4, 42), (7286.6, 32),
    (7298.5, 10), (7305.8, 16), (7318.3, 50), (7331.3, 40), (7342.9, 46), (7360.7, 30),
    (7371.3, 28), (7394.2, 18), (7403.6, 12), (7526.5, 12), (7573, 8), (7714, 20), (7718.7, 24),
    (7726.6, 26), (7752.6, 70), (7761.0, 20), (7782.5, 20), (7796.3, 75), (7810.7, 40),
    (7823.5, 70), (7843.3, 55), (7855.4, 30), (7862.9, 22), (7872.9, 18), (7893.0, 46),
    (7916.0, 90), (7923.3, 40), (7951.5, 40), (7966.8, 90), (7995.7, 100), (8016.9, 45),
    (8028.0, 70), (8054.3, 30), (8064.4, 38), (8105.1, 10), (8141, 6), (8283.9, 22), (8290.8, 60),
    (8300.8, 60), (8313.0, 35), (8347.2, 90), (8355.0, 45), (8367.2, 20), (8384.8, 100),
    (8401.5, 120), (8417.5, 55), (8432.5, 130), (8454.6, 75), (8467.6, 85), (8495.7, 70),
    (8507.1, 40), (8541.0, 20), (8551.1, 25), (8763.4, 55), (8770.1, 70), (8780.7, 110),
    (8793.4, 90), (8812.3, 20), (8829.5, 130), (8838.6, 60), (8852.4, 70), (8870.0, 150),
    (8888.3, 170), (8905.5, 80), (8922.1, 190), (8945.8, 110), (8960.5, 130), (8990.9, 110),
    (9003.9, 60), (9022.3, 20), (9040.7, 35), (9051.6, 45), (9104, 12), (9224, 12), (9309.3, 60),
    (9315.9, 110), (9326, 80), (9340.5, 120), (9355, 40), (9370, 40), (9378.5, 160), (9399.0, 130),
    (9422.0, 190), (9442.3, 210), (9461.1, 100), (9479.4, 230), (9505.4, 150), (9522.6, 180),
    (9554.8, 120), (9570.1, 90), (9610, 50), (9623, 60), (9700, 60), (9722, 60), (9740, 50),
    (9793.5, 110), (9802.6, 130), (9810, 60),
)  # fmt: skip
# Telluric bands as (centre Å, half width Å, depth): O2 B and A, water.
_TELLURIC = (
    (6885, 22, 0.20), (7215, 50, 0.06), (7605, 14, 0.55), (7640, 25, 0.35), (8210, 70, 0.07),
    (8990, 60, 0.08), (9370, 70, 0.32), (9490, 70, 0.20), (9620, 70, 0.10),
)  # fmt: skip
_COLLECTING_AREA = 8.65e4  # cm2 (Abareshi et al. 2022)
FIBRE_SHARE = 0.58  # of a point source's light enters the fibre
_READ_VARIANCE = 40.0  # electrons^2 per pixel and exposure
_LSF_SIGMA = {"B": 0.83, "R": 0.78, "Z": 0.88}  # pixels


@dataclass(frozen=True)
class Conditions:
    """Observing conditions of one coadd: seconds, exposures, sky over dark sky, efficiency."""

    exptime: float
    n_exposures: int
    sky_factor: float
    efficiency: float


def split_arms(spectrum: np.ndarray) -> np.ndarray:
    """Blur a spectrum (..., 7781) by each arm's line spread; returns (..., 7958) arm pixels."""
    blurred = []
    for arm, pixels in ARMS.items():
        smooth = gaussian_filter1d(spectrum, _LSF_SIGMA[arm], axis=-1, mode="nearest")
        blurred.append(smooth[..., pixels])
    return np.concatenate(blurred, axis=-1)


def noise_sigma(flux: np.ndarray, conditions: Conditions) -> np.ndarray:
    """Standard deviation (7958,) of a coadd of true `flux`, both in 1e-17 erg/s/cm2/Å.

    Photon noise of source and sky and read noise, per 0.8 Å pixel:
    sigma^2 = (S t (q f + s) + n R^2) / (q S t)^2.
    """
    electrons = sensitivity() * conditions.exptime * conditions.efficiency
    source = FIBRE_SHARE * np.maximum(flux, 0.0)
    counts = electrons * (source + sky_brightness() * conditions.sky_factor)
    variance = counts + _READ_VARIANCE * conditions.n_exposures
    return np.sqrt(variance) / (FIBRE_SHARE * electrons)


@cache
def sensitivity() -> np.ndarray:
    """Electrons per second and pixel for unit flux, (7958,)."""
    photons = 1e-17 * 0.8 * _COLLECTING_AREA * ARM_WAVE * 1e-8 / 1.98645e-16
    throughput = np.concatenate(
        [np.interp(WAVE[ARMS[arm]], *knots) for arm, knots in _THROUGHPUT.items()]
    )
    dip = 1 - 0.6 * np.exp(-0.5 * ((ARM_WAVE[ARM_SLICES["B"]] - 4372) / 18) ** 2)
    throughput[ARM_SLICES["B"]] *= dip
    return photons * throughput * atmosphere()


@cache
def atmosphere() -> np.ndarray:
    """Telluric transmission (7958,)."""
    return atmosphere_at(ARM_WAVE)


@cache
def sky_brightness() -> np.ndarray:
    """Dark sky in a fibre, (7958,) in 1e-17 erg/s/cm2/Å."""
    return sky_at(ARM_WAVE)


def atmosphere_at(wave: np.ndarray) -> np.ndarray:
    """Telluric transmission at wavelengths (p,) in Å."""
    passed = np.ones_like(wave)
    for centre, half_width, depth in _TELLURIC:
        passed *= 1 - depth * np.exp(-(((wave - centre) / half_width) ** 4))
    return passed


def sky_at(wave: np.ndarray, sigma: float = 0.72) -> np.ndarray:
    """Dark sky in a fibre of DESI at wavelengths (p,): continuum, lines and the O2 band.

    In 1e-17 erg/s/cm2/Å; `sigma` (Å) is the width to which a line is blurred.
    """
    sky = np.interp(wave, _SKY_WAVE, _SKY_LEVEL)
    for centre, strength in _SKY_LINES:
        offset = (wave - centre) / sigma
        sky += strength / (sigma * np.sqrt(2 * np.pi)) * np.exp(-0.5 * offset**2)
    for centre, width, level in ((8649.0, 13.0, 11.0), (8675.0, 14.0, 6.0)):
        sky += level * np.exp(-0.5 * ((wave - centre) / width) ** 2)
    return sky


def telluric_residual(rng: np.random.Generator) -> np.ndarray:
    """Factor (7958,) left by an imperfect telluric correction: 1 outside the bands."""
    return 1 + rng.normal(0.0, 0.06) * (1 - atmosphere())


@cache
def resolution(arm: str) -> np.ndarray:
    """Resolution matrices (10 spectrographs, 11 diagonals, pixels) of an arm, float32.

    Diagonal k is offset by 5 - k pixels; a Gaussian integrated over pixels, with the width
    changing by a few per cent over the arm and between spectrographs.
    """
    n_pixels = ARMS[arm].stop - ARMS[arm].start
    bend = 1 + 0.05 * np.linspace(-1, 1, n_pixels) ** 2
    spread = 1 + 0.03 * np.sin(1.7 * np.arange(N_SPECTROGRAPHS))
    sigma = _LSF_SIGMA[arm] * spread[:, None, None] * bend
    offset = (N_DIAGONALS // 2 - np.arange(N_DIAGONALS))[:, None]
    profile = np.exp(-0.5 * (offset / sigma) ** 2)
    return (profile / profile.sum(axis=1, keepdims=True)).astype(np.float32)


def cosmic_mask(rng: np.random.Generator, n_exposures: int) -> np.ndarray:
    """Mask bits (7958,) uint32 of pixels lost in all exposures: short runs."""
    mask = np.zeros(ARM_WAVE.size, dtype=np.uint32)
    for start in rng.integers(0, ARM_WAVE.size - 4, rng.poisson(12.0 / n_exposures**2)):
        bit = MASK_COSMIC if rng.random() < 0.3 else MASK_SOMEBADPIX
        mask[start : start + rng.integers(1, 5)] |= np.uint32(bit)
    return mask
