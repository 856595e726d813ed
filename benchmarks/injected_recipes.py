"""Normal quasars of real eigen-spectra, and anomalies of recipes that nobody is taught.

They are neither those of the mock survey nor those of the classifier's examples; see
`injected_survey.py`.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from catalog_schema.constants import LIGHT_SPEED
from catalog_schema.desi import SAMPLING

_BIN = 4
WAVE = SAMPLING.grid.wave
# Rest wavelengths (Å) of pairs that one line may be taken for another of.
_CONFUSED = (
    (1215.7, 1549.0),
    (1549.0, 1908.7),
    (1908.7, 2799.0),
    (2799.0, 1908.7),
    (2799.0, 4862.7),
)
_IRON = (2344.2, 2374.5, 2382.8, 2586.7, 2600.2)
_SKY_LINES = (
    5577.3,
    6300.3,
    7276.4,
    7340.9,
    7750.6,
    7993.3,
    8399.2,
    8430.2,
    8885.9,
    9375.9,
    9439.7,
)
_JOINS = (5780.0, 7570.0)
# Redshifts at which the source's quasars are many.
_REDSHIFTS = (0.75, 3.5)


@dataclass(frozen=True)
class Population:
    """Mean and components of the normal quasars on a rest-frame grid, with their coefficients.

    Attributes
    ----------
    wave : ndarray, shape (g,)
        Rest wavelengths, Å.
    mean : ndarray, shape (g,)
    components : ndarray, shape (k, g)
    coefficients : ndarray, shape (n, k)
    norm, z : ndarray, shape (n,)
    sigma : ndarray, shape (n, 7781)
        Noise of each spectrum; infinite where it has no pixel.
    """

    wave: NDArray
    mean: NDArray
    components: NDArray
    coefficients: NDArray
    norm: NDArray
    z: NDArray
    sigma: NDArray

    def draw(self, rng: np.random.Generator) -> "Quasar":
        """Draw a normal quasar: a mixture of two, with the noise of the second."""
        usual = np.flatnonzero((self.z > _REDSHIFTS[0]) & (self.z < _REDSHIFTS[1]))
        one, other = rng.choice(usual, size=2)
        share = rng.uniform(0.5, 1)
        mixed = share * self.coefficients[one] + np.sqrt(1 - share**2) * self.coefficients[other]
        near = np.argsort(np.abs(self.z - self.z[one]))[:30]
        lender = int(rng.choice(near))
        z = float(np.clip(self.z[one] + 0.02 * rng.normal(), *_REDSHIFTS))
        return Quasar(self, mixed, float(self.norm[lender]), z, self.sigma[lender])


@dataclass(frozen=True)
class Quasar:
    """A quasar as it is, before noise; arrays of shape (7781,) in observed wavelength."""

    population: Population
    coefficients: NDArray
    norm: float
    z: float
    sigma: NDArray

    @cached_property
    def basis(self) -> NDArray:
        """Mean and components at the observed pixels, shape (1 + k, 7781)."""
        rows = (self.population.mean, *self.population.components)
        rest = WAVE / (1 + self.z)
        return self.norm * np.stack([np.interp(rest, self.population.wave, row) for row in rows])

    @cached_property
    def flux(self) -> NDArray:
        """Noise-free flux density."""
        flux: NDArray = self.basis[0] + self.coefficients @ self.basis[1:]
        return flux

    @property
    def rest(self) -> NDArray:
        """Rest wavelengths, Å."""
        return WAVE / (1 + self.z)

    @property
    def level(self) -> float:
        """Median flux density."""
        return float(np.median(np.abs(self.flux)))

    def sees(self, *waves: float) -> bool:
        """Tell whether rest wavelengths lie within the spectrum."""
        return all(3700 < wave * (1 + self.z) < 9700 for wave in waves)

    def measure_strength(self, changed: NDArray) -> float:
        """Return how many sigma a changed spectrum lies from the nearest likely normal one."""
        good = np.isfinite(self.sigma)
        weight = _rebin(np.where(good, self.sigma, 1.0) ** -2.0 * good)
        difference = changed - self.basis[0]
        expected = self.flux - self.basis[0]
        return float(
            _distance(difference, self.basis[1:], weight)
            - _distance(expected, self.basis[1:], weight)
        )


def _distance(values: NDArray, components: NDArray, weight: NDArray) -> float:
    """Return the Mahalanobis distance under noise plus components of unit variance."""
    values, components = _rebin(values) / _BIN, _rebin(components) / _BIN
    scaled = components * weight
    inner = np.eye(len(components)) + scaled @ components.T
    projected = scaled @ values
    square = (weight * values**2).sum() - projected @ np.linalg.solve(inner, projected)
    return float(np.sqrt(max(square, 0)))


def _rebin(values: NDArray) -> NDArray:
    whole = values[..., : values.shape[-1] // _BIN * _BIN]
    return whole.reshape(*values.shape[:-1], -1, _BIN).sum(-1)


@dataclass(frozen=True)
class Sources:
    """Light of second sources: smoothed spectra of galaxies (with z) and stars, level 1."""

    galaxies: NDArray
    galaxy_z: NDArray
    stars: NDArray
    population: Population


Recipe = Callable[[Quasar, np.random.Generator, Sources], NDArray | None]


def _gauss(velocity: NDArray, centre: float, width: float) -> NDArray:
    return np.exp(-0.5 * ((velocity - centre) / width) ** 2)


def _add(shapes: Iterable[NDArray]) -> NDArray:
    return np.sum(list(shapes), axis=0)


def _velocity(wave: NDArray, line: float) -> NDArray:
    return (wave / line - 1) * LIGHT_SPEED


def _one_line(q: Quasar, rng: np.random.Generator, _: Sources) -> NDArray:
    shape = _gauss(_velocity(WAVE, rng.uniform(3800, 9600)), 0, rng.uniform(50, 250))
    return q.flux + _scaled(shape, q, rng.uniform(9, 30))


def _line_set(q: Quasar, rng: np.random.Generator, _: Sources) -> NDArray | None:
    z = rng.uniform(0.02, 1.0)
    lines = (
        (3727.1, 0.6),
        (3729.9, 0.8),
        (4862.7, 0.5),
        (4960.3, 0.4),
        (5008.2, 1.2),
        (6564.6, 1.6),
    )
    width = rng.uniform(50, 150)
    shape = _add(
        height * rng.uniform(0.6, 1.6) * _gauss(_velocity(WAVE, wave * (1 + z)), 0, width)
        for wave, height in lines
    )
    return q.flux + _scaled(shape, q, rng.uniform(12, 35))


def _absorber(q: Quasar, rng: np.random.Generator, _: Sources) -> NDArray | None:
    z = rng.uniform(0.6, max(q.z - 0.05, 0.61))
    if z > q.z - 0.04:
        return None
    lines = (
        (2796.35, 1.0),
        (2803.53, 0.9),
        (2852.96, 0.5),
        (2344.2, 0.6),
        (2382.8, 0.8),
        (2586.7, 0.6),
        (2600.2, 0.8),
    )
    depth, width = rng.uniform(0.5, 0.95), rng.uniform(70, 250)
    tau = _add(s * _gauss(_velocity(WAVE, wave * (1 + z)), 0, width) for wave, s in lines)
    return q.flux * np.exp(-depth * 3 * tau)


def _bal(q: Quasar, rng: np.random.Generator, _: Sources) -> NDArray | None:
    if not q.sees(1450.0, 1549.0):
        return None
    tau = np.zeros_like(WAVE)
    for _each in range(rng.integers(1, 4)):
        speed, width, depth = rng.uniform(2500, 22_000), rng.uniform(500, 2500), rng.uniform(0.5, 3)
        for line, share in (
            (1549.0, 1.0),
            (1398.0, 0.4),
            (1240.0, 0.8),
            (1215.7, 0.3),
            (1033.0, 0.8),
        ):
            tau += depth * share * _gauss(_velocity(q.rest, line), -speed, width)
    return q.flux * np.exp(-tau)


def _felobal(q: Quasar, rng: np.random.Generator, _: Sources) -> NDArray | None:
    if not q.sees(2300.0, 2800.0):
        return None
    speed, width = rng.uniform(500, 6000), rng.uniform(400, 2000)
    cover, depth = rng.uniform(0.5, 0.95), rng.uniform(0.5, 4)
    tau = _add(
        depth * share * _gauss(_velocity(q.rest, line), -speed, width)
        for line, share in ((2799.1, 1.0), (1858.0, 0.5), *((wave, 0.7) for wave in _IRON))
    )
    return q.flux * (1 - cover + cover * np.exp(-tau))


def _damped(q: Quasar, rng: np.random.Generator, _: Sources) -> NDArray | None:
    z = q.z - rng.uniform(0.01, 0.3)
    if 1215.7 * (1 + z) < 3800 or z < 2:
        return None
    wave = WAVE / (1 + z)
    column, gamma = 10 ** rng.uniform(20.5, 21.8), 6.265e8
    # Damping wings of Lyman alpha far from its centre.
    offset = LIGHT_SPEED * 1e13 * (1 / 1215.67 - 1 / wave)
    tau = column * 0.0110 * 0.4164 * gamma / (4 * np.pi**2) / np.maximum(offset**2, 1e20)
    return q.flux * np.exp(-np.minimum(tau, 50))


def _dust(q: Quasar, rng: np.random.Generator, _: Sources) -> NDArray:
    # A grey-ish law after Calzetti et al. (2000), or one with a steep far-UV rise.
    inverse = 1e4 / q.rest
    ebv = rng.uniform(0.15, 0.9)
    law = 2.659 * (-2.156 + 1.509 * inverse - 0.198 * inverse**2 + 0.011 * inverse**3) + 4.05
    if rng.random() < 0.5:
        law = 1.39 * inverse**1.2
    dimmed = q.flux * 10 ** (-0.4 * ebv * law)
    return dimmed * q.level / max(np.median(np.abs(dimmed)), 1e-9)


def _lineless(q: Quasar, rng: np.random.Generator, _: Sources) -> NDArray:
    smooth = gaussian_filter1d(np.minimum(q.flux, gaussian_filter1d(q.flux, 300)), 300)
    return q.flux + rng.uniform(0.6, 1.0) * (smooth - q.flux)


def _faded(q: Quasar, rng: np.random.Generator, sources: Sources) -> NDArray | None:
    if q.z > 1.1:
        return None
    light = _redshifted_galaxy(q.z, rng, sources)
    left = rng.uniform(0.05, 0.4)
    return left * q.flux + light * q.level * rng.uniform(0.3, 0.9)


def _star_added(q: Quasar, rng: np.random.Generator, sources: Sources) -> NDArray:
    return q.flux + sources.stars[rng.integers(len(sources.stars))] * q.level * rng.uniform(
        0.2, 1.5
    )


def _star_alone(q: Quasar, rng: np.random.Generator, sources: Sources) -> NDArray:
    return sources.stars[rng.integers(len(sources.stars))] * q.level


def _galaxy_added(q: Quasar, rng: np.random.Generator, sources: Sources) -> NDArray:
    z = rng.uniform(0.05, min(0.9, q.z))
    return q.flux + _redshifted_galaxy(z, rng, sources) * q.level * rng.uniform(0.2, 1.5)


def _quasar_added(q: Quasar, rng: np.random.Generator, sources: Sources) -> NDArray:
    other = sources.population.draw(rng)
    return q.flux + other.flux * q.level / max(other.level, 1e-9) * rng.uniform(0.3, 1.0)


def _wrong_redshift(q: Quasar, rng: np.random.Generator, _: Sources) -> NDArray:
    line, other = _CONFUSED[rng.integers(len(_CONFUSED))]
    true = (1 + q.z) * line / other - 1 if rng.random() < 0.8 else rng.uniform(0.4, 4.0)
    true = float(np.clip(true, *_REDSHIFTS))
    return Quasar(q.population, q.coefficients, q.norm, true, q.sigma).flux


def _split_lines(q: Quasar, rng: np.random.Generator, _: Sources) -> NDArray | None:
    lines = [wave for wave in (2799.1, 4862.7, 6564.6) if q.sees(wave)]
    if not lines:
        return None
    flux, speed, width = q.flux.copy(), rng.uniform(3000, 9000), rng.uniform(1200, 2500)
    for line in lines:
        velocity, half = _velocity(q.rest, line), rng.uniform(0.3, 0.7)
        flux += (
            q.level
            * rng.uniform(0.2, 0.6)
            * (half * _gauss(velocity, -speed, width) + (1 - half) * _gauss(velocity, speed, width))
        )
    return flux


def _bumps(q: Quasar, rng: np.random.Generator, _: Sources) -> NDArray:
    flux = q.flux.copy()
    for _each in range(rng.integers(1, 4)):
        centre, width = rng.uniform(3900, 9500), rng.uniform(30, 250)
        # A saw-tooth rather than a bell.
        shape = np.clip(1 - np.abs(WAVE - centre) / width, 0, None) * (
            1 + np.sign(WAVE - centre) * 0.5
        )
        flux += rng.choice([-0.5, 1.0]) * q.level * rng.uniform(0.2, 1.0) * shape
    return flux


def _step(q: Quasar, rng: np.random.Generator, _: Sources) -> NDArray:
    join = rng.choice(_JOINS)
    side = (join <= WAVE) if rng.random() < 0.5 else (WAVE - join < 0)
    fall = np.exp(-np.abs(WAVE - join) / 10 ** rng.uniform(2.3, 4))
    return q.flux + rng.choice([-1, 1]) * rng.uniform(0.06, 0.4) * q.flux * side * fall


def _sky_lines(q: Quasar, rng: np.random.Generator, _: Sources) -> NDArray:
    shape = _add(rng.exponential() * _gauss(WAVE, line, 1.0) for line in _SKY_LINES)
    bands = _add(
        rng.exponential(0.3) * _gauss(WAVE, centre, 0.9) for centre in rng.uniform(7700, 9700, 60)
    )
    return q.flux + rng.choice([-1, 1]) * _scaled(shape + bands, q, rng.uniform(12, 60))


def _hits(q: Quasar, rng: np.random.Generator, _: Sources) -> NDArray:
    flux = q.flux.copy()
    for _each in range(rng.integers(1, 5)):
        pixel = rng.integers(50, 7700)
        shape = np.zeros_like(flux)
        shape[pixel : pixel + rng.integers(1, 4)] = 1
        flux += _scaled(shape, q, rng.uniform(10, 40))
    return flux


def _pixel_noise(q: Quasar, rng: np.random.Generator, _: Sources) -> NDArray:
    low = rng.choice([3600, 5780, 7570])
    inside = (low < WAVE) & (low + 1900 > WAVE) & (rng.random(WAVE.size) < rng.uniform(0.1, 1))
    noise = np.where(np.isfinite(q.sigma), q.sigma, 0) * rng.normal(size=WAVE.size) * inside
    return q.flux + _scaled(noise, q, rng.uniform(40, 75))


def _ripples(q: Quasar, rng: np.random.Generator, _: Sources) -> NDArray:
    period = rng.uniform(15, 80)
    phase = 2 * np.pi * WAVE / period * (1 + 0.1 * (WAVE - 8500) / 8500)
    inside = 1 / (1 + np.exp(-(WAVE - rng.uniform(7700, 8700)) / 150))
    return q.flux * (
        1 + rng.uniform(0.05, 0.3) * inside * np.sign(np.sin(phase)) * np.abs(np.sin(phase)) ** 0.7
    )


def _ghost(q: Quasar, rng: np.random.Generator, _: Sources) -> NDArray:
    centre, width = rng.uniform(3900, 9400), rng.uniform(60, 500)
    shape = 1 / (1 + ((WAVE - centre) / width) ** 2)
    return q.flux + rng.choice([-1, 1]) * _scaled(shape, q, rng.uniform(20, 80))


def _response(q: Quasar, rng: np.random.Generator, _: Sources) -> NDArray:
    knots = np.linspace(3600, 9824, rng.integers(7, 14))
    return q.flux * (
        1 + rng.uniform(0.05, 0.25) * np.interp(WAVE, knots, rng.normal(size=len(knots)))
    )


# The recipe of each family and the class that is right.
RECIPES: dict[str, tuple[Recipe, str]] = {
    "one_line": (_one_line, "narrow_line"),
    "line_set": (_line_set, "narrow_line"),
    "absorber": (_absorber, "unknown"),
    "bal": (_bal, "bal"),
    "felobal": (_felobal, "felobal"),
    "damped": (_damped, "dla"),
    "dust": (_dust, "reddened"),
    "lineless": (_lineless, "weak_line"),
    "faded": (_faded, "changing_look"),
    "star_added": (_star_added, "blend"),
    "star_alone": (_star_alone, "star"),
    "galaxy_added": (_galaxy_added, "blend"),
    "quasar_added": (_quasar_added, "blend"),
    "wrong_redshift": (_wrong_redshift, "wrong_z"),
    "split_lines": (_split_lines, "double_peaked"),
    "bumps": (_bumps, "unknown"),
    "step": (_step, "artefact"),
    "sky_lines": (_sky_lines, "artefact"),
    "hits": (_hits, "artefact"),
    "pixel_noise": (_pixel_noise, "artefact"),
    "ripples": (_ripples, "artefact"),
    "ghost": (_ghost, "artefact"),
    "response": (_response, "artefact"),
}


def _scaled(shape: NDArray, q: Quasar, significance: float) -> NDArray:
    """Scale a shape to a significance."""
    size = np.sqrt((shape**2 / q.sigma**2).sum())
    return shape * significance / size if size > 0 else shape * 0


def _redshifted_galaxy(z: float, rng: np.random.Generator, sources: Sources) -> NDArray:
    which = rng.integers(len(sources.galaxies))
    at = WAVE * (1 + sources.galaxy_z[which]) / (1 + z)
    return np.interp(at, WAVE, sources.galaxies[which])
