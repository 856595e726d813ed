"""Are the rows of a coadd's spectra those of its tables, and its targets those of the catalogue?"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from catalog_schema.desi import WAVE_START, WAVE_STEP
from pipeline.fits.tables import read_table
from pipeline.spectra.desi.coadd_file import CoaddFile
from pipeline.spectra.mismatch import Positions, refuse_most
from pipeline.spectra.science.coadd import Spectra
from pipeline.spectra.science.median import median_of_good

_FIBRES = ("OBJTYPE", "COADD_FIBERSTATUS", "TARGET_RA", "TARGET_DEC")
# Medians of SCORES and their wavelengths, Å; b is left out, where a median may be near 0.
_MEDIANS = {"MEDIAN_COADD_FLUX_R": (5800, 7600), "MEDIAN_COADD_FLUX_Z": (7600, 9800)}
# A median is another one beyond this share of it and this many of its errors; other masks, or
# another selection of pixels, change it by 4 % and 1 error in the files measured.
_SHARE, _ERRORS = 0.3, 10.0
# Of so many pixels one: medians of all would be most of what the gates cost.
_STEP = 4


def read_fibres(coadd: CoaddFile) -> dict[str, NDArray]:
    """Return TARGETID of every target, and what else the FIBERMAP says of fibre and position."""
    fibres = read_table(coadd.ahead, coadd.index, "FIBERMAP", ("TARGETID",), _FIBRES)
    exposed = coadd.exposed
    if exposed is None:
        return fibres
    united = {name: values[exposed.first] for name, values in fibres.items()}
    return united | {"COADD_FIBERSTATUS": exposed.unite_status()}


def get_positions(fibres: Mapping[str, NDArray]) -> Positions:
    """Return TARGET_RA and TARGET_DEC of every row, NaN where a FIBERMAP has none."""
    nowhere = np.full(len(fibres["TARGETID"]), np.nan)
    ra, dec = (np.asarray(fibres.get(name, nowhere), float) for name in ("TARGET_RA", "TARGET_DEC"))
    return ra, dec


def find_strangers(coadd: CoaddFile, rows: NDArray[np.intp], spectra: Spectra) -> NDArray[np.bool_]:
    """Mark spectra whose median fluxes are not those that SCORES lists for them, shape (n,).

    Parameters
    ----------
    coadd : CoaddFile
    rows : ndarray of int, shape (n,)
        Row of each spectrum in the file.
    spectra : Spectra

    Raises
    ------
    DataError
        If most are: rows of the images are not those of the tables.
    """
    listed = _read_medians(coadd)
    is_other = np.ones((len(_MEDIANS), len(rows)), bool)
    is_compared = np.zeros_like(is_other)
    for at, (name, limits) in enumerate(_MEDIANS.items()):
        if name in listed:
            first, last = (round((wave - WAVE_START) / WAVE_STEP) for wave in limits)
            sample = slice(first, last, _STEP)
            flux, ivar = spectra.flux[:, sample], spectra.ivar[:, sample]
            is_other[at], is_compared[at] = _compare_medians(flux, ivar, listed[name][rows])
    is_known = np.asarray(is_compared.any(axis=0))
    is_stranger = is_known & np.asarray((is_other | ~is_compared).all(axis=0))
    refuse_most(
        is_stranger,
        is_known,
        f"spectra of {coadd.file} have another median flux than SCORES lists in their row: rows of "
        "its images and tables are shifted or permuted",
    )
    return is_stranger


def _read_medians(coadd: CoaddFile) -> dict[str, NDArray]:
    scores = coadd.index.find("SCORES")
    if coadd.exposed or scores is None or not scores.is_table or scores.shape[0] != coadd.n_rows:
        return {}
    return read_table(coadd.ahead, coadd.index, "SCORES", (), tuple(_MEDIANS))


def _compare_medians(
    flux: NDArray, ivar: NDArray, listed: NDArray
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Say which medians are others than listed, and which could be compared at all."""
    is_good = ivar > 0
    n_good = np.count_nonzero(is_good, axis=1)
    found = median_of_good(flux, is_good).astype(float)
    # Of half of the pixels at least; a file may list 0 for an arm without data.
    is_compared = (n_good > flux.shape[1] / 2) & np.isfinite(listed) & (listed != 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        error = 1.25 / np.sqrt(ivar.sum(axis=1, dtype=float))
        is_bright = is_compared & (np.abs(found) > 20 * error)
        # A file that was in another unit lists them in it: a power of ten.
        ratio = np.median(np.abs(found[is_bright] / listed[is_bright])) if is_bright.any() else 1
        listed = 10.0 ** np.round(np.log10(ratio)) * listed
        largest = np.maximum(np.abs(found), np.abs(listed))
        is_other = np.abs(found - listed) > _SHARE * largest + _ERRORS * error
    return is_other & is_compared, is_compared
