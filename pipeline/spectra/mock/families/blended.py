"""Families in which something else shines into the fibre, or the redshift is another's.

Each function returns the changed scene and the rest wavelength in Å where it acts, NaN when
everywhere.
"""

from dataclasses import replace

import numpy as np
from scipy import stats

from catalog_schema.constants import LIGHT_SPEED, SECOND_RADIATION_CONSTANT
from catalog_schema.lines import LINES
from pipeline.spectra.mock.contaminants import galaxy, star
from pipeline.spectra.mock.distributions import Limited, exponential, normal, tabulated, uniform
from pipeline.spectra.mock.forest import transmission
from pipeline.spectra.mock.instrument import WAVE
from pipeline.spectra.mock.physics import quasar_components
from pipeline.spectra.mock.population import (
    draw_quasar,
    draw_redshift,
    luminosity_distance,
    magnitude_to_flux,
)
from pipeline.spectra.mock.scene import R_BAND, Scene

_CM_PER_10_PARSEC = 3.0857e19
# Line seen, line it is taken for, how often. Visual inspection finds one in a hundred of DESI's
# quasar redshifts wrong by more than 3,000 km/s (Alexander et al. 2023); which lines are taken for
# which, and how often, is assumed.
_CONFUSIONS = (
    ("ciii", "mgii", 3.0), ("mgii", "ciii", 2.0), ("civ", "lya", 2.0), ("lya", "civ", 2.0),
    ("civ", "ciii", 2.0), ("ciii", "civ", 1.0), ("mgii", "lya", 2.0), ("hbeta", "mgii", 1.0),
    ("mgii", "hbeta", 1.0),
)  # fmt: skip
# Line, speed over that of SiII 6355, depth and FWHM in km/s of a type Ia supernova at maximum
# (Filippenko 1997).
SUPERNOVA_LINES = (
    (3951.0, 1.2, 0.75, 11_000.0), (4131.0, 1.0, 0.30, 7000.0), (4481.0, 1.1, 0.50, 12_000.0),
    (5018.0, 1.0, 0.45, 13_000.0), (5454.0, 0.9, 0.25, 6000.0), (5640.0, 0.9, 0.35, 6500.0),
    (5972.0, 1.0, 0.20, 7000.0), (6355.0, 1.0, 0.55, 8500.0), (7774.0, 1.1, 0.35, 11_000.0),
    (8579.0, 1.1, 0.55, 13_000.0),
)  # fmt: skip

# Cool dwarfs by effective temperature (types M6 to K5, Pecaut & Mamajek 2013). That most are
# early M, and that star counts grow by 0.2 dex/mag, is assumed.
STAR = {
    "temperature": tabulated(
        (2750.0, 2950.0, 3130.0, 3320.0, 3490.0, 3610.0, 3750.0, 3950.0, 4250.0, 4650.0),
        (1.0, 2.0, 5.0, 8.0, 9.0, 9.0, 10.0, 6.0, 4.0),
    ),
    "faintness": exponential(-1 / (0.2 * np.log(10)), -1.0, 2.8),
}
# Lenses: share of the comoving distance to a lens in a flat universe, from the optical depth of
# Turner, Ostriker & Gott (1984), x^2 (1 - x)^2; luminosity over L* of early types, slope -0.53
# (Choi, Park & Vogeley 2007), weighted by cross-section, which grows as L.
LENS = {
    "distance": Limited(stats.beta(3, 3), 0.04, 0.9),
    "luminosity": Limited(stats.gamma(2 - 0.53), 0.3, 5.0),
    "age": uniform(0.82, 0.99),
    "nebular": exponential(1.5, 0.0, 8.0),
}
# Type Ia supernovae in the host: SiII 6355 at 10,800 +- 1,000 km/s (Wang et al. 2009); peak B of
# -19.1 mag with what phase and dust add, assumed 0.5.
SUPERNOVA = {
    "speed": normal(10_800.0, 1000.0, 9000.0, 15_000.0),
    "magnitude": normal(-19.1, 0.5, -20.2, -17.6),
}
# A second quasar, not bound to the first, as pairs are found (Hennawi et al. 2010); as much fainter
# as quasar counts allow, which grow by 0.3 dex/mag (Chaussidon et al. 2023).
PAIR = {"faintness": exponential(-1 / (0.3 * np.log(10)), -0.4, 2.1)}
# Wrong redshifts: a line taken for another with the peak a little off, and a third of them nowhere
# near. Shares and offsets are assumed.
CONFUSED = {"luck": uniform(0.0, 1.0), "offset": normal(0.0, 900.0, -2500.0, 2500.0)}


def star_blend(
    scene: Scene, rng: np.random.Generator, *, temperature: float, faintness: float
) -> tuple[Scene, float]:
    """A cool dwarf of the Milky Way (Pecaut & Mamajek 2013), `faintness` mag fainter."""
    return _blend(scene, star(WAVE, temperature), faintness), np.nan


