"""The spectra of the graded objects as a HATS catalogue: one row an object, one nested column."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from catalog_schema import contents
from catalog_schema.column import Column
from catalog_schema.columns.sample import healpix_29
from catalog_schema.columns.spectra import wave
from catalog_schema.tables import QUASARS, SPECTRA
from release.faces.astropy_table import accepting_desi_units
from release.faces.face import Face, Manifest
from release.faces.hats_format import (
    MEDIA_TYPES,
    POSITION_COLUMNS,
    divide_sky,
    find_faults_by,
    find_partitions,
    find_rows,
    finish_catalogue,
    is_same_column,
    write_partition,
)
from release.tables.spectra import read_grid, read_spectra

FOLDER, SPECTRA_CATALOGUE = "hats_spectra", "anomalies"
NESTED = "spectrum"
ARRAYS = (wave, *(column for column in SPECTRA.columns if column.array == "wave"))
# 512 spectra are 100 MB in memory.
_PARTITION_ROWS = 512
_GROUP_ROWS = 64


def write(folder: Path, manifest: Manifest) -> None:
    """Write ``hats_spectra/`` of a release, unless nothing is graded.

    The rows are those of ``catalog/anomalies.parquet`` without its array columns; `spectrum` nests
    wave, flux, ivar, mask and model, a row a pixel, as nested-pandas and LSDB unpack it.
    """
    from hats.io.parquet_metadata import write_voparquet_in_common_metadata

    rows = _read_graded(folder)
    if not rows.num_rows:
        return
    root = folder / FOLDER / SPECTRA_CATALOGUE
    cells = rows[healpix_29.name].to_numpy()
    pixels = divide_sky(cells, _PARTITION_ROWS)
    for pixel, piece in zip(pixels, find_rows(cells, pixels), strict=True):
        part = rows.slice(piece.start, piece.stop - piece.start)
        write_partition(root, pixel, _add_spectra(folder, part), **_layout())
    finish_catalogue(
        root,
        pixels,
        manifest,
        catalog_type="object",
        hats_max_rows=_PARTITION_ROWS,
        **POSITION_COLUMNS,
    )
    described = {column.name: column for column in QUASARS.scalars}
    described |= {f"{NESTED}.{column.name}": column for column in ARRAYS}
    with accepting_desi_units():
        write_voparquet_in_common_metadata(
            root,
            field_units={name: column.unit for name, column in described.items() if column.unit},
            field_ucds={name: column.ucd for name, column in described.items()},
            field_descriptions={name: column.description for name, column in described.items()},
        )


def find_faults(folder: Path) -> list[str]:
    """Validate the catalogue, and compare its rows and spectra with those of the release."""
    from hats.io.validation import is_valid_catalog

    rows, root = _read_graded(folder), folder / FOLDER / SPECTRA_CATALOGUE
    if not rows.num_rows:
        return []
    faults = find_faults_by(lambda: is_valid_catalog(root, strict=True))
    n_rows = 0
    for part in find_partitions(root):
        found = pq.ParquetFile(part).read()
        expected = _add_spectra(folder, rows.slice(n_rows, found.num_rows))
        n_rows += found.num_rows
        pairs = zip(_list_columns(found), _list_columns(expected), strict=True)
        faults += [
            f"{part.relative_to(root)}: {name} is not that of the graded objects"
            for (name, values), (_, right) in pairs
            if not is_same_column(values, right)
        ]
    if n_rows != rows.num_rows:
        faults.append(f"{n_rows} rows are not the {rows.num_rows} graded ones")
    return faults


def _list_columns(rows: pa.Table) -> list[tuple[str, pa.ChunkedArray]]:
    spectra = rows[NESTED].combine_chunks()
    nested = [(c.name, pa.chunked_array([spectra.field(c.name)])) for c in ARRAYS]
    return [*((c.name, rows[c.name]) for c in QUASARS.scalars), *nested]


def _read_graded(folder: Path) -> pa.Table:
    """Return the scalar columns of the graded rows in the order of the sky."""
    names = [column.name for column in QUASARS.scalars]
    rows = pq.read_table(folder / contents.ANOMALIES, columns=names)
    return rows.sort_by([(name, "ascending") for name in (healpix_29.name, "TARGETID")])


def _add_spectra(folder: Path, rows: pa.Table) -> pa.Table:
    ids = rows["TARGETID"].to_pylist()
    names = [column.name for column in ARRAYS if column != wave]
    spectra, grid = read_spectra(folder, ids, names), read_grid(folder)
    offsets = pa.array(np.arange(len(ids) + 1, dtype=np.int32) * grid.size)
    waves = np.tile(grid.wave, len(ids))
    arrays = [pa.array(waves), *(spectra[name].combine_chunks().flatten() for name in names)]
    fields = [_nest(column, grid.size) for column in ARRAYS]
    lists = [
        pa.ListArray.from_arrays(offsets, array, type=field.type)
        for field, array in zip(fields, arrays, strict=True)
    ]
    nested = pa.StructArray.from_arrays(lists, fields=fields)
    return rows.append_column(pa.field(NESTED, nested.type), nested)


def _nest(column: Column, size: int) -> pa.Field:
    field = column.field(size=size)
    return field.with_type(pa.list_(pa.field("element", column.type))).with_nullable(True)


def _layout() -> dict[str, Any]:
    leaves = {column: f"{NESTED}.{column.name}.list.element" for column in ARRAYS}
    scalars = [column.name for column in QUASARS.scalars]
    return {
        "row_group_size": _GROUP_ROWS,
        "use_dictionary": scalars,
        "write_statistics": scalars,
        "column_encoding": {
            leaf: "BYTE_STREAM_SPLIT"
            for column, leaf in leaves.items()
            if pa.types.is_floating(column.type)
        },
    }


FACE = Face(
    name="hats_spectra",
    files=(f"{FOLDER}/{SPECTRA_CATALOGUE}/",),
    paragraph="HATS catalogue of the graded objects with their spectra in one nested column: wave, "
    "flux, ivar, mask, model.",
    write=write,
    not_read="its rows are the graded ones in the order of the sky",
    find_faults=find_faults,
    media_types=MEDIA_TYPES,
    needs=(contents.SPECTRA,),
)
