"""What stellar atmospheres absorb: optical depths by cause, on one grid, to be scaled and summed.

Depths are smooth in wavelength, and a spectrum is ``exp(-sum(scale * depth))`` of a continuum: a
change of temperature or metallicity is a change of scales. The scales of a depth are the user's;
at 1 metals are those of a K dwarf of solar composition, bands those of an M4 dwarf.
"""

from functools import cache

import numpy as np

from catalog_schema.lines import BALMER, LINES
from pipeline.spectra.mock.contaminants import planck

# Even in the logarithm: a step is 30 km/s, so that a dispersion is one convolution.
STEP = 1e-4
GRID = np.exp(np.arange(np.log(1250.0), np.log(10_200.0), STEP))
_AT_5100 = int(np.searchsorted(GRID, 5100.0))
# Equivalent width and sigma (Å) in K dwarfs, after the index lists of Worthey et al. (1994) and,
# of the Ca II triplet, Cenarro et al. (2001).
_IRON = {"fei_4385": (3.5, 6.0), "fe_5270": (2.2, 5.0), "fe_5335": (1.8, 5.0)}
_ALPHA = {
    "caii_k": (8.0, 6.5),
    "caii_h": (7.0, 6.0),
    "cai": (1.6, 3.5),
    "g_band": (5.5, 9.0),
    "mgb": (4.5, 11.0),
    "nad": (2.8, 4.0),
}
_TRIPLET = {"caii_8500": (1.5, 3.0), "caii_8544": (3.6, 3.6), "caii_8665": (2.9, 3.4)}
# Peak depth over that of Hbeta; the upper levels dissolve.
_SERIES = dict(zip(BALMER, (0.8, 1.0, 1.05, 1.05, 1.0, 0.85, 0.7, 0.55, 0.4, 0.25), strict=True))
# Bands as head: length (Å) over which they fade away from it, relative depth, after the spectra of
# Kirkpatrick et al. (1991, 1999) and, of carbon stars, Barnbaum, Stone & Keenan (1996).
_TITANIUM = {
    "tio_4762": (70.0, 0.6),
    "tio_4956": (70.0, 0.7),
    "tio_5168": (80.0, 0.7),
    "tio_5450": (70.0, 0.5),
    "tio_5864": (90.0, 0.6),
    "tio_6161": (100.0, 0.9),
    "tio_6653": (90.0, 0.8),
    "tio_7056": (120.0, 1.2),
    "tio_7591": (110.0, 0.8),
    "tio_8208": (80.0, 0.4),
    "tio_8434": (90.0, 0.6),
}
_VANADIUM = {"vo_7336": (150.0, 0.7), "vo_7867": (130.0, 1.0)}
_HYDRIDES = {"cah_6384": (-60.0, 0.5), "cah_6910": (-130.0, 0.7)}
_MAGNESIUM_HYDRIDE = {"mgh_5212": (-90.0, 0.6)}
_SWAN = {
    "c2_4383": (-70.0, 0.5),
    "c2_4738": (-110.0, 1.0),
    "c2_5167": (-140.0, 1.3),
    "c2_5637": (-130.0, 0.9),
}
_CYANOGEN = {"cn_3884": (-60.0, 1.2), "cn_4217": (-50.0, 0.7)}


def unit_planck(temperature: float) -> np.ndarray:
    """Light of a black body (K) on `GRID`, one at 5100 Å."""
    return planck(GRID, temperature) / planck(GRID[_AT_5100 : _AT_5100 + 1], temperature)


def unit(light: np.ndarray) -> np.ndarray:
    """The same light on `GRID`, one at 5100 Å."""
    return light / light[_AT_5100]


@cache
def iron() -> np.ndarray:
    """Depth of the iron peak: three strong blends and a thousand weak lines.

    The weak ones are no star's: fixed places, denser and deeper to the blue, drawn so that the
    index of Hdelta is negative in old galaxies, as it is in nature.
    """
    rng = np.random.default_rng(50)
    depth = _gaussians(_IRON)
    for centre in 1900 + 6500 * rng.random(1000) ** 1.7:
        near = slice(*np.searchsorted(GRID, (centre - 12, centre + 12)))
        peak = 0.06 * rng.gamma(2.0) * min((4500 / centre) ** 3, 2.0)
        depth[near] += peak * np.exp(-0.5 * ((GRID[near] - centre) / 1.8) ** 2)
    return depth


@cache
def alpha() -> np.ndarray:
    """Depth of the lines of Ca, CH, Mg and Na."""
    return _gaussians(_ALPHA)


@cache
def triplet() -> np.ndarray:
    """Depth of the Ca II triplet."""
    return _gaussians(_TRIPLET)


@cache
def titanium_oxide() -> np.ndarray:
    """Depth of TiO."""
    return _bands(_TITANIUM)


@cache
def vanadium_oxide() -> np.ndarray:
    """Depth of VO."""
    return _bands(_VANADIUM)


@cache
def calcium_hydride() -> np.ndarray:
    """Depth of CaH."""
    return _bands(_HYDRIDES)


@cache
def magnesium_hydride() -> np.ndarray:
    """Depth of MgH."""
    return _bands(_MAGNESIUM_HYDRIDE)


@cache
def carbon() -> np.ndarray:
    """Depth of the Swan bands of C2."""
    return _bands(_SWAN)


@cache
def cyanogen() -> np.ndarray:
    """Depth of the violet system of CN."""
    return _bands(_CYANOGEN)


def balmer(width: float, split: float = 0.0) -> np.ndarray:
    """Depth of the Balmer series with wings as of pressure, one at the centre of Hbeta.

    `width` is the half width in Å of the depth; with a `split` each line has three parts, which
    lie that many Å apart at Hbeta and as its square at other wavelengths.
    """
    depth = np.zeros_like(GRID)
    parts = ((0.0, 1.0),) if split == 0 else ((-1.0, 0.5), (0.0, 0.5), (1.0, 0.5))
    for key, height in _SERIES.items():
        wave = LINES[key].wave
        apart = split * (wave / LINES["hbeta"].wave) ** 2
        for side, share in parts:
            depth += height * share / (1 + ((GRID - wave - side * apart) / width) ** 2)
    return depth


def step(wave: float, width: float) -> np.ndarray:
    """One well below `wave` (Å), nothing well above, half at it."""
    return 1 / (1 + np.exp(np.clip((GRID - wave) / width, -60, 60)))


def _gaussians(lines: dict[str, tuple[float, float]]) -> np.ndarray:
    depth = np.zeros_like(GRID)
    for key, (area, sigma) in lines.items():
        peak = area / (sigma * np.sqrt(2 * np.pi))
        depth += peak * np.exp(-0.5 * ((GRID - LINES[key].wave) / sigma) ** 2)
    return depth


def _bands(heads: dict[str, tuple[float, float]]) -> np.ndarray:
    depth = np.zeros_like(GRID)
    for key, (length, height) in heads.items():
        beyond = (GRID - LINES[key].wave) / length
        # A head is as sharp as a few Å.
        edge = 1 / (1 + np.exp(np.clip(-beyond * abs(length) / 2.0, -60, 60)))
        depth += height * edge * np.exp(-np.maximum(beyond, 0.0))
    return depth
