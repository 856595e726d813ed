"""Rows as files: CSV, Parquet, VOTable, FITS; units and descriptions from the schema."""

import io
import json
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from catalog_schema.column import Column
from catalog_schema.contents import FILES

if TYPE_CHECKING:
    from astropy.io.votable.tree import VOTableFile
    from astropy.table import Column as TableColumn
    from astropy.table import Table

# Beyond it a browser, whose numbers are doubles, would round.
_EXACT = 2**53


class Format(NamedTuple):
    """A kind of file: title, suffix, media type."""

    title: str
    suffix: str
    media: str


CSV = Format("CSV", "csv", "text/csv")
PARQUET = Format("Parquet", "parquet", "application/vnd.apache.parquet")
VOTABLE = Format("VOTable", "vot", "application/x-votable+xml")
FITS = Format("FITS", "fits", "application/fits")
FORMATS = (CSV, PARQUET, VOTABLE)


def write(rows: pa.Table, kind: Format) -> bytes:
    """Return rows as the content of a file.

    Array columns become JSON text in CSV; columns without a counterpart in VOTable or FITS become
    text there.
    """
    writers = {CSV: _write_csv, PARQUET: _write_parquet, VOTABLE: _write_votable, FITS: _write_fits}
    return writers[kind](rows)


def describe(rows: pa.Table) -> pa.Table:
    """Give columns that the schema knows by name its unit, UCD and description."""
    fields = [
        field.with_metadata(_COLUMNS[field.name].field(size=1).metadata)
        if field.name in _COLUMNS
        else field
        for field in rows.schema
    ]
    return rows.cast(pa.schema(fields))


def make_frame(rows: pa.Table) -> pd.DataFrame:
    """Return rows for a page: large integers and what a browser cannot hold become text."""
    return pd.DataFrame(
        {name: _show(rows[position]) for position, name in enumerate(rows.column_names)}
    )


def _show(values: pa.ChunkedArray) -> pd.Series:
    kind = values.type
    if pa.types.is_decimal(kind):
        return values.cast(pa.float64()).to_pandas()
    if pa.types.is_integer(kind):
        bounds = pc.min_max(values).as_py()
        if max(abs(bounds["min"] or 0), abs(bounds["max"] or 0)) > _EXACT:
            return values.cast(pa.string()).to_pandas()
        return values.to_pandas()
    if _is_plain(kind) or pa.types.is_temporal(kind):
        return values.to_pandas()
    return pd.Series(_as_text(values).to_pylist(), dtype="string")


def _write_csv(rows: pa.Table) -> bytes:
    target = io.BytesIO()
    columns = [
        values if _is_plain(values.type) or pa.types.is_temporal(values.type) else _as_text(values)
        for values in rows.columns
    ]
    pyarrow.csv.write_csv(pa.Table.from_arrays(columns, rows.column_names), target)
    return target.getvalue()


def _write_parquet(rows: pa.Table) -> bytes:
    target = io.BytesIO()
    pyarrow.parquet.write_table(describe(rows), target, compression="zstd")
    return target.getvalue()


def make_votable(rows: pa.Table) -> "VOTableFile":
    """Return rows as a VOTable document with units, UCDs and descriptions."""
    from astropy.io.votable import from_table

    document = from_table(_make_table(rows))
    for field in document.get_first_table().fields:
        if field.name in _COLUMNS:
            field.ucd = _COLUMNS[field.name].ucd
    return document


def _write_votable(rows: pa.Table) -> bytes:
    from astropy.io.votable import writeto

    target = io.BytesIO()
    writeto(make_votable(rows), target)
    return target.getvalue()


def _write_fits(rows: pa.Table) -> bytes:
    target = io.BytesIO()
    _make_table(rows).write(target, format="fits")
    return target.getvalue()


def _make_table(rows: pa.Table) -> "Table":
    from astropy.table import Table

    columns = {
        name: _make_column(name, values)
        for name, values in zip(rows.column_names, rows.columns, strict=True)
    }
    return Table(columns)


def _make_column(name: str, values: pa.ChunkedArray) -> "TableColumn":
    from astropy.table import MaskedColumn

    column = MaskedColumn(_as_array(values), mask=_find_nulls(values))
    known = _COLUMNS.get(name)
    if known is not None:
        column.unit, column.description = known.unit or None, known.description
    return column


def _as_array(values: pa.ChunkedArray) -> np.ndarray:
    kind = values.type
    if pa.types.is_fixed_size_list(kind):
        flat = values.combine_chunks().flatten().to_numpy(zero_copy_only=False)
        return flat.reshape(-1, kind.list_size)
    if pa.types.is_decimal(kind):
        return values.cast(pa.float64()).to_numpy()
    if pa.types.is_boolean(kind):
        return values.fill_null(False).to_numpy()
    if pa.types.is_integer(kind):
        return values.fill_null(0).to_numpy()
    if pa.types.is_floating(kind):
        return values.to_numpy()
    texts = values if _is_text(kind) else _as_text(values)
    return np.array([text or "" for text in texts.to_pylist()], dtype=str)


def _find_nulls(values: pa.ChunkedArray) -> Any:
    nulls = values.is_null().to_numpy()
    if pa.types.is_fixed_size_list(values.type):
        return np.repeat(nulls[:, None], values.type.list_size, axis=1)
    return nulls


def _is_plain(kind: pa.DataType) -> bool:
    return (
        pa.types.is_primitive(kind) or _is_text(kind) or pa.types.is_decimal(kind)
    ) and not pa.types.is_temporal(kind)


def _is_text(kind: pa.DataType) -> bool:
    # pandas hands its texts on as large ones.
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def _as_text(values: pa.ChunkedArray) -> pa.Array:
    return pa.array(
        [None if value is None else json.dumps(value, default=str) for value in values.to_pylist()],
        pa.string(),
    )


def _list_columns() -> dict[str, Column]:
    """Return every column that is published, under its name; the catalogue's come first."""
    tables = reversed(FILES.values())
    return {column.name: column for table in tables for column in table.columns}


_COLUMNS = _list_columns()
