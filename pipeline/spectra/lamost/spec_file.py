"""One spectrum in a file of LAMOST's low-resolution survey, in its two layouts.

To DR7 the primary HDU is an image of five rows: flux, inverse variance, wavelength, and-mask and
or-mask. Later files have a table COADD of one row whose cells are arrays: FLUX, IVAR, WAVELENGTH,
ANDMASK, ORMASK. Sources: the data production descriptions of DR2 to DR10 (lamost.org), and programs
that read files of DR9; no file of LAMOST's own was at hand.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DataError
from pipeline.fits.header import Header
from pipeline.fits.index import PIXEL_TYPES, FileIndex, ReadAhead, read_header, walk_headers
from pipeline.fits.integrity import decompress
from pipeline.fits.table_columns import apply_scale
from pipeline.fits.tables import read_arrays
from pipeline.spectra.science.air import to_vacuum
from pipeline.transport.sources import SourceFile

_HDU = "COADD"
_ROWS = 5
# Å; what is outside is no wavelength of the survey's.
_RANGE = (3000.0, 11000.0)


@dataclass(frozen=True)
class RelativeSpectrum:
    """A spectrum in vacuum, heliocentric, whose flux is in no unit.

    Attributes
    ----------
    wave : ndarray, shape (p,)
        Rising, Å.
    flux, ivar : ndarray, shape (p,)
        LAMOST calibrates fluxes against each other, not against a standard of brightness. ivar is
        0 where a pixel is bad: where it is not finite, or the and-mask says that it is bad in all
        exposures.
    was_in_air : bool
    """

    wave: NDArray[np.float64]
    flux: NDArray[np.float64]
    ivar: NDArray[np.float64]
    was_in_air: bool


@dataclass(frozen=True)
class SpecFile:
    """A file whose headers have been walked."""

    file: SourceFile
    ahead: ReadAhead
    index: FileIndex

    @cached_property
    def header(self) -> Header:
        """Keywords of the file."""
        return read_header(self.ahead, 0)[0]

    def read_spectrum(self) -> RelativeSpectrum:
        """Read the spectrum; DataError if it is damaged, or none of LAMOST's."""
        wave, flux, ivar, mask = self._read_rows()
        is_wave = np.isfinite(wave) & (wave > _RANGE[0]) & (wave < _RANGE[1])
        if len(wave) < 2 or not is_wave.all():
            raise DataError(f"{self.file}: no wavelengths in Å in it; give a spectrum of LAMOST")
        if np.any(np.diff(wave) <= 0):
            raise DataError(f"{self.file}: wavelengths do not rise; fetch it again")
        # Its documents say vacuum; a file may say otherwise.
        is_air = self.header.has("VACUUM") and not self.header.flag("VACUUM")
        is_good = np.isfinite(flux) & np.isfinite(ivar) & (ivar > 0) & (mask == 0)
        return RelativeSpectrum(
            to_vacuum(wave) if is_air else wave,
            np.where(is_good, flux, 0.0),
            np.where(is_good, ivar, 0.0),
            is_air,
        )

    def _read_rows(self) -> tuple[NDArray, NDArray, NDArray, NDArray]:
        """Return wavelength, flux, ivar and and-mask, each of shape (p,)."""
        first = self.index.hdus[0]
        if len(first.shape) == 2 and first.is_image and not first.is_compressed:
            n_rows, n_pixels = first.shape
            if n_rows < _ROWS - 1:
                raise DataError(f"{self.file}: {n_rows} rows of pixels; LAMOST's have {_ROWS}")
            data = self.ahead.read(first.data, first.data + first.n_bytes)
            image = np.frombuffer(data, PIXEL_TYPES[first.bitpix]).reshape(n_rows, n_pixels)
            rows = apply_scale(image, first.bzero, first.bscale).astype(np.float64)
            return rows[2], rows[0], rows[1], rows[3]
        if self.index.find(_HDU) is None:
            raise DataError(f"{self.file}: neither an image nor a table COADD; give a spec file")
        columns = read_arrays(self.ahead, self.index, _HDU)
        return self._take(columns)

    def _take(self, columns: dict[str, NDArray]) -> tuple[NDArray, NDArray, NDArray, NDArray]:
        cells = {name: values.astype(np.float64).ravel() for name, values in columns.items()}
        if "LOGLAM" in cells and "WAVELENGTH" not in cells:
            with np.errstate(over="ignore"):
                cells["WAVELENGTH"] = 10 ** cells["LOGLAM"]
        names = ("WAVELENGTH", "FLUX", "IVAR", "ANDMASK")
        lacking = [name for name in names[:3] if name not in cells]
        if lacking:
            raise DataError(f"{self.file}: no column {', '.join(lacking)} in {_HDU}")
        cells.setdefault("ANDMASK", np.zeros(len(cells["FLUX"])))
        found = tuple(cells[name] for name in names)
        if len({len(values) for values in found}) > 1:
            raise DataError(f"{self.file}: columns of {_HDU} have different lengths")
        return found[0], found[1], found[2], found[3]


def open_spec(file: SourceFile) -> SpecFile:
    """Walk a file.

    Raises
    ------
    MissingFileError
        If there is no such file.
    DataError
        If it is damaged.
    """
    ahead = ReadAhead(decompress(file))
    return SpecFile(file, ahead, walk_headers(ahead))
