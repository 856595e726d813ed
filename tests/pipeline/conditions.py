"""Conditions of made-up spectra: drawn by name, compared as those of the declaration."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from catalog_schema.spectra import WAIST


@dataclass(frozen=True)
class Conditions:
    """What the statistics of normal spectra depend on, each of shape (n,)."""

    log_snr: NDArray
    z: NDArray
    coverage: NDArray

    @property
    def at(self) -> NDArray[np.float64]:
        """As the waist scales them, shape (n, 3)."""
        return WAIST.locate({"log_snr": self.log_snr, "Z": self.z, "coverage": self.coverage})