def lens_blend(
    scene: Scene,
    rng: np.random.Generator,
    *,
    distance: float,
    luminosity: float,
    age: float,
    nebular: float,
) -> tuple[Scene, float]:
    """A lens galaxy in front (Turner, Ostriker & Gott 1984; Choi, Park & Vogeley 2007).

    `distance` is the share of the comoving distance; L* is -20.9 mag (AB) at rest 5100 Å, half of
    which enters the fibre; `nebular` is the equivalent width of [OII]. In r it is at most as bright
    as the quasar: what outshines it is no target.
    """
    z = _find_redshift(distance, scene.quasar.z)
    light = galaxy(WAVE / (1 + z), age, 230.0, nebular)
    light *= 0.5 * luminosity * _flux_at(z, -20.9)
    light *= scene.screen
    light *= min(1.0, scene.flux()[R_BAND].mean() / light[R_BAND].mean())
    return replace(scene, other=scene.other + light), 4000 * (1 + z) / (1 + scene.quasar.z)


def supernova(
    scene: Scene, rng: np.random.Generator, *, speed: float, magnitude: float
) -> tuple[Scene, float]:
    """A type Ia supernova at maximum in the host (Filippenko 1997; Wang et al. 2009)."""
    rest = scene.rest
    light = (
        (rest / 5100) ** -5
        * np.expm1(SECOND_RADIATION_CONSTANT / (5100 * 12_000))
        / np.expm1(SECOND_RADIATION_CONSTANT / (rest * 12_000))
    )
    # Iron-peak lines all but close the ultraviolet.
    light *= 0.05 + 0.95 / (1 + np.exp((3400 - rest) / 120))
    for wave, share, depth, fwhm in SUPERNOVA_LINES:
        outflow = (1 - rest / wave) * LIGHT_SPEED
        light *= 1 - depth * np.exp(-0.5 * ((outflow - share * speed) / (fwhm / 2.3548)) ** 2)
    other = scene.other + light * _flux_at(scene.quasar.z, magnitude) * scene.screen
    return replace(scene, other=other), 6355 * (1 - speed / LIGHT_SPEED)


def binary_quasar(
    scene: Scene, rng: np.random.Generator, *, faintness: float
) -> tuple[Scene, float]:
    """A second quasar of another redshift in the fibre (Hennawi et al. 2010)."""
    z = draw_redshift(rng)
    while abs(z - scene.quasar.z) < 0.1 * (1 + scene.quasar.z):
        z = draw_redshift(rng)
    second = draw_quasar(rng, z, scene.quasar.r_mag)
    parts = quasar_components(second, WAVE / (1 + z))
    light = np.sum(list(parts.values()), axis=0) * transmission(rng, WAVE, z)
    return _blend(scene, light, faintness), np.nan


def wrong_redshift(
    scene: Scene, rng: np.random.Generator, *, luck: float, offset: float
) -> tuple[Scene, float]:
    """Right spectrum, wrong redshift, as one in a hundred (Alexander et al. 2023).

    Two thirds are a line taken for another, `offset` km/s from where that would lie, the others
    anywhere, at least 0.1 (1 + z) away. `luck` below two thirds picks the lines.
    """
    z = scene.quasar.z
    possible = [
        (
            seen,
            (1 + z) * LINES[seen].wave / LINES[taken].wave * (1 + offset / LIGHT_SPEED) - 1,
            weight,
        )
        for seen, taken, weight in _CONFUSIONS
        if WAVE[0] + 150 < LINES[seen].wave * (1 + z) < WAVE[-1] - 150
    ]
    possible = [row for row in possible if 0.05 < row[1] < 4.6]
    if luck < 2 / 3 and possible:
        chances = np.cumsum([weight for _, _, weight in possible])
        seen, wrong, _ = possible[int(np.searchsorted(chances, luck * 1.5 * chances[-1]))]
        return replace(scene, z_catalog=wrong), LINES[seen].wave
    wrong = rng.uniform(0.1, 4.5)
    while abs(wrong - z) < 0.1 * (1 + z):
        wrong = rng.uniform(0.1, 4.5)
    return replace(scene, z_catalog=wrong), np.nan


def _blend(scene: Scene, light: np.ndarray, faintness: float) -> Scene:
    """Add light that is `faintness` mag fainter in r than the scene, behind the same Milky Way."""
    light = light * scene.screen
    level = 10 ** (-0.4 * faintness) * scene.flux()[R_BAND].mean() / light[R_BAND].mean()
    return replace(scene, other=scene.other + level * light)


def _flux_at(z: float, magnitude: float) -> float:
    """Flux at rest 5100 Å, 1e-17 erg/s/cm2/Å observed, of an absolute AB magnitude there."""
    near = magnitude_to_flux(magnitude) * (6420.0 / 5100.0) ** 2
    return near * (_CM_PER_10_PARSEC / luminosity_distance(z)) ** 2 / (1 + z)


def _find_redshift(share: float, z: float) -> float:
    """Redshift at a share of the comoving distance to `z`."""
    grid = np.linspace(0.0, z, 200)
    comoving = np.array([luminosity_distance(at) / (1 + at) for at in grid])
    return float(np.interp(share * comoving[-1], comoving, grid))
