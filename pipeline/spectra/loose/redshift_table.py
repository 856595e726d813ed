"""Redshifts that a user hands over with spectra: a table of any kind, read into one record."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline.errors import UserError
from pipeline.lake.store import digest
from pipeline.science.sky import are_positions
from pipeline.spectra.loose.spectrum_table import is_table
from pipeline.user_tables.names import find_column, find_sole_column
from pipeline.user_tables.reader import open_tables
from pipeline.user_tables.table import UserTable
from pipeline.user_tables.units import find_factor
from pipeline.user_tables.values import (
    is_textual,
    read_angles,
    read_ids,
    read_numbers,
    read_words,
)

# A word that ends like a file's name, below any folders; never a decimal number.
_FILE_NAME = r"[^/\\]\.[A-Za-z][A-Za-z0-9]{0,7}(\.(gz|bz2|xz))?$"
_DECIDING = ("Z", "TARGETID", "SPECTYPE", "ZWARN", "OBJTYPE")
_POSITIONS = ("TARGET_RA", "TARGET_DEC")
# No source approaches at the speed of light: tables write -1, -9 or -999 for "none".
_LEAST_REDSHIFT = -1.0


@dataclass(frozen=True)
class Redshifts:
    """Redshifts handed over with spectra, found by TARGETID or by file name.

    Attributes
    ----------
    origin : str
        The table, for messages.
    by_file : dict of str to int
        Row of each file name that the table mentions in any column.
    z, ra, dec : ndarray, shape (n,)
        NaN where the table has none; degrees.
    targetid : list of int or None
    spectype, objtype : list of str or None; None
        As the table writes them, stripped; None where it has no such column, and in a list
        where a cell is empty.
    zwarn : list of int or None; None
        Likewise.
    notes : tuple of str
        What the user should know of how the table was read.
    id_name : str or None
        What the table calls its column TARGETID.
    """

    origin: str
    by_file: dict[str, int]
    z: NDArray
    ra: NDArray
    dec: NDArray
    targetid: list[int | None]
    spectype: list[str | None] | None = None
    objtype: list[str | None] | None = None
    zwarn: list[int | None] | None = None
    notes: tuple[str, ...] = ()
    id_name: str | None = None

    @property
    def name(self) -> str:
        """Name of the table's file, for messages."""
        return Path(self.origin).name or "no table of redshifts"

    @cached_property
    def rows_of(self) -> dict[int, list[int]]:
        """Every row of each TARGETID, in the table's order: more than one where it repeats."""
        rows: dict[int, list[int]] = {}
        for row, value in enumerate(self.targetid):
            if value is not None:
                rows.setdefault(value, []).append(row)
        return rows

    # The table is one of many files of spectra, each of which asks.
    @cached_property
    def fingerprint(self) -> str:
        """Digest of everything that decides which spectrum gets which redshift."""
        numbers = [values.tolist() for values in (self.z, self.ra, self.dec)]
        flags = (self.spectype, self.objtype, self.zwarn)
        return digest(self.by_file, self.targetid, repr(numbers), repr(flags))

    def explain_absence(self, path: Path, targetids: Sequence[int]) -> str:
        """Say in one line why none of a file's spectra has a redshift here."""
        if not self.origin:
            return f"{path.name}: no redshifts; give a table of them with --redshifts"
        n_rows = f"{len(self.z)} row{'s' if len(self.z) != 1 else ''}"
        table = f"{Path(self.origin).name} ({n_rows})"
        if is_table(path):
            named = "names this file" if path.name not in self.by_file else "has a redshift for it"
            return f"{path.name}: no row of {table} {named}"
        n_listed = sum(targetid in self.rows_of for targetid in targetids)
        if n_listed:
            return f"{path.name}: {n_listed} of its TARGETIDs are in {table}, none with a redshift"
        column = f"column {self.id_name} of {table}" if self.id_name else f"{table}, which has none"
        return f"{path.name}: none of its {len(targetids)} TARGETIDs is in {column}"


NO_REDSHIFTS = Redshifts("", {}, np.zeros(0), np.zeros(0), np.zeros(0), [])


def read_redshifts(path: Path) -> Redshifts:
    """Read a table of redshifts.

    Parameters
    ----------
    path : Path
        Any table that `open_tables` reads; of several in it, the first that has a redshift. Needs
        a column Z, and TARGETID or names of files in some column; TARGET_RA, TARGET_DEC, SPECTYPE,
        ZWARN and OBJTYPE are read where there are such. All in any usual spelling.

    Raises
    ------
    UserError
        If it cannot be read, lacks such a column, or a value is not what it must be. An
        identifier that has been through a floating-point number is none.
    """
    tables = open_tables(path, "redshifts")
    table = next((t for t in tables if find_column(t.names, "Z") is not None), tables[0])
    places = {name: find_sole_column(table.origin, table.names, name) for name in _DECIDING}
    places |= {name: find_column(table.names, name) for name in _POSITIONS}
    if places["Z"] is None:
        others = f"; {len(tables) - 1} more tables have none either" if len(tables) > 1 else ""
        raise UserError(f"{table.origin}: no column Z; {table.describe_columns()}{others}")
    return _read(table, {name: place for name, place in places.items() if place is not None})


