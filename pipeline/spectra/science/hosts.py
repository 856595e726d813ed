"""Ordinary spectra in which phenomena are planted."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.spectra.science.envelope import BIN, find_envelope

# Ends of what a parameter is drawn from, by its name.
Ranges = dict[str, tuple[float, float]]


@dataclass(frozen=True)
class Host:
    """One ordinary spectrum in its window, arrays of shape (m,).

    Attributes
    ----------
    rest, observed : ndarray
        Wavelengths in Å.
    model : ndarray
        Noise-free reconstruction over the norm.
    weight : ndarray
        Inverse variance of the noise; 0 where there is no pixel.
    z : float
    spans : tuple of tuple of float
        Observed wavelengths in Å that each arm answers for.
    """

    rest: NDArray
    observed: NDArray
    model: NDArray
    weight: NDArray
    z: float
    spans: tuple[tuple[float, float], ...]

    def sees(self, wave: float, margin: float = 0.03) -> bool:
        """Tell whether a rest wavelength and its surroundings have pixels."""
        near = np.abs(self.rest / wave - 1) < margin
        return bool(near.any() and (self.weight[near] > 0).mean() > 0.8)

    @property
    def continuum(self) -> NDArray:
        """Lower envelope of the model, shape (m,)."""
        smooth = find_envelope(self.model.reshape(-1, BIN).mean(1))
        return np.minimum(np.repeat(smooth, BIN), self.model)

    @property
    def level(self) -> float:
        """Median of the model over the good pixels."""
        return float(np.median(np.abs(self.model[self.weight > 0])))

    def median(self, light: NDArray) -> float:
        """Return the median of some light over the good pixels, at least 0.001."""
        return max(float(np.median(light[self.weight > 0])), 1e-3)

    def scale(self, shape: NDArray, significance: float) -> NDArray:
        """Return a shape as large as to have a significance over the noise, shape (m,)."""
        size = np.sqrt((self.weight * shape**2).sum())
        return shape * significance / size if size > 0 else shape * 0


Draw = Callable[[Host, np.random.Generator], NDArray | None]


def draw_even(ranges: Ranges, rng: np.random.Generator) -> dict[str, float]:
    """Draw every parameter evenly."""
    return {name: rng.uniform(*limits) for name, limits in ranges.items()}


def draw_log(limits: tuple[float, float], rng: np.random.Generator) -> float:
    """Draw a number evenly in its logarithm."""
    return float(np.exp(rng.uniform(*np.log(limits))))
