"""Families of stars in which their own light is unusual.

Each function returns the changed body and the rest wavelength in Å where it acts, NaN when
everywhere. A star of a rare kind takes the place of the one drawn; its `of` is what an ordinary
star of its temperature would be.
"""

from dataclasses import replace

import numpy as np
from scipy.ndimage import gaussian_filter1d

from catalog_schema.constants import LIGHT_SPEED
from catalog_schema.lines import LINES
from pipeline.spectra.mock import stellar_lines
from pipeline.spectra.mock.body import Body
from pipeline.spectra.mock.distributions import lognormal, uniform
from pipeline.spectra.mock.profile import add_gaussian
from pipeline.spectra.mock.stars import WHITE_DWARF_GRAVITY, Star, dwarf_gravity, starlight
from pipeline.spectra.mock.stellar_lines import GRID

# Fluxes over Halpha in active M dwarfs (Bochanski et al. 2007; Fuhrmeister et al. 2008).
_FLARE = {"halpha": 1.0, "hbeta": 0.36, "hgamma": 0.22, "hdelta": 0.17, "caii_k": 0.13}
# Equivalent widths over Halpha of discs in cataclysmic variables (Szkody et al. 2011, tables).
_DISC = {
    "halpha": 1.0,
    "hbeta": 0.60,
    "hgamma": 0.40,
    "hdelta": 0.28,
    "hei_5877": 0.22,
    "hei_7067": 0.12,
    "heii_4687": 0.18,
}
# Lines of metals in cool helium atmospheres, depth and half width in Å (Dufour et al. 2007).
_METALS = {
    "caii_k": (1.6, 1.0),
    "caii_h": (1.4, 1.0),
    "cai": (0.5, 0.5),
    "mgb": (0.5, 0.8),
    "nad": (0.4, 0.5),
    "fei_4385": (0.3, 0.8),
    "caii_8544": (0.5, 0.4),
    "caii_8665": (0.4, 0.4),
}

# Active M dwarfs in flare: equivalent widths of Halpha of quiescent ones are 1 to 10 Å (West et al.
# 2011); flares multiply it (Fuhrmeister et al. 2008); continuum of 10,000 K (Kowalski et al. 2013).
FLARE = {
    "temperature": uniform(2950.0, 3750.0),
    "ew": lognormal(14.0, 0.22, 6.0, 75.0),
    "hot": lognormal(0.05, 0.4, 0.004, 0.45),
}
# Cataclysmic variables of SDSS (Szkody et al. 2011; Inight et al. 2023).
CATACLYSM = {
    "ew": lognormal(65.0, 0.25, 18.0, 190.0),
    "fwhm": lognormal(1300.0, 0.16, 550.0, 2900.0),
    "slope": uniform(-2.9, -1.3),
    "donor": lognormal(0.12, 0.4, 0.01, 0.8),
}
# White dwarfs with M dwarfs (Rebassa-Mansergas et al. 2012: 8,000 to 40,000 K, M2 to M6); light
# ratios at 6420 Å assumed.
COMPOSITE = {
    "hot": lognormal(16_500.0, 0.15, 8500.0, 38_000.0),
    "cool": uniform(2950.0, 3550.0),
    "ratio": lognormal(0.9, 0.27, 0.22, 4.2),
}
# Carbon dwarfs and giants (Green 2013; Si et al. 2014); scale of the bands assumed.
CARBON = {
    "temperature": uniform(3600.0, 5100.0),
    "swan": lognormal(0.9, 0.2, 0.33, 2.6),
    "cyanogen": uniform(0.4, 1.7),
}
# DQ white dwarfs with Swan bands: 6,500 to 10,000 K (Dufour, Bergeron & Fontaine 2005).
CARBON_DWARF = {"temperature": uniform(6600.0, 9900.0), "swan": lognormal(0.7, 0.2, 0.28, 2.1)}
# DZ: 6,000 to 12,000 K, most cool (Dufour et al. 2007); widths to 100 Å in the coolest.
METAL_DWARF = {"temperature": uniform(6100.0, 10_400.0), "width": lognormal(22.0, 0.2, 8.0, 75.0)}
# Fields that split the Balmer lines into three: 2 to 15 MG of the many (Külebi et al. 2009; Kepler
# et al. 2013); log-normal assumed.
MAGNETIC = {
    "temperature": lognormal(13_000.0, 0.12, 8200.0, 24_000.0),
    "field": lognormal(5.0, 0.22, 2.2, 14.5),
}


def flare_star(
    body: Body, rng: np.random.Generator, *, temperature: float, ew: float, hot: float
) -> tuple[Body, float]:
    """An M dwarf with Balmer emission in flare (West et al. 2011; Kowalski et al. 2013).

    `ew` is of Halpha in Å, `hot` the light of the flare over the star's at 5100 Å.
    """
    dwarf = _dwarf(body, temperature)
    rest = body.rest
    light = starlight(dwarf, rest)
    level = float(np.interp(LINES["halpha"].wave, rest, light))
    flare = hot * np.interp(rest, GRID, stellar_lines.unit_planck(10_000.0))
    for key, share in _FLARE.items():
        add_gaussian(flare, rest, LINES[key].wave, 150.0, ew * level * share)
    return _become(body, dwarf, stars=light, flare=flare), LINES["halpha"].wave


