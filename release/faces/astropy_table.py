"""The graded rows as a table of astropy, with units, UCDs and descriptions, for faces it writes."""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from catalog_schema import contents
from catalog_schema.column import Column
from release.faces.face import keep

if TYPE_CHECKING:
    from astropy.table import MaskedColumn, Table
    from astropy.units import UnitBase

# Stands for null among integers; FITS says so by TNULL, VOTable by a bit.
_NULL = -(2**31)
# VOTable has no strings of length 1.
_SHORTEST = 2


@contextmanager
def accepting_desi_units() -> Iterator[None]:
    """Keep astropy from warning of Angstrom and erg: deprecated in VOUnit, they are DESI's."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def parse_unit(text: str) -> "UnitBase":
    """Return a unit of the schema."""
    from astropy.units import Unit

    with accepting_desi_units():
        return Unit(text, format="vounit")


def read_graded(folder: Path, columns: Sequence[Column]) -> "Table":
    """Return columns of the graded rows of a release, strangest first."""
    from astropy.table import Table

    data = pq.read_table(folder / contents.ANOMALIES, columns=[column.name for column in columns])
    with accepting_desi_units():
        return Table([_read_column(data[column.name], column) for column in columns])


def select(rows: "Table", columns: Sequence[Column]) -> Mapping[str, Any]:
    """Return the columns of a table that was read back; KeyError if one is missing."""
    return {column.name: rows[column.name] for column in columns}


def rewrite_texts(rows: "Table", rewrite: Callable[[str | None], str]) -> None:
    """Replace every text of a table."""
    for name in [name for name in rows.colnames if rows[name].dtype.kind == "U"]:
        rows[name] = np.array([rewrite(text) for text in rows[name].filled("")], dtype=str)


def to_line(text: str | None) -> str:
    """Return a text as one line."""
    return " ".join((text or "").split())


def to_ascii(text: str | None) -> str:
    """Return one line of ASCII; FITS and the CDS know nothing else."""
    return to_line(text).encode("ascii", "replace").decode()


def keep_texts(data: pa.ChunkedArray, rewrite: Callable[[str | None], str]) -> np.ma.MaskedArray:
    """Return the values of a column as they are, but for texts, which are rewritten."""
    if pa.types.is_string(data.type):
        return np.ma.array([rewrite(text) for text in data.to_pylist()], dtype=str)
    return keep(data)


def _read_column(data: pa.ChunkedArray, column: Column) -> "MaskedColumn":
    from astropy.table import MaskedColumn

    values, is_null = keep(data), data.is_null().to_numpy()
    if pa.types.is_string(column.type):
        width = max(_SHORTEST, values.dtype.itemsize // np.dtype("U1").itemsize)
        values = np.ma.array(values.astype(f"U{width}"), mask=is_null)
    return MaskedColumn(
        values.data,
        column.name,
        mask=np.ma.getmaskarray(values),
        description=column.description,
        unit=parse_unit(column.unit) if column.unit else None,
        fill_value=_NULL if pa.types.is_integer(column.type) else None,
        meta={"ucd": column.ucd},
    )
