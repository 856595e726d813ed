"""Families of galaxies and stars in which something else shines, or the catalogue is wrong.

Each function returns the changed body and the rest wavelength in Å where it acts, NaN when
everywhere. What the catalogue leads one to expect is its `of` at its `z_catalog`.
"""

from dataclasses import replace

import numpy as np

from catalog_schema.constants import LIGHT_SPEED
from catalog_schema.lines import LINES
from pipeline.spectra.mock import nebular
from pipeline.spectra.mock.body import Body
from pipeline.spectra.mock.distributions import lognormal, normal, uniform
from pipeline.spectra.mock.forest import transmission
from pipeline.spectra.mock.galaxies import draw_galaxy, draw_place, galaxy_components
from pipeline.spectra.mock.instrument import WAVE
from pipeline.spectra.mock.physics import quasar_components
from pipeline.spectra.mock.population import draw_quasar, draw_redshift
from pipeline.spectra.mock.profile import add_gaussian
from pipeline.spectra.mock.stars import draw_star, starlight

# Where a line that nobody expects may lie, away from the ends of the spectrum.
_SEEN = (3950.0, 9500.0)
# Farthest that [OII] is seen.
_FARTHEST = 1.55
# Lines seen in galaxies and the lines for which they are taken.
_CONFUSIONS = (
    ("oii", "oiii"), ("oiii", "halpha"), ("halpha", "oiii"), ("oii", "halpha"), ("hbeta", "halpha"),
    ("caii_k", "mgb"), ("mgb", "nad"), ("halpha", "oii"), ("oiii", "oii"),
)  # fmt: skip

# Lensed emission-line galaxies behind galaxies: line fluxes of some 1e-16 erg/s/cm2 (Bolton et al.
# 2008; Brownstein et al. 2012). That what is found also stands out of the light in front, by an
# equivalent width of a few Å, the spread and the even places are assumed.
EMITTER = {
    "flux": lognormal(14.0, 0.25, 5.0, 70.0),
    "contrast": lognormal(3.5, 0.25, 1.2, 18.0),
    "distance": uniform(0.06, 0.94),
    "oxygen": normal(-0.85, 0.2, -1.4, -0.45),
}
# Two galaxies in one fibre: pairs of similar light, as spectroscopic blends are found (Holwerda et
# al. 2015); ratios assumed.
BACKGROUND = {"ratio": lognormal(0.45, 0.22, 0.17, 1.4), "distance": uniform(0.04, 0.96)}
# Stars in front of galaxies: as bright as these, more or less; assumed.
FOREGROUND = {"ratio": lognormal(0.5, 0.3, 0.13, 2.2)}
# Quasars in the light of a star: as for chance alignments in DESI's targets, fainter (assumed).
BEHIND = {"ratio": lognormal(0.55, 0.2, 0.23, 1.3)}
# One line that no other explains: flux and contrast as of background emitters; widths as of Lyman
# alpha emitters (Ouchi et al. 2008, 180 to 460 km/s FWHM).
ALONE = {
    "flux": lognormal(13.0, 0.25, 5.0, 65.0),
    "contrast": lognormal(4.0, 0.3, 1.3, 22.0),
    "width": lognormal(260.0, 0.11, 180.0, 460.0),
    "place": uniform(0.0, 1.0),
}
# Failures of good galaxies are about one in a hundred (Lan et al. 2023; Hahn et al. 2023), one line
# taken for another or a redshift from nowhere; the shares are assumed.
CONFUSED = {"luck": uniform(0.0, 1.0), "place": uniform(0.0, 1.0)}
# Velocities of stars wrong by several hundred km/s: outliers of repeat observations (Cooper et al.
# 2023); the size is assumed.
VELOCITY = {"speed": normal(600.0, 80.0, 420.0, 880.0), "side": uniform(0.0, 1.0)}


def background_emitter(
    body: Body,
    rng: np.random.Generator,
    *,
    flux: float,
    contrast: float,
    distance: float,
    oxygen: float,
) -> tuple[Body, float]:
    """Lines of a star-forming galaxy behind (Bolton et al. 2008; Brownstein et al. 2012).

    [OII] has `flux` in 1e-17 erg/s/cm2 and `contrast` Å of the light in front; `distance` is the
    place between the nearest redshift, 0.08 beyond its own, and the farthest.
    """
    nearest = max(body.of.z + 0.08, 0.1)
    z = nearest + distance * (_FARTHEST - nearest)
    rest = WAVE / (1 + z)
    ratios = nebular.ratios(oxygen, 0.0, 0.0, rng.uniform(-1, 1, 6))
    light = nebular.lines(rest, ratios, 1.0, rng.uniform(45.0, 110.0), 0.1) / (1 + z)
    wave = LINES["oii"].wave * (1 + z)
    near = np.abs(WAVE - wave) < 15
    unit = np.trapezoid(light[near], WAVE[near])
    light *= (flux + contrast * _level(body, wave)) / unit
    return replace(body, other=body.other + light * body.screen), wave / (1 + body.of.z)


