"""Reading DESI's FITS files: tables by column, spectra by HDU name, every fault in one line."""

import warnings
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.utils.exceptions import AstropyWarning
from numpy.typing import NDArray

from catalog_schema.desi import ARM_PIXELS, WAVE_SIZE, WAVE_START, WAVE_STEP
from pipeline.errors import DataError
from pipeline.science.coadd import ArmSpectra

# Wavelengths are multiples of 0.8 Å to rounding; a shift of 1 % of a pixel is another grid.
_WAVE_TOLERANCE = 0.01 * WAVE_STEP
_READ_FAULTS = (OSError, ValueError, TypeError, KeyError, IndexError, EOFError, zlib.error)


@contextmanager
def open_fits(path: Path, memmap: bool = True) -> Iterator[fits.HDUList]:
    """Open a FITS file and make sure that it is whole.

    Images with BZERO (MASK) cannot be memory-mapped; tables should be.

    Raises
    ------
    DataError
        If it is missing, no FITS file, or shorter than its headers say.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", AstropyWarning)
            with fits.open(path, memmap=memmap) as hdus:
                _check_whole(path, hdus)
                yield hdus
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; fetch it or leave its shard out") from None
    except _READ_FAULTS as error:
        raise DataError(f"{path}: unreadable FITS ({_first_line(error)}); fetch it again") from None


def read_columns(
    path: Path, hdu: str, required: Sequence[str], optional: Sequence[str] = ()
) -> dict[str, NDArray]:
    """Read columns of a binary table in native byte order, strings stripped.

    Returns
    -------
    dict
        Name to values, shape (n, …); an optional column that the file lacks is left out.

    Raises
    ------
    DataError
        If the HDU or a required column is missing.
    """
    with open_fits(path) as hdus:
        table = _get_hdu(path, hdus, hdu)
        names = set(table.columns.names)
        lacking = [name for name in required if name not in names]
        if lacking:
            raise DataError(f"{path}: HDU {hdu} has no column {', '.join(lacking)}")
        wanted = [*required, *(name for name in optional if name in names)]
        return {name: _to_native(table.data[name]) for name in wanted}


def read_header(path: Path) -> Mapping[str, object]:
    """Return the primary header's keywords."""
    with open_fits(path) as hdus:
        return dict(hdus[0].header)


def check_coadd(path: Path) -> int:
    """Check a coadd's structure by its headers and wavelengths, and return its number of spectra.

    Raises
    ------
    DataError
        Naming the HDU that is missing, or that has another grid or shape.
    """
    with open_fits(path) as hdus:
        n_rows = int(_get_hdu(path, hdus, "FIBERMAP").header["NAXIS2"])
        for arm in ARM_PIXELS:
            _check_arm(path, hdus, arm, n_rows)
        return n_rows


def read_arms(path: Path, rows: NDArray[np.intp]) -> list[ArmSpectra]:
    """Read the spectra of some rows.

    Parameters
    ----------
    path : Path
        Coadd file; HDUs are found by name.
    rows : ndarray of int, shape (n,)

    Returns
    -------
    list of ArmSpectra
        b, r, z with values in native byte order.

    Raises
    ------
    DataError
        As `check_coadd`.
    """
    with open_fits(path, memmap=False) as hdus:
        n_rows = int(_get_hdu(path, hdus, "FIBERMAP").header["NAXIS2"])
        arms = []
        for arm, (first, _) in ARM_PIXELS.items():
            _check_arm(path, hdus, arm, n_rows)
            flux, ivar, mask = (
                _read_rows(hdus[f"{arm.upper()}_{kind}"], rows) for kind in ("FLUX", "IVAR", "MASK")
            )
            arms.append(ArmSpectra(first, flux, ivar, mask))
        return arms


def _check_whole(path: Path, hdus: fits.HDUList) -> None:
    if path.suffix == ".gz":
        return
    size = path.stat().st_size
    for hdu in hdus:
        place = hdu.fileinfo()
        end = place["datLoc"] + place["datSpan"]
        if end > size:
            raise DataError(
                f"{path}: truncated in HDU {hdu.name}: {size} bytes of {end}; fetch it again"
            )


def _check_arm(path: Path, hdus: fits.HDUList, arm: str, n_rows: int) -> None:
    first, last = ARM_PIXELS[arm]
    wave = np.asarray(_get_hdu(path, hdus, f"{arm.upper()}_WAVELENGTH").data, dtype=np.float64)
    grid = WAVE_START + WAVE_STEP * np.arange(WAVE_SIZE)[first:last]
    # Not `>`: a NaN must not pass.
    if wave.shape != grid.shape or not np.abs(wave - grid).max() <= _WAVE_TOLERANCE:
        raise DataError(
            f"{path}: HDU {arm.upper()}_WAVELENGTH is not DESI's grid "
            f"({grid[0]:.1f} to {grid[-1]:.1f} Å in steps of {WAVE_STEP} Å)"
        )
    for kind in ("FLUX", "IVAR", "MASK"):
        name = f"{arm.upper()}_{kind}"
        shape = _get_hdu(path, hdus, name).shape
        if shape != (n_rows, len(grid)):
            raise DataError(f"{path}: HDU {name} has shape {shape}, not {(n_rows, len(grid))}")


def _read_rows(hdu: fits.ImageHDU, rows: NDArray[np.intp]) -> NDArray:
    if not len(rows):
        return np.zeros((0, hdu.shape[1]), np.float32)
    # A section reads these rows only.
    first = int(rows.min())
    return _to_native(hdu.section[first : int(rows.max()) + 1])[rows - first]


def _get_hdu(path: Path, hdus: fits.HDUList, name: str) -> fits.hdu.base.ExtensionHDU:
    if name not in hdus:
        arm = name[0].lower() if name[1:2] == "_" else None
        what = f"arm {arm} is incomplete" if arm else "not a DESI file"
        raise DataError(f"{path}: no HDU {name}: {what}; fetch it again or leave its shard out")
    return hdus[name]


def _to_native(values: NDArray) -> NDArray:
    array = np.asarray(values)
    if array.dtype.kind in "SU":
        return np.char.strip(array.astype(str))
    return array.astype(array.dtype.newbyteorder("="))


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