def cataclysmic(
    body: Body, rng: np.random.Generator, *, ew: float, fwhm: float, slope: float, donor: float
) -> tuple[Body, float]:
    """A disc with lines of hydrogen and helium beside an M dwarf (Szkody 2011; Inight 2023).

    `ew` is of Halpha in Å, `donor` the dwarf's light over the disc's at 5100 Å.
    """
    rest = body.rest
    disc = (rest / 5100.0) ** slope
    for key, share in _DISC.items():
        wave = LINES[key].wave
        level = (wave / 5100.0) ** slope
        # Two peaks of a disc.
        for side in (-1, 1):
            centre = wave * (1 + side * 0.36 * fwhm / LIGHT_SPEED)
            add_gaussian(disc, rest, centre, 0.5 * fwhm, 0.5 * ew * share * level)
    cool = donor * starlight(_dwarf(body, 3300.0), rest)
    hot = replace(_star(body), temperature=9500.0, gravity=4.2)
    return _become(body, hot, stars=cool, disc=disc), LINES["halpha"].wave


def white_dwarf_red_dwarf(
    body: Body, rng: np.random.Generator, *, hot: float, cool: float, ratio: float
) -> tuple[Body, float]:
    """A white dwarf with an M dwarf, `ratio` of its light in r (Rebassa-Mansergas et al. 2012)."""
    white = replace(_star(body), temperature=hot, gravity=WHITE_DWARF_GRAVITY)
    alone = _become(body, white, stars=starlight(white, body.rest))
    return alone.blended(starlight(_dwarf(body, cool), body.rest), ratio), np.nan


def carbon_star(
    body: Body, rng: np.random.Generator, *, temperature: float, swan: float, cyanogen: float
) -> tuple[Body, float]:
    """A cool star with bands of C2 and CN (Green 2013; Barnbaum, Stone & Keenan 1996)."""
    dwarf = _dwarf(body, temperature)
    depth = swan * stellar_lines.carbon() + cyanogen * stellar_lines.cyanogen()
    bands = np.exp(-np.interp(body.rest, GRID, depth))
    return _become(body, dwarf, stars=starlight(dwarf, body.rest) * bands), LINES["c2_5167"].wave


def carbon_white_dwarf(
    body: Body, rng: np.random.Generator, *, temperature: float, swan: float
) -> tuple[Body, float]:
    """A DQ white dwarf: Swan bands, smeared, and no hydrogen (Dufour et al. 2005)."""
    depth = gaussian_filter1d(swan * stellar_lines.carbon(), 40.0)
    light = stellar_lines.unit_planck(temperature) * np.exp(-depth)
    return _become_white(body, temperature, light), LINES["c2_5167"].wave


def metal_white_dwarf(
    body: Body, rng: np.random.Generator, *, temperature: float, width: float
) -> tuple[Body, float]:
    """A DZ white dwarf: broad lines of calcium and other metals (Dufour et al. 2007).

    `width` is the half width of Ca II K in Å.
    """
    depth = np.zeros_like(GRID)
    for key, (peak, share) in _METALS.items():
        depth += peak / (1 + ((GRID - LINES[key].wave) / (share * width)) ** 2)
    light = stellar_lines.unit_planck(temperature) * np.exp(-depth)
    return _become_white(body, temperature, light), LINES["caii_k"].wave


def magnetic_white_dwarf(
    body: Body, rng: np.random.Generator, *, temperature: float, field: float
) -> tuple[Body, float]:
    """Balmer lines split in three by `field` MG (linear Zeeman effect; Külebi et al. 2009)."""
    split = 0.467 * field * (LINES["hbeta"].wave / 1000.0) ** 2
    light = stellar_lines.unit_planck(temperature)
    light *= np.exp(-1.1 * stellar_lines.balmer(13.0, split))
    return _become_white(body, temperature, light), LINES["hbeta"].wave


def _star(body: Body) -> Star:
    if not isinstance(body.of, Star):
        raise TypeError("only a star can have the anomaly of a star")
    return body.of


def _dwarf(body: Body, temperature: float) -> Star:
    return replace(_star(body), temperature=temperature, gravity=dwarf_gravity(temperature))


def _become_white(body: Body, temperature: float, light: np.ndarray) -> Body:
    white = replace(_star(body), temperature=temperature, gravity=WHITE_DWARF_GRAVITY)
    return _become(body, white, stars=np.interp(body.rest, GRID, light))


def _become(body: Body, of: Star, **parts: np.ndarray) -> Body:
    return replace(body, of=of, parts=parts)
