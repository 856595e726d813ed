"""Wavelengths that a user hands over, on the grid of the model that scores them."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from catalog_schema.grids import Grid
from pipeline.errors import DataError
from pipeline.spectra.science.air import to_vacuum
from pipeline.spectra.science.rebin import lay_out

# Of a pixel: what rounding of the wavelengths may cost, and what still tells of another unit.
_TOLERANCE, _ALIKE_IN_AIR = 0.01, 0.15
_UNITS = ((10, "nm"), (1e4, "µm"), (1e10, "m"))


class Placed(NamedTuple):
    """Flux and ivar on a grid, shape (size,); what is to be told of how they came there."""

    flux: NDArray[np.float32]
    ivar: NDArray[np.float32]
    notes: tuple[str, ...]


def place(
    origin: str,
    wave: NDArray[np.float64],
    flux: NDArray[np.float64],
    ivar: NDArray[np.float64],
    grid: Grid,
) -> Placed:
    """Put a spectrum on a grid.

    Wavelengths of the grid itself may come in any order, and stay as they are, values that are not
    finite included. Others are resampled, where they rise or fall from row to row.

    Parameters
    ----------
    origin : str
        The table, for messages.
    wave : ndarray, shape (p,)
        Å in vacuum, finite.
    flux, ivar : ndarray, shape (p,)
    grid : Grid

    Raises
    ------
    DataError
        If the wavelengths repeat, are in no order, or lie beyond the grid: in one line, with what
        they seem to be.
    """
    if _fits_grid(wave, grid):
        return _keep(origin, wave, flux, ivar, grid)
    if strange := _explain(wave, grid):
        raise DataError(f"{origin}: wavelengths are not on {_describe(grid)}{strange}")
    if len(wave) > 1 and np.all(np.diff(wave) < 0):
        wave, flux, ivar = wave[::-1], flux[::-1], ivar[::-1]
    _check_order(origin, wave)
    is_good = np.isfinite(flux) & np.isfinite(ivar) & (ivar > 0)
    laid = lay_out(wave, np.where(is_good, flux, 0), np.where(is_good, ivar, 0), grid, _TOLERANCE)
    told = f"its {len(wave)} wavelengths are resampled to {_describe(grid)}"
    notes = [f"{told}; neighbouring pixels share their noise"]
    if not is_good.all():
        notes.append(f"{int((~is_good).sum())} pixels without flux or ivar are left out")
    if laid.n_beyond:
        notes.append(f"{laid.n_beyond} good pixels lie beyond the grid and are left out")
    return Placed(laid.flux.astype(np.float32), laid.ivar.astype(np.float32), tuple(notes))


def _keep(origin: str, wave: NDArray, flux: NDArray, ivar: NDArray, grid: Grid) -> Placed:
    index = np.rint(grid.to_pixel(wave)).astype(np.intp)
    listed, count = np.unique(index, return_counts=True)
    if (count > 1).any():
        twice = grid.to_wave(listed[count > 1][0])
        raise DataError(f"{origin}: wavelength {twice:.1f} stands in more than one row")
    placed = np.zeros((2, grid.size), np.float32)
    with np.errstate(over="ignore"):
        placed[:, index] = flux, ivar
    return Placed(placed[0], placed[1], ())


def _check_order(origin: str, wave: NDArray) -> None:
    if len(wave) < 2:
        raise DataError(f"{origin}: one wavelength is no spectrum")
    listed, count = np.unique(wave, return_counts=True)
    if (count > 1).any():
        twice = listed[count > 1][0]
        raise DataError(f"{origin}: wavelength {twice:.1f} stands in more than one row")
    wrong = np.flatnonzero(np.diff(wave) <= 0)
    if len(wrong):
        row = int(wrong[0]) + 2
        raise DataError(
            f"{origin}: wavelengths neither rise nor fall from row to row: after row {row - 1}, "
            f"{wave[row - 2]:.1f}, comes {wave[row - 1]:.1f}; sort the rows, and give overlapping "
            "orders or arms as tables of their own"
        )


def _fits_grid(wave: NDArray, grid: Grid, tolerance: float = _TOLERANCE) -> bool:
    with np.errstate(all="ignore"):
        pixels = grid.to_pixel(wave)
        is_near = np.abs(pixels - np.rint(pixels)) <= tolerance
    return bool((is_near & (pixels > -0.5) & (pixels < grid.size - 0.5)).all())


def _overlaps(wave: NDArray, grid: Grid) -> bool:
    low, high = grid.ends
    return bool(((wave >= low) & (wave <= high)).any())


def _explain(wave: NDArray, grid: Grid) -> str:
    """Say what the wavelengths are, where they are none in vacuum on this grid's range."""
    with np.errstate(all="ignore"):
        if _fits_grid(to_vacuum(wave), grid, _ALIKE_IN_AIR):
            return ": they are in air; convert them to vacuum"
        if _overlaps(wave, grid):
            return ""
        for factor, unit in _UNITS:
            if _overlaps(wave * factor, grid):
                return f": they are in {unit}; multiply them by {factor:g} or state the unit"
        if _overlaps(10**wave, grid):
            return ": they are logarithms; give wavelengths"
    return f"; they run from {wave.min():g} to {wave.max():g}"


def _describe(grid: Grid) -> str:
    return f"the model's grid, {grid}"
