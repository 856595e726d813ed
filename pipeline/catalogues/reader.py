"""Reading a local catalogue in blocks of rows: FITS, VOTable, CSV, Parquet, folders of Parquet."""

import difflib
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline.errors import UserError, first_line

_BLOCK_ROWS = 200_000
_CSV_BLOCK_BYTES = 2**25


def read_blocks(path: Path, columns: Sequence[str]) -> Iterator[pa.Table]:
    """Yield a catalogue's columns in blocks of rows; a field's metadata may hold its ``unit``.

    Parameters
    ----------
    path : Path
        FITS (first binary table), VOTable (first table), CSV or Parquet; or a folder that holds
        Parquet files at any depth, such as a HATS catalogue.
    columns : sequence of str

    Raises
    ------
    UserError
        If the file cannot be read or lacks a column.
    """
    name = path.name.lower().removesuffix(".gz")
    try:
        if path.is_dir() or name.endswith((".parquet", ".pq")):
            yield from _read_parquet(path, columns)
        elif name.endswith((".csv", ".txt")):
            yield from _read_csv(path, columns)
        elif name.endswith((".fits", ".fit")):
            yield from _read_fits(path, columns)
        elif name.endswith((".vot", ".votable", ".xml")):
            yield from _read_votable(path, columns)
        else:
            raise UserError(f"catalogue {path}: unknown format; give FITS, VOTable, CSV or Parquet")
    except (OSError, pa.ArrowException, ValueError, IndexError) as error:
        raise UserError(f"catalogue {path}: cannot be read ({first_line(error)})") from None


def list_parts(path: Path) -> list[Path]:
    """List the files of a catalogue: itself, or the Parquet files that a folder holds.

    Those whose names begin with an underscore or a dot describe the others, or are half-written.
    """
    return sorted(path.rglob("[!_.]*.parquet")) if path.is_dir() else [path]


def _read_parquet(path: Path, columns: Sequence[str]) -> Iterator[pa.Table]:
    parts = list_parts(path)
    if not parts:
        raise UserError(f"catalogue {path}: no Parquet file in this folder")
    for part in parts:
        file = pq.ParquetFile(part)
        _check_columns(path, columns, file.schema_arrow.names)
        for batch in file.iter_batches(_BLOCK_ROWS, columns=list(columns)):
            yield pa.Table.from_batches([batch]).select(columns)


def _read_csv(path: Path, columns: Sequence[str]) -> Iterator[pa.Table]:
    with pyarrow.csv.open_csv(path, pyarrow.csv.ReadOptions(block_size=_CSV_BLOCK_BYTES)) as reader:
        _check_columns(path, columns, reader.schema.names)
        for batch in reader:
            yield pa.Table.from_batches([batch]).select(columns)


def _read_fits(path: Path, columns: Sequence[str]) -> Iterator[pa.Table]:
    from astropy.io import fits

    with fits.open(path, memmap=True) as hdus:
        tables = [hdu for hdu in hdus if isinstance(hdu, fits.BinTableHDU)]
        if not tables:
            raise UserError(f"catalogue {path}: no binary table in this FITS file")
        table = tables[0]
        _check_columns(path, columns, table.columns.names)
        units = {name: table.columns[name].unit for name in columns}
        nulls = {name: table.columns[name].null for name in columns}
        for start in range(0, len(table.data), _BLOCK_ROWS):
            rows = table.data[start : start + _BLOCK_ROWS]
            arrays = {name: _to_arrow(path, name, rows[name], nulls[name]) for name in columns}
            yield _attach_units(arrays, units)


def _read_votable(path: Path, columns: Sequence[str]) -> Iterator[pa.Table]:
    from astropy.io import votable

    with warnings.catch_warnings():
        # Deviations from the standard that astropy can read are no fault of the user's.
        warnings.simplefilter("ignore")
        table = votable.parse_single_table(path)
        yield votable_to_arrow(table.to_table(use_names_over_ids=True), columns, path)


def votable_to_arrow(table: object, columns: Sequence[str], origin: object) -> pa.Table:
    """Return columns of an astropy table, masked values as nulls.

    Raises
    ------
    UserError
        If it lacks a column.
    """
    names = table.colnames  # type: ignore[attr-defined]
    _check_columns(origin, columns, names)
    found = {name: table[name] for name in columns}  # type: ignore[index]
    arrays = {name: _to_arrow(origin, name, np.ma.asarray(found[name]), None) for name in columns}
    return _attach_units(arrays, {name: str(found[name].unit or "") for name in columns})


def _to_arrow(origin: object, name: str, values: NDArray, null: object) -> pa.Array:
    if np.ndim(values) != 1:
        raise UserError(f"catalogue {origin}: column {name} holds arrays; keep another column")
    data = np.ma.getdata(values)
    is_null = np.array(np.ma.getmaskarray(values))
    if null is not None:
        is_null = is_null | (data == null)
    if data.dtype.kind in "SUO":
        texts = [v.decode("utf-8", "replace") if isinstance(v, bytes) else str(v) for v in data]
        return pa.array([t.strip() for t in texts], pa.string(), mask=is_null)
    native = np.ascontiguousarray(data, data.dtype.newbyteorder("="))
    return pa.array(native, mask=is_null)


def _attach_units(arrays: dict[str, pa.Array], units: dict[str, str | None]) -> pa.Table:
    fields = [
        pa.field(name, array.type, metadata={"unit": str(units[name] or "")})
        for name, array in arrays.items()
    ]
    return pa.Table.from_arrays(list(arrays.values()), schema=pa.schema(fields))


def _check_columns(origin: object, wanted: Sequence[str], present: Sequence[str]) -> None:
    for name in wanted:
        if name not in present:
            near = difflib.get_close_matches(name.lower(), [p.lower() for p in present], n=1)
            hint = next((p for p in present if near and p.lower() == near[0]), None)
            shown = f"did you mean {hint!r}?" if hint else f"it has {', '.join(present[:20])}"
            raise UserError(f"catalogue {origin}: no column {name!r}; {shown}")
