"""Families in which the quasar's own light is unusual.

Each function returns the changed scene and the rest wavelength in Å where it acts, NaN when
everywhere.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from catalog_schema.constants import LIGHT_SPEED
from catalog_schema.lines import LINES
from pipeline.spectra.mock.distributions import (
    exponential,
    from_density,
    lognormal,
    normal,
    uniform,
)
from pipeline.spectra.mock.dust import smc_transmission
from pipeline.spectra.mock.families.disc import disc_profile
from pipeline.spectra.mock.instrument import WAVE
from pipeline.spectra.mock.physics import (
    BROAD_LINES,
    broad_equivalent_width,
    broad_lines,
    continuum,
)
from pipeline.spectra.mock.population import Quasar, luminosity_distance
from pipeline.spectra.mock.profile import add_gaussian
from pipeline.spectra.mock.scene import Scene

_LINES = {line.key: line for line in BROAD_LINES}
_BALMER = ("halpha", "hbeta", "hgamma", "hdelta")
_OIII = ((LINES["oiii"].wave, 1.0), (LINES["oiii_4960"].wave, 1 / 2.98))

# Lyman alpha with NV below 15.4 Å, three sigma under the log-normal of ordinary quasars (median
# 63.6 Å, 0.205 dex; Diamond-Stanic et al. 2009); even between 2 Å and that is assumed.
WEAK = {"ew": uniform(2.0, 15.4)}
# Discs of the double-peaked emitters of Strateva et al. (2003): inclinations below 50°, inner radii
# of 200 to 800, outer ones above 2,000 G M / c², emissivity slopes of 1.0 to 2.5, local broadening
# of 780 to 1,800 km/s. Random axes; below 15° no peaks are seen.
DISC = {
    "inclination": from_density(lambda i: np.sin(np.radians(i)), 15.0, 50.0),
    "inner": uniform(200.0, 800.0),
    "outer": uniform(2000.0, 6000.0),
    "slope": uniform(1.0, 2.5),
    "turbulence": uniform(780.0, 1800.0),
}
# Changes of more than 1 mag in g, as MacLeod et al. (2016, 2019) select; the tail of magnitude
# changes is exponential (MacLeod et al. 2012), its scale here assumed.
CHANGED = {"dimming": exponential(0.5, 1.05, 4.0)}
# Lyman-alpha emitters behind or beside: Schechter function of slope -1.5 and log L* = 42.76 (Ouchi
# et al. 2008, z = 3.1); above 43.0, what one exposure shows. Widths of 180 to 460 km/s and how
# skewed the profiles are: as is usual for them, shape assumed.
EMITTER = {
    "log_luminosity": from_density(
        lambda log: 10 ** (-0.5 * (log - 42.76)) * np.exp(-(10 ** (log - 42.76))), 43.0, 44.2
    ),
    "redshift": uniform(2.3, 6.4),
    "width": lognormal(280.0, 0.1, 180.0, 460.0),
    "skew": uniform(1.2, 3.5),
}
# Iron over Hbeta: the spectra of Boroson & Green (1992) end near 2, those of Shen & Ho (2014) near
# 3; extreme accretors lie above 1 (Marziani & Sulentic 2014). The exponential fall is assumed.
IRON = {"ratio": exponential(0.45, 1.2, 3.2)}
# [OIII] of extremely red quasars: 90 % widths of 2,053 to 7,227 km/s (Perrotta et al. 2019),
# blueshifts up to 1,500 km/s (Zakamska et al. 2016); equivalent widths assumed.
OUTFLOW = {
    "width_90": uniform(2053.0, 7227.0),
    "blueshift": uniform(0.0, 1500.0),
    "ew": lognormal(45.0, 0.25, 15.0, 150.0),
}
# Nitrogen-rich quasars: NIV] or NIII] above 3 Å, much stronger NV (Jiang, Fan & Vestergaard 2008);
# the exponential fall and the factors are assumed, up to what Bentz et al. (2004) show.
NITROGEN = {
    "ew": exponential(3.0, 3.0, 18.0),
    "ratio": lognormal(0.6, 0.2, 0.2, 2.0),
    "boost": uniform(1.6, 3.0),
}
# Chromatic microlensing of continua alone by 0.2 to 0.6 mag, here between rest 1500 and 5000 Å,
# with sizes that grow as wavelength to the power 1.1 +- 0.4 (Motta et al. 2012).
LENSED = {"chromaticity": uniform(0.2, 0.6), "power": normal(1.1, 0.4, 0.4, 2.0)}


def weak_line(scene: Scene, rng: np.random.Generator, *, ew: float) -> tuple[Scene, float]:
    """High-ionisation lines nearly absent (Diamond-Stanic et al. 2009).

    `ew` is that of Lyman alpha with NV. Low-ionisation lines are not exceptionally weak (Plotkin et
    al. 2015): that the Balmer lines are ordinary and MgII keeps the square root of the factor is
    assumed.
    """
    own = sum(broad_equivalent_width(scene.quasar, _LINES[name]) for name in ("lya", "nv"))
    factor = min(ew / own, 1.0)
    factors = {name: factor for name in _LINES if _LINES[name].wave < 2700}
    return _scale_lines(scene, factors | {"mgii": np.sqrt(factor)}), np.nan


def double_peaked(
    scene: Scene,
    rng: np.random.Generator,
    *,
    inclination: float,
    inner: float,
    outer: float,
    slope: float,
    turbulence: float,
) -> tuple[Scene, float]:
    """Low-ionisation lines from a disc (Eracleous & Halpern 1994, 2003; Strateva et al. 2003)."""
    quasar, rest = scene.quasar, scene.rest
    names = ("mgii", *_BALMER)
    light = np.zeros_like(rest)
    for name in names:
        line = _LINES[name]
        velocity = (rest / line.wave - 1) * LIGHT_SPEED
        profile = disc_profile(velocity, inclination, inner, outer, slope, turbulence)
        light += _line_flux(quasar, name) * profile * LIGHT_SPEED / line.wave
    removed = _scale_lines(scene, dict.fromkeys(names, 0.0))
    light *= smc_transmission(rest, quasar.ebv_smc)
    broad = removed.parts["broad"] + light
    return scene.changed(broad=broad), _LINES["mgii" if quasar.z > 0.9 else "hbeta"].wave


def changing_look(scene: Scene, rng: np.random.Generator, *, dimming: float) -> tuple[Scene, float]:
    """Continuum and Balmer lines faded by `dimming` mag in g (MacLeod et al. 2016, 2019).

    MgII follows with a power of 0.4, which is assumed: it changes by as much as the continuum in
    one object and hardly at all in another (Homan et al. 2020). Host and narrow lines stay.
    """
    left = 10 ** (-0.4 * dimming)
    factors = dict.fromkeys(_LINES, left) | {"mgii": left**0.4}
    faded = {key: scene.parts[key] * left for key in ("continuum", "iron")}
    return _scale_lines(scene, factors).changed(**faded), _LINES["hbeta"].wave


def narrow_line_unidentified(
    scene: Scene,
    rng: np.random.Generator,
    *,
    log_luminosity: float,
    redshift: float,
    width: float,
    skew: float,
) -> tuple[Scene, float]:
    """A Lyman-alpha emitter in the fibre (Ouchi et al. 2008): one line, steep on its blue side.

    It is moved where a line of the quasar would hide it. `width` is its FWHM in km/s, `skew` the
    width of the red half over that of the blue one.
    """
    known = np.array([line.wave for line in BROAD_LINES]) * (1 + scene.quasar.z)
    wave = _LINES["lya"].wave * (1 + redshift)
    while np.min(np.abs(known / wave - 1)) < 0.015:
        wave = rng.uniform(4100, 9000)
    distance = luminosity_distance(wave / _LINES["lya"].wave - 1)
    strength = 10**log_luminosity / (4 * np.pi * distance**2) * 1e17
    blue = wave * width / LIGHT_SPEED / (1.1774 * (1 + skew))
    sigma = np.where(wave > WAVE, blue, blue * skew)
    shape = np.exp(-0.5 * ((WAVE - wave) / sigma) ** 2)
    line = strength * shape / (np.sqrt(np.pi / 2) * blue * (1 + skew))
    return replace(scene, other=scene.other + line), wave / (1 + scene.quasar.z)


def extreme_iron(scene: Scene, rng: np.random.Generator, *, ratio: float) -> tuple[Scene, float]:
    """Iron at 4434-4684 Å `ratio` times as strong as Hbeta (Boroson & Green 1992; Shen & Ho 2014).

    Ultraviolet and optical iron grow alike.
    """
    hbeta = broad_equivalent_width(scene.quasar, _LINES["hbeta"])
    factor = max(ratio * hbeta / scene.quasar.iron_optical, 1.0)
    return scene.changed(iron=scene.parts["iron"] * factor), 2500.0


def oiii_outflow(
    scene: Scene,
    rng: np.random.Generator,
    *,
    width_90: float,
    blueshift: float,
    ew: float,
) -> tuple[Scene, float]:
    """A giant outflow of [OIII] (Zakamska et al. 2016; Perrotta et al. 2019).

    `width_90` holds 90 % of the line's light, km/s; a Gaussian's is 1.397 times its FWHM.
    """
    narrow = scene.parts["narrow"].copy()
    for wave, share in _OIII:
        strength = ew * share * float(continuum(scene.quasar, np.array([wave]))[0])
        centre = wave * (1 - blueshift / LIGHT_SPEED)
        add_gaussian(narrow, scene.rest, centre, width_90 / 1.397, strength)
    return scene.changed(narrow=narrow), _OIII[0][0] * (1 - blueshift / LIGHT_SPEED)


def nitrogen_rich(
    scene: Scene, rng: np.random.Generator, *, ew: float, ratio: float, boost: float
) -> tuple[Scene, float]:
    """Strong NIII], NIV] and NV (Jiang, Fan & Vestergaard 2008; Bentz et al. 2004).

    `ew` is that of NIII] in Å, `ratio` that of NIV] over it, `boost` the factor of NV.
    """
    wanted = {"niii": ew, "niv": ew * ratio}
    factors = {
        name: max(value / broad_equivalent_width(scene.quasar, _LINES[name]), 1.0)
        for name, value in wanted.items()
    }
    return _scale_lines(scene, factors | {"nv": boost}), _LINES["niii"].wave


def microlensed(
    scene: Scene, rng: np.random.Generator, *, chromaticity: float, power: float
) -> tuple[Scene, float]:
    """Continuum magnified by stars of a lens, lines not (Motta et al. 2012).

    The smaller the source, the more: `chromaticity` mag more at rest 1500 Å than at 5000 Å.
    """
    fall = (scene.rest / 3000.0) ** -power
    amplitude = chromaticity / (0.5**-power - (5 / 3) ** -power)
    return scene.changed(continuum=scene.parts["continuum"] * 10 ** (0.4 * amplitude * fall)), (
        np.nan
    )


def _line_flux(quasar: Quasar, name: str) -> float:
    line = _LINES[name]
    level = float(continuum(quasar, np.array([line.wave]))[0])
    return broad_equivalent_width(quasar, line) * level


def _scale_lines(scene: Scene, factors: Mapping[str, float]) -> Scene:
    """The scene with some broad lines multiplied by factors."""
    scatter = scene.quasar.line_scatter.copy()
    for name, factor in factors.items():
        scatter[BROAD_LINES.index(_LINES[name])] += np.log10(max(factor, 1e-9))
    dust = smc_transmission(scene.rest, scene.quasar.ebv_smc)
    lines = broad_lines(replace(scene.quasar, line_scatter=scatter), scene.rest) * dust
    return scene.changed(broad=lines)
