"""Families of galaxies in which their own light is unusual.

Each function returns the changed body and the rest wavelength in Å where it acts, NaN when
everywhere.
"""

from dataclasses import replace

import numpy as np

from catalog_schema.constants import LIGHT_SPEED
from catalog_schema.lines import LINES
from pipeline.spectra.mock.body import Body
from pipeline.spectra.mock.contaminants import planck
from pipeline.spectra.mock.distributions import from_density, lognormal, normal, uniform
from pipeline.spectra.mock.families.blended import SUPERNOVA_LINES
from pipeline.spectra.mock.galaxies import Galaxy, galaxy_components
from pipeline.spectra.mock.profile import add_gaussian
from pipeline.spectra.mock.stellar_lines import GRID, balmer, step

_FWHM_TO_SIGMA = 1 / 2.3548
# Of a supernova with hydrogen: line, depth, height of the emission over the depth (after
# Filippenko 1997 and Gutiérrez et al. 2017, the numbers assumed).
_HYDROGEN = (
    ("halpha", 0.45, 2.0), ("hbeta", 0.45, 1.0), ("hgamma", 0.35, 0.8), ("hdelta", 0.25, 0.6),
    ("nad", 0.15, 0.8), ("mgb", 0.20, 0.4),
)  # fmt: skip
# Equivalent widths (Å) of broad lines over the nucleus, after Vanden Berk et al. (2001).
_BROAD = {"halpha": 195.0, "hbeta": 46.0, "hgamma": 13.0, "mgii": 32.0, "hei_5877": 5.0}

# Supernovae are found in galaxy spectra (Graur & Maoz 2013); their light over the galaxy's in r,
# 0.11 to 0.98, is assumed. SiII at 10,800 +- 1,000 km/s
# (Wang et al. 2009); photospheres of 10,000 to 14,000 K near maximum (Filippenko 1997).
_RATIO = lognormal(0.32, 0.22, 0.11, 0.98)
SUPERNOVA_IA = {
    "ratio": _RATIO,
    "speed": normal(10_800.0, 1000.0, 9000.0, 15_500.0),
    "temperature": uniform(10_000.0, 14_000.0),
}
# Halpha at 9,600 +- 1,900 km/s fifty days after explosion, faster near maximum (Gutiérrez et al.
# 2017).
SUPERNOVA_II = {
    "ratio": _RATIO,
    "speed": normal(9600.0, 1500.0, 5500.0, 13_500.0),
    "temperature": uniform(6500.0, 12_500.0),
}
# Nuclei with broad lines in galaxies: widths of Hao et al. (2005) and Greene & Ho (2007), from
# 1,200 km/s; light over the stars' at 5100 Å from what is just seen to as much (assumed).
NUCLEUS = {
    "fwhm": lognormal(3200.0, 0.2, 1300.0, 11_000.0),
    "ratio": lognormal(0.4, 0.3, 0.12, 1.8),
    "slope": normal(-1.7, 0.3, -2.4, -0.9),
    "strength": lognormal(1.0, 0.12, 0.45, 2.2),
}
# [OIII] above 500 Å: green peas and extreme emission-line galaxies (Cardamone et al. 2009; Amorín
# et al. 2015), up to 2,000 Å and falling.
EXTREME = {
    "ew": from_density(lambda w: w**-1.8, 510.0, 2400.0),
    "oxygen": uniform(-1.58, -1.22),
    "onset": lognormal(0.05, 0.3, 0.012, 0.3),
}
# After a burst that stopped: Hdelta beyond 9 Å where k+a galaxies begin at 4 or 5 Å (Goto 2007);
# time since then when A stars shine brightest. What is above the deepest of a normal population is
# assumed.
BURST = {"excess": uniform(0.25, 0.85), "onset": uniform(0.45, 0.75)}


def supernova_ia(
    body: Body, rng: np.random.Generator, *, ratio: float, speed: float, temperature: float
) -> tuple[Body, float]:
    """A type Ia supernova near maximum, with P Cygni profiles (Filippenko 1997; Graur 2013)."""
    rest = body.rest
    light = planck(rest, temperature)
    light *= 0.06 + 0.94 / (1 + np.exp((3350 - rest) / 110))
    for wave, share, depth, fwhm in SUPERNOVA_LINES:
        light *= _wind(rest, wave, share * speed, depth, 0.35, fwhm)
    silicon = SUPERNOVA_LINES[-3][0]
    return body.blended(light, ratio), silicon * (1 - speed / LIGHT_SPEED)


