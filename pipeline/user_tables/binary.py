"""Tables of the formats that say what they hold: FITS, VOTable, Parquet, Arrow, and text by rules.

Values keep the type of the file; a value that the file marks as missing is null.
"""

import io
import re
import warnings
import xml.parsers.expat
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline.errors import UserError
from pipeline.user_tables.table import Column, UserTable, decode, is_text, show_text

BLOCK_ROWS = 200_000
# Counts below which astropy would go on for ever, or backwards.
_LYING_COUNT = re.compile(rb"(NAXIS|TFIELDS) *= *\+?\d{4,}|(NAXIS\d*|[PG]COUNT|TFIELDS) *= *-\d+")


def read_parquet(origin: str, paths: Sequence[Path | io.BytesIO]) -> list[UserTable]:
    """Read one table that lies in Parquet files of the same columns."""
    schema = pq.read_schema(paths[0])
    columns = tuple(Column(f.name.strip(), may_be_text=is_text(f.type)) for f in schema)

    def read(places: Sequence[int]) -> Iterator[pa.Table]:
        for path in paths:
            with pq.ParquetFile(path) as file:
                names = [schema.field(place).name for place in places]
                lacking = [name for name in names if name not in file.schema_arrow.names]
                if lacking:
                    raise UserError(f"{path}: no column {lacking[0]!r}, which {paths[0]} has")
                for batch in file.iter_batches(BLOCK_ROWS, columns=names):
                    arrays = [batch.column(batch.schema.get_field_index(name)) for name in names]
                    yield _name_by_place(arrays, places)

    return [UserTable(origin, columns, read)]


def read_arrow(origin: str, content: bytes) -> list[UserTable]:
    """Read an Arrow (Feather) file."""
    whole = pa.ipc.open_file(io.BytesIO(content)).read_all()
    columns = tuple(Column(f.name.strip(), may_be_text=is_text(f.type)) for f in whole.schema)

    def read(places: Sequence[int]) -> Iterator[pa.Table]:
        yield _name_by_place([whole.column(place) for place in places], places)

    return [UserTable(origin, columns, read)]


def read_fits(origin: str, source: Path | bytes) -> list[UserTable]:
    """Read the binary and ASCII tables of a FITS file, in memory or with sound headers."""
    from astropy.io import fits

    if isinstance(source, bytes) and (lie := _LYING_COUNT.search(source)):
        raise UserError(
            f"{origin}: {show_text(lie[0].decode())} cannot be true; the file is damaged"
        )
    tables = []
    with _open_fits(source) as hdus:
        for number, hdu in enumerate(hdus):
            if isinstance(hdu, fits.BinTableHDU | fits.TableHDU):
                columns = tuple(
                    Column(str(c.name or "").strip(), str(c.unit or ""), "A" in str(c.format))
                    for c in hdu.columns
                )
                title = f"{origin}, table {hdu.name or number}"
                tables.append(UserTable(title, columns, partial(_read_fits_rows, source, number)))
    if not tables:
        raise UserError(f"{origin}: no table in this FITS file")
    return _name_alone(origin, tables)


def _open_fits(source: Path | bytes) -> Any:
    from astropy.io import fits

    file = io.BytesIO(source) if isinstance(source, bytes) else source
    return fits.open(file, memmap=isinstance(source, Path), character_as_bytes=True)


def _read_fits_rows(source: Path | bytes, number: int, places: Sequence[int]) -> Iterator[pa.Table]:
    with warnings.catch_warnings(), _open_fits(source) as hdus:
        warnings.simplefilter("ignore")
        hdu = hdus[number]
        definitions = [hdu.columns[place] for place in places]
        for start in range(0, len(hdu.data), BLOCK_ROWS):
            rows = hdu.data[start : start + BLOCK_ROWS]
            arrays = [
                to_arrow(rows.field(place), _find_null(definition))
                for place, definition in zip(places, definitions, strict=True)
            ]
            yield _name_by_place(arrays, places)


def _find_null(definition: Any) -> float | None:
    """Return the value that stands for a missing one, scaled as the values are."""
    null = definition.null
    if null is None or not isinstance(null, int):
        return None
    scale, zero = definition.bscale, definition.bzero
    return null * (1 if scale in ("", None) else scale) + (0 if zero in ("", None) else zero)


def read_votable(origin: str, content: bytes) -> list[UserTable]:
    """Read the tables of a VOTable document."""
    from astropy.io import votable

    _check_document(content)
    with warnings.catch_warnings():
        # Deviations from the standard that astropy can read are no fault of the user's.
        warnings.simplefilter("ignore")
        document = votable.parse(io.BytesIO(content))
        tables = [
            from_astropy(
                f"{origin}, table {table.name or table.ID or number}",
                table.to_table(use_names_over_ids=True),
            )
            for number, table in enumerate(document.iter_tables(), 1)
        ]
    if not tables:
        raise UserError(f"{origin}: no table in this VOTable")
    return _name_alone(origin, tables)


def _check_document(content: bytes) -> None:
    """Refuse what is no whole document: astropy gives the rows that it has seen of a cut one."""

    def refuse_entity(name: str, *_: object) -> None:
        raise ValueError(f"it declares an entity {name[:40]!r}, which no table needs")

    parser = xml.parsers.expat.ParserCreate()
    parser.EntityDeclHandler = refuse_entity
    parser.Parse(content, True)


def read_ruled_text(origin: str, content: bytes, kind: str) -> list[UserTable]:
    """Read a text table whose columns are described in it: ``ecsv``, ``cds`` or ``ipac``."""
    from astropy.table import Table

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        text = decode(content).removeprefix("\ufeff")
        found = Table.read(text, format=f"ascii.{kind}", guess=False)
    return [from_astropy(origin, found)]


def from_astropy(origin: str, table: Any) -> UserTable:
    """Return an astropy table as a `UserTable`."""
    columns = tuple(
        Column(name.strip(), str(table[name].unit or ""), table[name].dtype.kind in "SUO")
        for name in table.colnames
    )

    def read(places: Sequence[int]) -> Iterator[pa.Table]:
        arrays = [to_arrow(np.ma.asarray(table[table.colnames[place]]), None) for place in places]
        yield _name_by_place(arrays, places)

    return UserTable(origin, columns, read)


def to_arrow(values: NDArray, null: object) -> pa.Array:
    """Return a column as an Arrow array, with nulls where it is masked or equal to `null`.

    Byte strings are read as UTF-8, or else Latin-1; trailing spaces and zeros are padding. Arrays
    in the place of values become lists.
    """
    if np.ndim(values) != 1:
        return pa.array([row.tolist() for row in np.ma.getdata(values)])
    data = np.ma.getdata(values)
    is_null = np.array(np.ma.getmaskarray(values))
    if null is not None:
        is_null = is_null | (data == null)
    if data.dtype.kind in "SUO":
        texts = [decode(v) if isinstance(v, bytes) else str(v) for v in data.tolist()]
        return pa.array([t.rstrip("\0").strip() for t in texts], pa.string(), mask=is_null)
    if data.dtype.kind == "c":
        return pa.array([str(v) for v in data], pa.string(), mask=is_null)
    native = np.ascontiguousarray(data, data.dtype.newbyteorder("="))
    return pa.array(native, mask=is_null)


def _name_by_place(arrays: Sequence[Any], places: Sequence[int]) -> pa.Table:
    return pa.Table.from_arrays(list(arrays), names=[str(place) for place in places])


def _name_alone(origin: str, tables: list[UserTable]) -> list[UserTable]:
    """Name a table by its file where it is the only one."""
    return [replace(tables[0], origin=origin)] if len(tables) == 1 else tables
