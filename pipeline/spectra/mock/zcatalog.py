"""The redshift catalogue over all shards."""

import numpy as np

from pipeline.spectra.mock import columns


def build_zcatalog(
    survey: str,
    program: str,
    healpix: int,
    fibermap: np.ndarray,
    redshifts: np.ndarray,
    scores: np.ndarray,
    exposures: np.ndarray,
    status: np.ndarray,
) -> np.ndarray:
    """Rows of ZCATALOG for one shard; `mark_primary` fills the columns that need all of them."""
    table = columns.fill_table(columns.ZCATALOG, fibermap.size)
    for source in (fibermap, scores, redshifts):
        for name in source.dtype.names or ():
            if name in (table.dtype.names or ()):
                table[name] = source[name]
    table["SURVEY"], table["PROGRAM"] = survey, program
    table["HEALPIX"] = table["SPGRPVAL"] = healpix
    # Only the zcatalog has the right status; the files keep the AND that loses bits.
    table["COADD_FIBERSTATUS"] = status
    starts = np.searchsorted(_run_of(exposures["TARGETID"]), np.arange(fibermap.size))
    counts = np.diff(np.r_[starts, exposures.size])
    table["MIN_MJD"] = np.minimum.reduceat(exposures["MJD"], starts)
    table["MAX_MJD"] = np.maximum.reduceat(exposures["MJD"], starts)
    table["MEAN_MJD"] = np.add.reduceat(exposures["MJD"], starts) / counts
    table["DESINAME"] = [
        _desi_name(ra, dec) for ra, dec in zip(table["TARGET_RA"], table["TARGET_DEC"], strict=True)
    ]
    return table


def mark_primary(table: np.ndarray) -> None:
    """Fill the NSPEC and PRIMARY columns in place: good redshift first, then TSNR2_LRG."""
    order = np.lexsort((-table["TSNR2_LRG"], table["ZWARN"] != 0))
    is_sv = np.char.startswith(table["SURVEY"], b"sv")
    for prefix, inside in (("ZCAT", np.ones(table.size, bool)), ("MAIN", ~is_sv), ("SV", is_sv)):
        rows = order[inside[order]]
        _, first, place, counts = np.unique(
            table["TARGETID"][rows], return_index=True, return_inverse=True, return_counts=True
        )
        table[f"{prefix}_NSPEC"][rows] = counts[place]
        table[f"{prefix}_PRIMARY"][rows[first]] = True


def _run_of(values: np.ndarray) -> np.ndarray:
    return np.r_[0, np.cumsum(np.diff(values) != 0)]


def _desi_name(ra: float, dec: float) -> str:
    sign = "+" if dec >= 0 else "-"
    truncated = int(ra * 1e4) / 1e4, int(abs(dec) * 1e4) / 1e4
    return f"DESI J{truncated[0]:08.4f}{sign}{truncated[1]:07.4f}"
