"""On which wavelengths spectra are sampled, and by which arms: what travels with them."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

_METADATA_KEY = b"qad.sampling"
# Å.
_ROUNDING = 1e-6


@dataclass(frozen=True)
class Grid:
    """Pixels of observed spectra, in vacuum.

    Attributes
    ----------
    start, step : float
        Centre of the first pixel and distance of two, Å; log10 of Å and dex where `is_log`.
    size : int
    is_log : bool
    """

    start: float
    step: float
    size: int
    is_log: bool = False

    @cached_property
    def wave(self) -> NDArray[np.float64]:
        """Pixel centres in Å, shape (size,)."""
        return self.to_wave(np.arange(self.size, dtype=np.float64))

    @property
    def ends(self) -> tuple[float, float]:
        """Centres of the first and the last pixel in Å."""
        return float(self.to_wave(0)), float(self.to_wave(self.size - 1))

    def to_wave(self, pixel: NDArray | float) -> NDArray[np.float64]:
        """Return the wavelength in Å of a place in pixels; halves are edges."""
        place = self.start + self.step * np.asarray(pixel, np.float64)
        return np.power(10.0, place) if self.is_log else place

    def to_pixel(self, wave: NDArray) -> NDArray[np.float64]:
        """Return the place in pixels of a wavelength in Å, shape of `wave`."""
        place = np.log10(wave) if self.is_log else np.asarray(wave, np.float64)
        return np.asarray((place - self.start) / self.step)

    @property
    def rule(self) -> str:
        """How to compute the pixel centres, in numpy."""
        place = f"{self.start} + {self.step} * np.arange({self.size})"
        return f"10 ** ({place})" if self.is_log else place

    def describe(self) -> str:
        """Return the rule, its numbers, unit, medium and frame, as JSON for a file's metadata."""
        rule = "start + step * arange(size)"
        return json.dumps(
            {
                "rule": f"10 ** ({rule})" if self.is_log else rule,
                "start": self.start,
                "step": self.step,
                "size": self.size,
                "unit": "Angstrom",
                "medium": "vacuum",
                "frame": "barycentric, observed",
            }
        )

    def __str__(self) -> str:
        low, high = self.ends
        step = f"{self.step:g} {'dex' if self.is_log else 'Å'}"
        return f"{low:g} to {high:g} Å in {step} in vacuum"


@dataclass(frozen=True)
class Arm:
    """One arm of a spectrograph.

    Attributes
    ----------
    name : str
    first, last : int
        Its first pixel on the grid, and one past its last.
    fwhm : float, optional
        Full width at half maximum of an infinitely narrow line, Å, where it is known. Spectra are
        sampled alike whatever it is.
    """

    name: str
    first: int
    last: int
    fwhm: float | None = field(default=None, compare=False)

    @property
    def pixels(self) -> slice:
        """Its pixels on the grid."""
        return slice(self.first, self.last)


@dataclass(frozen=True)
class Sampling:
    """A survey's grid and the arms that cover it, from blue to red."""

    grid: Grid
    arms: tuple[Arm, ...]

    @property
    def joins(self) -> dict[tuple[str, str], tuple[float, float]]:
        """First and last wavelength in Å that two neighbouring arms share, by their names.

        Where they share none, the last of the one comes after the first of the other.
        """
        ends = {
            (left.name, right.name): self.grid.to_wave(np.array([right.first, left.last - 1]))
            for left, right in pairwise(self.arms)
        }
        return {names: (float(low), float(high)) for names, (low, high) in ends.items()}

    @property
    def spans(self) -> dict[str, tuple[float, float]]:
        """Observed wavelengths in Å that each arm answers for: they hand over amid their joins."""
        middles = [0.5 * (low + high) for low, high in self.joins.values()]
        ends = pairwise([0.0, *middles, float("inf")])
        return {arm.name: span for arm, span in zip(self.arms, ends, strict=True)}

    @property
    def reaches(self) -> dict[str, tuple[float, float]]:
        """The `spans` as far as there are pixels, Å."""
        low, high = self.grid.ends
        return {
            arm: (max(first, low), min(last, high)) for arm, (first, last) in self.spans.items()
        }

    def cut(self, low: float, high: float) -> tuple["Sampling", slice]:
        """Return the sampling between two wavelengths in Å, and the pixels that it keeps.

        A pixel is kept with its centre, ends included; without one the sampling is empty.
        """
        # What rounding leaves between a wavelength and the centre that it names.
        first, last = np.searchsorted(self.grid.wave, [low - _ROUNDING, high + _ROUNDING])
        # The place of a pixel in decimals, as the grid's own start and step are.
        start = round(self.grid.start + self.grid.step * int(first), 9)
        grid = replace(self.grid, start=start, size=int(last - first))
        arms = [(a.name, max(a.first, first), min(a.last, last)) for a in self.arms]
        kept = tuple(Arm(n, int(i - first), int(j - first)) for n, i, j in arms if i < j)
        return Sampling(grid, kept), slice(int(first), int(last))

    def to_json(self) -> dict[str, object]:
        """Return what `from_json` reads, for a card or a footer."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping) -> "Sampling":
        """Read a sampling; KeyError or TypeError if that is none."""
        arms = tuple(Arm(**arm) for arm in values["arms"])
        return cls(Grid(**values["grid"]), arms)


def write_sampling(sampling: Sampling) -> dict[bytes, bytes]:
    """Return the entry of a Parquet schema's metadata that says how its spectra are sampled."""
    return {_METADATA_KEY: json.dumps(sampling.to_json()).encode()}


def read_sampling(metadata: Mapping[bytes, bytes] | None) -> Sampling | None:
    """Return the sampling that a Parquet schema's metadata names; None if it names none."""
    found = (metadata or {}).get(_METADATA_KEY)
    return Sampling.from_json(json.loads(found)) if found else None
