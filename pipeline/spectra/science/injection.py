"""Features planted in real spectra to learn which of them the score would find.

A feature is a shape over a rest-frame window; it is scaled so that its own signal-to-noise ratio,
√(Σ w t²) over the good pixels, is the strength asked for. So strengths of unlike features compare,
and a perfect detector that knows the shape would find all of one strength alike.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from catalog_schema.constants import SECOND_RADIATION_CONSTANT
from catalog_schema.lines import STRONG, waves

# Broad lines that a trough or a lost line may belong to.
_LINES = waves(*STRONG, "halpha")
_LINE_WIDTH = 0.02
_SMOOTHING = 101


@dataclass(frozen=True)
class Host:
    """One window that takes a feature.

    Attributes
    ----------
    rest, observed : ndarray, shape (m,)
        Wavelengths in Å.
    flux, weight : ndarray, shape (m,)
        weight = 0 marks a missing pixel.
    spans : mapping
        Observed wavelengths in Å that each arm answers for.
    """

    rest: NDArray
    observed: NDArray
    flux: NDArray
    weight: NDArray
    spans: Mapping[str, tuple[float, float]]


Shape = Callable[[Host, np.random.Generator], NDArray]


def draw_feature(
    kind: str,
    host: Host,
    strength: float,
    rng: np.random.Generator,
) -> NDArray[np.float32]:
    """Draw a feature of one kind for one window.

    Parameters
    ----------
    kind : str
        One of `SHAPES`.
    host : Host
    strength : float
        Signal-to-noise ratio of the whole feature.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray, shape (m,)
        Flux to add; 0 everywhere if the feature lies where the host has no pixel.
    """
    shape = SHAPES[kind](host, rng)
    significance = np.sqrt((host.weight * shape**2).sum(dtype=np.float64))
    if significance == 0:
        return np.zeros(len(host.flux), np.float32)
    return (shape * (strength / significance) * (host.weight > 0)).astype(np.float32)


def _bump(sign: float, narrowest: float, widest: float) -> Shape:
    def draw(host: Host, rng: np.random.Generator) -> NDArray:
        pixel = rng.choice(np.flatnonzero(host.weight > 0))
        width = np.exp(rng.uniform(np.log(narrowest), np.log(widest)))
        return sign * np.exp(-0.5 * ((np.arange(len(host.rest)) - pixel) / (width / 2.355)) ** 2)

    return draw


def _trough(host: Host, rng: np.random.Generator) -> NDArray:
    """Absorb blueward of a line, as a broad absorption line does."""
    seen = [
        line
        for line in _LINES
        if host.rest[host.weight > 0].min() < 0.95 * line < host.rest[host.weight > 0].max()
    ]
    line = rng.choice(seen or [host.rest[len(host.rest) // 2]])
    speed, width = rng.uniform(0.01, 0.06), rng.uniform(0.005, 0.02)
    depth = np.exp(-(((1 - host.rest / line) - speed) ** 4) / width**4)
    return -_smooth(host.flux, host.weight) * depth


def _reddening(host: Host, rng: np.random.Generator) -> NDArray:
    return -_smooth(host.flux, host.weight) * (1e4 / host.rest) ** 1.2


def _lost_lines(host: Host, rng: np.random.Generator) -> NDArray:
    """Dim all broad lines by one factor."""
    shape = np.zeros(len(host.rest))
    for line in _LINES:
        shape -= np.exp(-0.5 * ((host.rest / line - 1) / _LINE_WIDTH) ** 2)
    return shape


def _cool_star(host: Host, rng: np.random.Generator) -> NDArray:
    """Light of a black body of 2800 to 4500 K with a break at 6200 and 7050 Å, like TiO."""
    planck = (host.observed / 5000) ** -5 / np.expm1(
        SECOND_RADIATION_CONSTANT / host.observed / rng.uniform(2800, 4500)
    )
    return planck * (
        1
        - 0.4 * ((host.observed > 6150) & (host.observed < 6350))
        - 0.5 * ((host.observed > 7050) & (host.observed < 7300))
    )


def _galaxy(host: Host, rng: np.random.Generator) -> NDArray:
    """Light of an old galaxy at another redshift: the 4000 Å break and CaII."""
    own = host.observed / (1 + rng.uniform(0.1, 0.8))
    light = np.where(own > 4000, 1.0, 0.55) * (own / 5000) ** 0.5
    for line in waves("caii_k", "caii_h", "mgb", "nad"):
        light = light * (1 - 0.4 * np.exp(-0.5 * ((own - line) / 6) ** 2))
    return light


def _arm_offset(host: Host, rng: np.random.Generator) -> NDArray:
    low, high = host.spans[rng.choice(list(host.spans))]
    return (
        rng.choice([-1, 1])
        * _smooth(host.flux, host.weight)
        * ((host.observed >= low) & (host.observed < high))
    )


def _sky_residual(host: Host, rng: np.random.Generator) -> NDArray:
    """Add what is proportional to the noise variance, capped where a pixel is all but lost."""
    good = host.weight > 0
    variance = np.divide(1.0, host.weight, out=np.zeros(len(host.weight)), where=good)
    ceiling = np.quantile(variance[good], 0.99)
    return rng.choice([-1, 1]) * np.minimum(variance, ceiling)


def _cosmic_rays(host: Host, rng: np.random.Generator) -> NDArray:
    shape = np.zeros(len(host.rest))
    for pixel in rng.choice(np.flatnonzero(host.weight > 0), 3):
        shape[pixel : pixel + int(rng.integers(1, 4))] += rng.uniform(0.5, 1)
    return shape


def _ripples(host: Host, rng: np.random.Generator) -> NDArray:
    """Interference fringes in the red."""
    period, phase = rng.uniform(18, 45), rng.uniform(0, 2 * np.pi)
    return np.clip((host.observed - 8000) / 1800, 0, 1) * np.sin(
        2 * np.pi * host.observed / period + phase
    )


def _smooth(flux: NDArray, weight: NDArray) -> NDArray:
    """Return the host's continuum, its noise averaged away; never negative."""
    kernel = np.ones(_SMOOTHING)
    total = np.convolve(weight, kernel, mode="same")
    product = np.convolve(weight * flux, kernel, mode="same")
    return np.maximum(np.divide(product, total, out=np.zeros(len(flux)), where=total > 0), 0)


SHAPES: dict[str, Shape] = {
    "narrow_emission": _bump(1.0, 2.0, 8.0),
    "narrow_absorption": _bump(-1.0, 2.0, 8.0),
    "broad_emission": _bump(1.0, 60.0, 400.0),
    "broad_trough": _trough,
    "reddening": _reddening,
    "lost_lines": _lost_lines,
    "cool_star": _cool_star,
    "galaxy": _galaxy,
    "arm_offset": _arm_offset,
    "sky_residual": _sky_residual,
    "cosmic_rays": _cosmic_rays,
    "ripples": _ripples,
}
