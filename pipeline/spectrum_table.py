"""A spectrum that a user hands over as a table of wavelength, flux and inverse variance."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from catalog_schema.desi import WAVE_SIZE, WAVE_START, WAVE_STEP
from pipeline.errors import DataError


def is_spectrum(path: Path) -> bool:
    """Say whether a table has the columns of a spectrum."""
    with path.open() as handle:
        return {"wave", "flux", "ivar"} <= set(handle.readline().strip().split(","))


def read_spectrum(path: Path) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return flux and ivar on DESI's grid, shape (WAVE_SIZE,); ivar is 0 where there is no pixel.

    Raises
    ------
    DataError
        If it is no such table, or its wavelengths are not on DESI's grid.
    """
    try:
        values = np.genfromtxt(path, delimiter=",", names=True)
        wave, flux, ivar = (values[name].astype(float) for name in ("wave", "flux", "ivar"))
    except (ValueError, IndexError) as error:
        raise DataError(f"{path}: no table of wave, flux, ivar ({error})") from None
    pixels = (wave - WAVE_START) / WAVE_STEP
    index = np.rint(pixels).astype(int)
    if np.abs(pixels - index).max() > 0.01 or index.min() < 0 or index.max() >= WAVE_SIZE:
        raise DataError(f"{path}: wavelengths are not on DESI's grid 3600 to 9824 Å in 0.8 Å")
    is_good = np.isfinite(flux) & np.isfinite(ivar) & (ivar > 0)
    joined = np.zeros((2, WAVE_SIZE), np.float32)
    joined[:, index[is_good]] = flux[is_good], ivar[is_good]
    return joined[0], joined[1]
