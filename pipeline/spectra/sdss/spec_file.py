"""One spectrum in a file of the SDSS data model (spec-PLATE-MJD-FIBER.fits, whole or lite)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DataError
from pipeline.fits.header import Header
from pipeline.fits.index import FileIndex, ReadAhead, read_header, walk_headers
from pipeline.fits.integrity import decompress
from pipeline.fits.tables import read_table
from pipeline.spectra.flux_units import flux_factor
from pipeline.transport.sources import SourceFile

LOG10_STEP = 1e-4
_HDU, _SUMMARY = "COADD", "SPALL"
_COLUMNS = ("loglam", "flux", "ivar", "and_mask")
# SPPIXMASK bits that say that a pixel holds no light of the object, in all exposures: FULLREJECT,
# NOSKY, NODATA, COMBINEREJ, BADFLUXFACTOR, BADSKYCHI, REDMONSTER. The others warn of the whole
# fibre or of bright sky, which ivar knows.
_BAD = sum(1 << bit for bit in (18, 22, 24, 25, 26, 27, 28))
# loglam is single precision; a shift of a twentieth of a pixel is another grid.
_TOLERANCE = 0.05
# Wavelengths of 1000 to 25,000 Å; what is outside is none.
_LOG10_RANGE = (3.0, 4.4)


@dataclass(frozen=True)
class LogSpectrum:
    """An observed spectrum on a logarithmic grid, in vacuum, heliocentric.

    Attributes
    ----------
    log10_first : float
        log10 of the centre (Å) of the first pixel; the step is `LOG10_STEP`.
    flux, ivar : ndarray, shape (p,)
        1e-17 erg/s/cm²/Å and its inverse variance. A pixel is bad where ivar = 0, never NaN.
    """

    log10_first: float
    flux: NDArray[np.float64]
    ivar: NDArray[np.float64]


def read_spectrum(file: SourceFile) -> LogSpectrum:
    """Read the coadded spectrum of a file.

    Raises
    ------
    MissingFileError
        If there is no such file.
    DataError
        If it is damaged, or holds no spectrum of SDSS.
    """
    ahead = ReadAhead(decompress(file))
    return _read(file, ahead, walk_headers(ahead, until=_HDU))


@dataclass(frozen=True)
class SpecFile:
    """A file that has been walked: its keywords, its spectrum, and its row of the catalogue."""

    file: SourceFile
    ahead: ReadAhead
    index: FileIndex

    @property
    def header(self) -> Header:
        """Keywords of the file."""
        return read_header(self.ahead, 0)[0]

    @property
    def has_summary(self) -> bool:
        """Whether it carries its row of spAll or specObj."""
        return self.index.find(_SUMMARY) is not None

    def read_spectrum(self) -> LogSpectrum:
        """See `read_spectrum`."""
        return _read(self.file, self.ahead, self.index)

    def read_summary(
        self, required: Sequence[str], optional: Sequence[str] = ()
    ) -> dict[str, NDArray]:
        """Read columns of its row of the catalogue, each of shape (1, …); DataError without one."""
        row = read_table(self.ahead, self.index, _SUMMARY, required, optional)
        if any(len(values) != 1 for values in row.values()):
            raise DataError(f"{self.file}: not one row of the catalogue in it; fetch it again")
        return row


def open_spec(file: SourceFile) -> SpecFile:
    """Walk a file, whose tables are known by their order: some copies have lost their names.

    Raises
    ------
    MissingFileError
        If there is no such file.
    DataError
        If it is damaged.
    """
    ahead = ReadAhead(decompress(file))
    index = walk_headers(ahead)
    names = iter((_HDU, _SUMMARY))
    hdus = tuple(
        hdu._replace(name=next(names, hdu.name)) if hdu.is_table else hdu for hdu in index.hdus
    )
    return SpecFile(file, ahead, replace(index, hdus=hdus))


def _read(file: SourceFile, ahead: ReadAhead, index: FileIndex) -> LogSpectrum:
    # Some copies have lost the names of their HDUs: the coadd is the first table.
    name = next((hdu.name for hdu in index.hdus if hdu.is_table), None)
    if name is None:
        raise DataError(f"{file}: no table in it; give a spec file of SDSS")
    header = read_header(ahead, 0)[0]
    if header.has("VACUUM") and not header.flag("VACUUM"):
        raise DataError(f"{file}: VACUUM says that its wavelengths are in air; SDSS's are not")
    columns = read_table(ahead, index, name, (), _COLUMNS)
    lacking = [name for name in _COLUMNS if name not in columns]
    if lacking:
        raise DataError(f"{file}: no column {', '.join(lacking)}; give a spec file of SDSS")
    return _place(file, columns, index.hdus[0].unit)


def _place(file: SourceFile, columns: dict[str, NDArray], unit: str) -> LogSpectrum:
    """Put the pixels on a gapless grid, in our units."""
    loglam, flux, ivar = (columns[name].astype(np.float64) for name in _COLUMNS[:3])
    is_wave = (loglam > _LOG10_RANGE[0]) & (loglam < _LOG10_RANGE[1])
    if not len(loglam) or not is_wave.all():
        raise DataError(f"{file}: no wavelengths in loglam; give a spec file of SDSS")
    place = (loglam - loglam[0]) / LOG10_STEP
    index = np.rint(place).astype(np.intp)
    if np.abs(place - index).max() > _TOLERANCE or np.any(np.diff(index) < 1):
        raise DataError(f"{file}: loglam does not rise in steps of {LOG10_STEP}; fetch it again")
    factor = flux_factor(f"{file}: its flux", unit, 10**loglam)
    flux, ivar = flux * factor, ivar * np.asarray(factor) ** -2.0
    is_good = np.isfinite(flux) & np.isfinite(ivar) & (ivar > 0)
    is_good &= (columns["and_mask"].astype(np.int64) & _BAD) == 0
    joined = np.zeros((2, index[-1] + 1))
    joined[0, index[is_good]], joined[1, index[is_good]] = flux[is_good], ivar[is_good]
    return LogSpectrum(float(loglam[0]), joined[0], joined[1])