def background_galaxy(
    body: Body, rng: np.random.Generator, *, ratio: float, distance: float
) -> tuple[Body, float]:
    """A second galaxy, farther away, with `ratio` of the light in r (Holwerda et al. 2015)."""
    nearest = max(body.of.z + 0.08, 0.1)
    z = nearest + distance * (1.2 - nearest)
    second = draw_galaxy(rng, "ELG" if rng.random() < 0.4 else "BGS")
    parts = galaxy_components(second, WAVE / (1 + z))
    return body.blended(sum(parts.values(), np.zeros_like(WAVE)), ratio), np.nan


def foreground_star(body: Body, rng: np.random.Generator, *, ratio: float) -> tuple[Body, float]:
    """A star of the Milky Way with `ratio` of the light in r (Cooper et al. 2023)."""
    star = draw_star(rng)
    return body.blended(starlight(star, WAVE / (1 + star.z)), ratio), np.nan


def background_quasar(body: Body, rng: np.random.Generator, *, ratio: float) -> tuple[Body, float]:
    """A quasar in the light of a star, `ratio` of it in r (Chaussidon et al. 2023)."""
    light, _ = _draw_quasar_light(rng, body.of.r_mag)
    return body.blended(light, ratio), np.nan


def unidentified_line(
    body: Body,
    rng: np.random.Generator,
    *,
    flux: float,
    contrast: float,
    width: float,
    place: float,
) -> tuple[Body, float]:
    """One narrow line where none is known, as of a Lyman-alpha emitter (Ouchi et al. 2008)."""
    known = np.array([line.wave for line in LINES.values()]) * (1 + body.of.z)
    wave = _SEEN[0] + place * (_SEEN[1] - _SEEN[0])
    while np.min(np.abs(known / wave - 1)) < 0.004:
        wave = rng.uniform(*_SEEN)
    light = body.other.copy()
    add_gaussian(light, WAVE, wave, width, flux + contrast * _level(body, wave))
    return replace(body, other=light), wave / (1 + body.of.z)


def galaxy_wrong_redshift(
    body: Body, rng: np.random.Generator, *, luck: float, place: float
) -> tuple[Body, float]:
    """Right spectrum, wrong redshift, as one in a hundred (Lan et al. 2023; Hahn et al. 2023).

    Two thirds are a line taken for another, the others anywhere, at least 0.05 (1 + z) away.
    """
    z = body.of.z
    possible = [
        (LINES[seen].wave, (1 + z) * LINES[seen].wave / LINES[taken].wave - 1)
        for seen, taken in _CONFUSIONS
        if _SEEN[0] < LINES[seen].wave * (1 + z) < _SEEN[1]
    ]
    possible = [row for row in possible if 0.02 < row[1] < 1.6]
    if luck < 2 / 3 and possible:
        seen, wrong = possible[int(place * len(possible) * 0.9999)]
        return replace(body, z_catalog=wrong), seen
    wrong = 0.05 + 1.45 * place
    while abs(wrong - z) < 0.05 * (1 + z):
        wrong = rng.uniform(0.05, 1.5)
    return replace(body, z_catalog=wrong), np.nan


def star_called_galaxy(body: Body, rng: np.random.Generator) -> tuple[Body, float]:
    """A star that Redrock calls a galaxy (classes by inspection: Lan et al. 2023)."""
    star = draw_star(rng)
    parts = {"stars": starlight(star, WAVE / (1 + star.z))}
    return replace(body, parts=parts, true_class="star", z_true=star.z), np.nan


def quasar_called_galaxy(body: Body, rng: np.random.Generator) -> tuple[Body, float]:
    """A quasar that Redrock calls a galaxy (Alexander et al. 2023)."""
    light, z = _draw_quasar_light(rng, body.of.r_mag)
    return replace(body, parts={"nucleus": light}, true_class="quasar", z_true=z), np.nan


def quasar_called_star(body: Body, rng: np.random.Generator) -> tuple[Body, float]:
    """A quasar that Redrock calls a star (Alexander et al. 2023)."""
    return quasar_called_galaxy(body, rng)


def galaxy_called_star(body: Body, rng: np.random.Generator) -> tuple[Body, float]:
    """A galaxy that Redrock calls a star (classes by inspection: Lan et al. 2023)."""
    z, _ = draw_place(rng, "BGS")
    light = galaxy_components(draw_galaxy(rng, "BGS"), WAVE / (1 + z))
    return replace(body, parts=light, true_class="galaxy", z_true=z), np.nan


def extreme_velocity(
    body: Body, rng: np.random.Generator, *, speed: float, side: float
) -> tuple[Body, float]:
    """A star whose velocity in the catalogue is wrong by `speed` km/s (Cooper et al. 2023)."""
    offset = (1 if side < 0.5 else -1) * speed / LIGHT_SPEED
    return replace(body, z_catalog=body.of.z + offset), np.nan


def _draw_quasar_light(rng: np.random.Generator, r_mag: float) -> tuple[np.ndarray, float]:
    z = draw_redshift(rng, 0.3, 3.6)
    parts = quasar_components(draw_quasar(rng, z, r_mag), WAVE / (1 + z))
    return np.sum(list(parts.values()), axis=0) * transmission(rng, WAVE, z), z


def _level(body: Body, wave: float) -> float:
    """Flux around an observed wavelength, 1e-17 erg/s/cm2/Å."""
    near = np.abs(WAVE - wave) < 40
    return float(np.median(body.flux()[near]))
