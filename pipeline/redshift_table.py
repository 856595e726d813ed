"""Redshifts that a user hands over with spectra: a table of any kind, read into one record."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline.desi_files import list_tables, read_columns
from pipeline.errors import DataError, UserError
from pipeline.sources import local_file
from pipeline.store import digest

_NAMES = {
    "Z": ("Z", "z"),
    "TARGETID": ("TARGETID", "targetid", "desi_targetid"),
    "TARGET_RA": ("TARGET_RA", "RA", "ra"),
    "TARGET_DEC": ("TARGET_DEC", "DEC", "dec"),
    "SPECTYPE": ("SPECTYPE", "spectype"),
    "ZWARN": ("ZWARN", "zwarn"),
    "OBJTYPE": ("OBJTYPE", "objtype"),
}


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
        NaN where the table has none.
    targetid : list of int or None
    spectype, objtype : list of str or None; None
        As the table writes them, stripped; None where it has no such column, and in a list
        where a cell is empty.
    zwarn : list of int or None; None
        Likewise.
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

    @cached_property
    def rows_of(self) -> dict[int, list[int]]:
        """Every row of each TARGETID, in the table's order: more than one where it repeats."""
        rows: dict[int, list[int]] = {}
        for row, value in enumerate(self.targetid):
            if value is not None:
                rows.setdefault(value, []).append(row)
        return rows

    @property
    def fingerprint(self) -> str:
        """Digest of everything that decides which spectrum gets which redshift."""
        numbers = [values.tolist() for values in (self.z, self.ra, self.dec)]
        flags = (self.spectype, self.objtype, self.zwarn)
        return digest(self.by_file, self.targetid, repr(numbers), repr(flags))

    def find(self, path: Path, targetid: int | None) -> int | None:
        """Return the last row with a redshift for a spectrum; None where there is none.

        By TARGETID, or for a table (CSV) by its file name.
        """
        rows = self.rows_of.get(targetid) if targetid is not None else None
        row = rows[-1] if rows else None
        if row is None and path.suffix == ".csv":
            row = self.by_file.get(path.name)
        return row if row is not None and np.isfinite(self.z[row]) else None


NO_REDSHIFTS = Redshifts("", {}, np.zeros(0), np.zeros(0), np.zeros(0), [])


def read_redshifts(path: Path) -> Redshifts:
    """Read a table of redshifts.

    Raises
    ------
    UserError
        If it cannot be read or has no redshift column.
    """
    try:
        columns = _read_any_table(path)
    except (OSError, DataError, ValueError, csv.Error) as error:
        raise UserError(
            f"redshifts {path}: unreadable ({error}); give FITS, CSV or Parquet"
        ) from None
    found = {
        ours: next((columns[theirs] for theirs in names if theirs in columns), None)
        for ours, names in _NAMES.items()
    }
    if found["Z"] is None:
        raise UserError(f"redshifts {path}: no column Z; it has {', '.join(columns)}")
    n = len(found["Z"])
    empty = [np.nan] * n
    by_file = {
        Path(value).name: row
        for values in columns.values()
        for row, value in enumerate(values)
        if isinstance(value, str) and Path(value).suffix
    }
    z, ra, dec = (
        _to_floats(path, name, found[name] or empty) for name in ("Z", "TARGET_RA", "TARGET_DEC")
    )
    return Redshifts(
        str(path), by_file, z, ra, dec,
        _to_ints(found["TARGETID"]) or [None] * n,
        spectype=_to_texts(found["SPECTYPE"]),
        objtype=_to_texts(found["OBJTYPE"]),
        zwarn=_to_ints(found["ZWARN"]),
    )  # fmt: skip


def _read_any_table(path: Path) -> dict[str, list]:
    name = path.name.removesuffix(".gz")
    if name.endswith(".parquet"):
        return pq.read_table(path).to_pydict()
    if name.endswith(".csv"):
        with path.open(newline="") as handle:
            rows = list(csv.DictReader(handle))
        return {key: [row[key] for row in rows] for key in (rows[0] if rows else {})}
    return _read_fits_table(path)


def _read_fits_table(path: Path) -> dict[str, list]:
    file = local_file(path)
    tables = list_tables(file)
    if not tables:
        raise DataError(f"{path}: no table in it")
    name = "REDSHIFTS" if "REDSHIFTS" in tables else next(iter(tables))
    columns = read_columns(file, name, tables[name])
    return {key: values.tolist() for key, values in columns.items()}


def _to_ints(values: Sequence[object] | None) -> list[int | None] | None:
    return None if values is None else [_to_int(value) for value in values]


def _to_int(value: object) -> int | None:
    text = str(value).strip().removesuffix(".0")
    return int(text) if text.lstrip("-").isdigit() else None


def _to_texts(values: Sequence[object] | None) -> list[str | None] | None:
    return None if values is None else [str(value or "").strip() or None for value in values]


def _to_floats(path: Path, name: str, values: Sequence[object]) -> NDArray[np.float64]:
    try:
        return np.array(values, dtype=float)
    except (ValueError, TypeError) as error:
        raise UserError(f"redshifts {path}: column {name} is not numeric ({error})") from None
