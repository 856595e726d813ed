"""Rows as files: JSON, CSV, Parquet, VOTable, FITS; units and descriptions from the schema.

Written in bounded steps to an open file, by the processes of `portal.service.pool` but for small
answers.
"""

import io
import json
from collections.abc import Iterator, Mapping
from typing import IO, NamedTuple

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from catalog_schema import kinds
from catalog_schema.column import Column
from portal.export import cells, votable

# Rows of which all texts are in memory at once.
_STEP = 8_192


class Format(NamedTuple):
    """A kind of file: its key among programs, title, suffix, media type."""

    key: str
    title: str
    suffix: str
    media: str


JSON = Format("json", "JSON", "json", "application/json")
# Whoever opens it in a spreadsheet runs nothing: what that would take for a formula begins with an
# apostrophe.
CSV = Format("csv", "CSV", "csv", "text/csv; charset=utf-8")
# For programs that take texts as they are.
RAW_CSV = Format("csv-raw", "CSV", "csv", "text/csv; charset=utf-8")
PARQUET = Format("parquet", "Parquet", "parquet", "application/vnd.apache.parquet")
VOTABLE = Format("votable", "VOTable", "vot", "application/x-votable+xml")
# As Simple Cone Search 1.03 asks for it: its own UCDs, and its own media type.
CONE = Format("cone", "VOTable", "vot", "text/xml;content=x-votable")
FITS = Format("fits", "FITS", "fits", "application/fits")
# What a person is offered.
FORMATS = (CSV, PARQUET, VOTABLE)
# What a program may ask for.
BY_KEY = {kind.key: kind for kind in (JSON, CSV, RAW_CSV, PARQUET, VOTABLE, FITS)}
_CONE_UCDS = {"TARGETID": "ID_MAIN", "TARGET_RA": "POS_EQ_RA_MAIN", "TARGET_DEC": "POS_EQ_DEC_MAIN"}


class FormatError(ValueError):
    """Rows that a kind of file cannot hold; the message is one line."""


def write(rows: pa.Table, kind: Format) -> bytes:
    """Return rows as the content of a file, for few of them."""
    target = io.BytesIO()
    write_to(target, rows, kind.key)
    return target.getvalue()


def write_to(target: IO[bytes], rows: pa.Table, key: str, *, is_cut: bool = False) -> None:
    """Write rows as a file.

    Array columns become JSON in CSV; columns without a counterpart in VOTable or FITS become text
    there. Whole numbers and decimals that a double cannot hold are texts in JSON.

    Parameters
    ----------
    target : file
        Open for writing bytes.
    rows : pyarrow.Table
    key : str
        Of the `Format`.
    is_cut : bool
        Whether there were more rows, which a VOTable tells.

    Raises
    ------
    FormatError
        If the kind of file cannot hold them.
    """
    try:
        if key in ("votable", "cone"):
            ucds = _CONE_UCDS if key == "cone" else {}
            _write_votable(target, rows, ucds, is_cut=is_cut)
        else:
            _WRITERS[key](target, rows)
    except (pa.ArrowException, OverflowError, UnicodeError) as fault:
        reason = next(iter(str(fault).splitlines()), type(fault).__name__)
        raise FormatError(f"The rows cannot be written as {key}: {reason}") from None


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
    """Return rows for a page: what a browser cannot hold exactly becomes text."""
    return pd.DataFrame(
        {name: _show(rows[position]) for position, name in enumerate(rows.column_names)}
    )


def _show(values: pa.ChunkedArray) -> pd.Series:
    settled = cells.settle(values)
    kind = settled.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind):
        return settled.to_pandas()
    texts = [cells.write_plain(chunk) for chunk in settled.chunks]
    return pd.Series(pa.chunked_array(texts, pa.string()).to_pylist(), dtype="string")


def _write_json(target: IO[bytes], rows: pa.Table) -> None:
    rows = pa.table([cells.settle(v) for v in rows.columns], rows.column_names)
    names = [json.dumps(name) for name in rows.column_names]
    target.write(b"[")
    for number, batch in enumerate(_step(rows)):
        parts = [
            pc.binary_join_element_wise(f"{name}:", cells.write_json(values), "")
            for name, values in zip(names, batch.columns, strict=True)
        ]
        lines = pc.binary_join_element_wise("{", pc.binary_join_element_wise(*parts, ","), "}", "")
        target.write(b",\n" if number else b"")
        target.write(",\n".join(lines.to_pylist()).encode())
    target.write(b"]")


def _write_csv(target: IO[bytes], rows: pa.Table, *, is_raw: bool = False) -> None:
    """Write texts in quotes and numbers without, so that "" is a text and nothing is none."""
    names = rows.column_names
    if not is_raw:
        names = cells.disarm(pa.array(names, pa.string())).to_pylist()
    schema = pa.schema(
        [(name, _choose_csv(f.type)) for name, f in zip(names, rows.schema, strict=True)]
    )
    with pyarrow.csv.CSVWriter(target, schema) as writer:
        for batch in _step(rows):
            columns = [_write_cells(values, is_raw=is_raw) for values in batch.columns]
            writer.write_batch(pa.record_batch(columns, schema=schema))


def _choose_csv(kind: pa.DataType) -> pa.DataType:
    # Only numbers and truths are written by Arrow itself.
    is_own = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)
    return kind if is_own or pa.types.is_decimal(kind) else pa.string()


def _write_cells(values: pa.Array, *, is_raw: bool) -> pa.Array:
    if _choose_csv(values.type) == values.type != pa.string():
        return values
    texts = cells.write_plain(values)
    return texts if is_raw else cells.disarm(texts)


def _write_raw_csv(target: IO[bytes], rows: pa.Table) -> None:
    _write_csv(target, rows, is_raw=True)


def _write_parquet(target: IO[bytes], rows: pa.Table) -> None:
    columns = [_loosen(values) for values in rows.columns]
    loose = describe(pa.table(columns, rows.column_names))
    pyarrow.parquet.write_table(loose, target, compression="zstd")


def _loosen(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Let arrays of one size have any, where some are missing: Arrow could not read them back."""
    if pa.types.is_fixed_size_list(values.type) and values.null_count:
        return values.cast(pa.list_(values.type.value_field))
    return values


def _write_votable(
    target: IO[bytes], rows: pa.Table, ucds: Mapping[str, str], *, is_cut: bool
) -> None:
    rows = pa.table([votable.settle(v) for v in rows.columns], rows.column_names)
    fields = [
        votable.make_field(name, values, _COLUMNS.get(name), ucds.get(name))
        for name, values in zip(rows.column_names, rows.columns, strict=True)
    ]
    target.write(votable.write_head(fields, is_cut=is_cut))
    for batch in _step(rows):
        target.write(votable.write_rows(batch))
    target.write(votable.TAIL)


def _write_fits(target: IO[bytes], rows: pa.Table) -> None:
    from portal.export.fits_table import make_table

    make_table(rows, _COLUMNS).write(target, format="fits")


def _step(rows: pa.Table) -> Iterator[pa.RecordBatch]:
    return (b for b in rows.combine_chunks().to_batches(max_chunksize=_STEP) if b.num_rows)


def _list_columns() -> dict[str, Column]:
    """Return every column that is published, under its name; the catalogue's come first."""
    tables = reversed(kinds.SPECTRA.files.values())
    return {column.name: column for table in tables for column in table.columns}


_COLUMNS = _list_columns()
_WRITERS = {
    "json": _write_json,
    "csv": _write_csv,
    "csv-raw": _write_raw_csv,
    "parquet": _write_parquet,
    "fits": _write_fits,
}