def _read(table: UserTable, places: dict[str, int]) -> Redshifts:
    # Any column of text may name the files.
    texts = [place for place, column in enumerate(table.columns) if column.may_be_text]
    wanted = list(dict.fromkeys((*places.values(), *texts)))
    columns = dict(zip(wanted, table.read_whole(wanted), strict=True))
    found = {name: columns[place] for name, place in places.items()}
    names = {name: table.names[place] for name, place in places.items()}
    origin, n = table.origin, len(found["Z"])
    z = read_numbers(origin, names["Z"], found["Z"], table.has_decimal_comma)
    others = {place: c for place, c in columns.items() if place not in places.values()}
    by_file = _find_files(table, others, z)
    if "TARGETID" not in found and not by_file:
        raise UserError(
            f"{origin}: no column TARGETID, and none with names of files; "
            f"{table.describe_columns()}"
        )
    ids = {
        name: read_ids(origin, names[name], found[name])
        for name in ("TARGETID", "ZWARN")
        if name in found
    }
    targetid = ids.get("TARGETID", [None] * n)
    ra, dec, lost = _read_positions(table, places, found, n)
    if len(set(targetid)) > 1 and _is_one_place(ra, dec):
        lost.append("all rows have one position, which is left out")
        ra, dec = np.full((2, n), np.nan)
    n_impossible = int(np.count_nonzero(z <= _LEAST_REDSHIFT))
    is_possible = np.isfinite(z) & (z > _LEAST_REDSHIFT)
    notes = [*table.notes, *lost]
    if n_impossible:
        notes.append(f"{n_impossible} rows have a redshift of -1 or less, which means none")
    return Redshifts(
        origin,
        by_file,
        np.where(is_possible, z, np.nan),
        ra,
        dec,
        targetid,
        spectype=read_words(found["SPECTYPE"]) if "SPECTYPE" in found else None,
        objtype=read_words(found["OBJTYPE"]) if "OBJTYPE" in found else None,
        zwarn=ids.get("ZWARN"),
        notes=tuple(f"{Path(origin).name}: {note}" for note in notes),
        id_name=names.get("TARGETID"),
    )


def _read_positions(
    table: UserTable, places: dict[str, int], found: dict[str, pa.ChunkedArray], n: int
) -> tuple[NDArray, NDArray, list[str]]:
    """Return positions in degrees, and notes on those that are none: no score needs them."""
    if not set(_POSITIONS) <= set(places):
        return np.full(n, np.nan), np.full(n, np.nan), []
    try:
        ra, dec = (
            _to_degrees(table, places[name], found[name], hours=name == "TARGET_RA")
            for name in _POSITIONS
        )
    except UserError as error:
        return np.full(n, np.nan), np.full(n, np.nan), [f"positions are left out: {error}"]
    is_good = are_positions(ra, dec)
    n_off = int(np.count_nonzero(np.isfinite(ra) & np.isfinite(dec) & ~is_good))
    notes = [f"{n_off} rows have a position off the sphere, which is left out"] if n_off else []
    return np.where(is_good, np.mod(ra, 360), np.nan), np.where(is_good, dec, np.nan), notes


def _is_one_place(ra: NDArray, dec: NDArray) -> bool:
    """Say whether every row has the same position: a filling, where there are several targets."""
    return len(ra) > 1 and all(np.isfinite(x).all() and np.ptp(x) == 0 for x in (ra, dec))


def _to_degrees(
    table: UserTable, place: int, column: pa.ChunkedArray, hours: bool
) -> NDArray[np.float64]:
    name, unit = table.columns[place].name, table.columns[place].unit
    values = read_angles(table.origin, name, column, hours, table.has_decimal_comma)
    if not unit or is_textual(column):
        return values
    try:
        return values * find_factor(unit, "deg")
    except ValueError:
        raise UserError(f"column {name} is in {unit!r}, which is no angle") from None


def _find_files(
    table: UserTable, columns: dict[int, pa.ChunkedArray], z: NDArray
) -> dict[str, int]:
    """Return the row of each file name; UserError if a name has two redshifts."""
    rows: dict[str, int] = {}
    for column in columns.values():
        if not is_textual(column):
            continue
        words = pa.array(read_words(column), pa.string())
        is_name = pc.fill_null(pc.match_substring_regex(words, _FILE_NAME), False)
        for row in np.flatnonzero(is_name.to_numpy(zero_copy_only=False)).tolist():
            name = re.split(r"[/\\]", words[row].as_py())[-1]
            first = rows.setdefault(name, row)
            if not np.array_equal(z[first], z[row], equal_nan=True):
                raise UserError(
                    f"{table.origin}: rows {first + 1} and {row + 1} give {name} two redshifts"
                )
    return rows
