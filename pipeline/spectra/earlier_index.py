"""The index of the earlier spectra: where on the sky each was taken, and whose it is."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline.context.catalogues.reader import has_decimal_comma, read_blocks
from pipeline.context.catalogues.rows import normalise_positions
from pipeline.context.science.match import find_neighbours
from pipeline.errors import UserError
from pipeline.settings.context import CatalogueSettings
from pipeline.settings.spectra import EarlierSettings
from pipeline.user_tables.values import read_names, read_numbers


@dataclass(frozen=True)
class EarlierSpectra:
    """Position in degrees, MJD and file of each earlier spectrum, shape (n,).

    `notes` say which rows of the index are left out.
    """

    ra: NDArray[np.float64]
    dec: NDArray[np.float64]
    mjd: NDArray[np.float64]
    file: NDArray[np.object_]
    notes: tuple[str, ...]


def read_index(path: Path, settings: EarlierSettings) -> EarlierSpectra:
    """Read the index; of rows that name the same file the first counts.

    Raises
    ------
    UserError
        If it cannot be read, lacks a column, or none of its rows is valid.
    """
    columns = [settings.ra, settings.dec, settings.mjd, settings.file]
    as_catalogue = CatalogueSettings(ra=settings.ra, dec=settings.dec)
    parts, n_rows = [[np.zeros(0)] * 3 + [np.zeros(0, object)]], 0
    for block in read_blocks(path, columns):
        ra, dec, is_good, _ = normalise_positions(path, block, as_catalogue, np.nan)
        file = read_names(f"earlier.index {path}", settings.file, block[settings.file])
        mjd = _read_dates(path, block, settings.mjd)
        names = pc.fill_null(file, "").to_numpy()
        is_good &= np.isfinite(mjd) & (names != "")
        n_rows += block.num_rows
        parts.append([values[is_good] for values in (ra, dec, mjd, names)])
    if n_rows and not sum(len(part[0]) for part in parts):
        raise UserError(
            f"earlier.index {path}: none of {n_rows} rows has a position ({settings.ra}, "
            f"{settings.dec}), a date ({settings.mjd}) and a file ({settings.file})"
        )
    ra, dec, mjd, names = (np.concatenate(values) for values in zip(*parts, strict=True))
    if any(name.startswith("/") for name in names):
        raise UserError(
            f"earlier.index {path}: {settings.file} holds absolute paths; give paths "
            "below earlier.spectra"
        )
    first = np.sort(np.unique(names, return_index=True)[1])
    counts = {
        "have no position, date or file": n_rows - len(names),
        "repeat the file of another one": len(names) - len(first),
    }
    notes = tuple(f"{path.name}: {n} rows {fault}" for fault, n in counts.items() if n)
    if not n_rows:
        notes = (f"{path.name}: the index has no rows",)
    return EarlierSpectra(ra[first], dec[first], mjd[first], names[first], notes)


def match_spectra(objects: pa.Table, index: EarlierSpectra, radius: float) -> pa.Table:
    """Return a row for each pair of object and earlier spectrum within a radius (arcsec).

    Parameters
    ----------
    objects : pyarrow.Table
        With TARGET_RA and TARGET_DEC (degrees, ICRS), which may be null.
    index : EarlierSpectra
    radius : float

    Returns
    -------
    pyarrow.Table
        The objects' columns, earlier_file, earlier_mjd and separation (arcsec).
    """
    ra, dec = (pc.fill_null(objects[f"TARGET_{n}"], np.nan).to_numpy() for n in ("RA", "DEC"))
    known = np.flatnonzero(np.isfinite(ra) & np.isfinite(dec))
    row, other, separation = find_neighbours(ra[known], dec[known], index.ra, index.dec, radius)
    pairs = objects.take(pa.array(known[row]))
    columns = {"earlier_file": index.file, "earlier_mjd": index.mjd}
    for name, values in columns.items():
        pairs = pairs.append_column(name, pa.array(values[other]))
    return pairs.append_column("separation", pa.array(separation))


def _read_dates(path: Path, block: pa.Table, name: str) -> NDArray[np.float64]:
    comma = has_decimal_comma(block.schema.field(name))
    try:
        return read_numbers(f"earlier.index {path}", name, block[name], comma)
    except UserError as error:
        raise UserError(f"{error}; give the modified Julian date") from None