def supernova_ii(
    body: Body, rng: np.random.Generator, *, ratio: float, speed: float, temperature: float
) -> tuple[Body, float]:
    """A supernova with hydrogen (Filippenko 1997; Gutiérrez et al. 2017): P Cygni Balmer lines."""
    rest = body.rest
    light = planck(rest, temperature)
    for key, depth, emission in _HYDROGEN:
        light *= _wind(rest, LINES[key].wave, 0.75 * speed, depth, emission, speed)
    return body.blended(light, ratio), LINES["halpha"].wave


def type1_nucleus(
    body: Body,
    rng: np.random.Generator,
    *,
    fwhm: float,
    ratio: float,
    slope: float,
    strength: float,
) -> tuple[Body, float]:
    """Broad lines and the power law of a nucleus (Hao et al. 2005; Greene & Ho 2007).

    `ratio` is its light over the stars' at 5100 Å, `strength` multiplies its equivalent widths.
    """
    rest = body.rest
    at_5100 = float(np.interp(5100.0, rest, body.parts["stars"]))
    nucleus = ratio * at_5100 * (rest / 5100.0) ** slope
    for key, ew in _BROAD.items():
        wave = LINES[key].wave
        level = ratio * at_5100 * (wave / 5100.0) ** slope
        add_gaussian(nucleus, rest, wave, fwhm, strength * ew * level)
    seen = "halpha" if body.of.z < 0.45 else "hbeta" if body.of.z < 0.9 else "mgii"
    return body.changed(nucleus=nucleus), LINES[seen].wave


def extreme_emission(
    body: Body, rng: np.random.Generator, *, ew: float, oxygen: float, onset: float
) -> tuple[Body, float]:
    """[OIII] with `ew` Å, of young stars and poor gas (Cardamone 2009; Amorín et al. 2015)."""
    young = replace(
        _galaxy(body),
        onset=onset,
        decay=0.3,
        recent=1.0,
        oxygen=oxygen,
        agn=0.0,
        ebv=0.05,
        dispersion=70.0,
        halpha=100.0,
    )
    wave = LINES["oiii"].wave
    # On a grid of its own, as the line may lie beyond the spectrum.
    near = np.arange(wave - 12, wave + 12, 0.1)
    unit = galaxy_components(young, near)
    factor = ew / np.trapezoid(unit["gas"] / unit["stars"], near)
    parts = galaxy_components(young, body.rest)
    return replace(body, parts={**parts, "gas": factor * parts["gas"]}), wave


def extreme_balmer(
    body: Body, rng: np.random.Generator, *, excess: float, onset: float
) -> tuple[Body, float]:
    """A burst that ended, with Balmer absorption deeper than any population's (Goto 2007)."""
    ended = replace(
        _galaxy(body), onset=onset, decay=3.0, recent=0.0, halpha=0.4, ebv=0.03, oxygen=-0.45
    )
    parts = galaxy_components(ended, body.rest)
    # High members of the series and their edge deepen with the others.
    depth = np.interp(body.rest, GRID, excess * (balmer(7.0) + 0.3 * step(3720.0, 25.0)))
    return replace(body, parts={**parts, "stars": parts["stars"] * np.exp(-depth)}), LINES[
        "hdelta"
    ].wave


def _galaxy(body: Body) -> Galaxy:
    if not isinstance(body.of, Galaxy):
        raise TypeError("only a galaxy can have the anomaly of a galaxy")
    return body.of


def _wind(
    rest: np.ndarray, wave: float, speed: float, depth: float, emission: float, fwhm: float
) -> np.ndarray:
    """Factor (n,) of a P Cygni profile: absorption at `speed` km/s, `emission` times as high."""
    outflow = (1 - rest / wave) * LIGHT_SPEED
    sigma = fwhm * _FWHM_TO_SIGMA
    absorbed = depth * np.exp(-0.5 * ((outflow - speed) / sigma) ** 2)
    emitted = emission * depth * np.exp(-0.5 * (outflow / (0.9 * sigma)) ** 2)
    return np.asarray(1 - absorbed + emitted)
