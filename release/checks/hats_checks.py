"""Checks that the HATS faces are valid and hold the rows of the tables that they repeat."""

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from catalog_schema import contents
from catalog_schema.desi import FINE_ORDER
from release.faces.hats_collection import COLLECTION, INDEX, MARGIN, PRIMARY, read_pieces
from release.faces.hats_spectra import ARRAYS, FOLDER, NESTED, SPECTRA_CATALOGUE
from release.tables.spectra import read_spectra


def check_collection(path: Path, _: str) -> list[str]:
    """The collection is valid, and its partitions are the rows of the catalogue in their order."""
    from hats.io.validation import is_valid_collection

    root, source = path / COLLECTION, path / contents.QUASARS
    problems = _validate(lambda: is_valid_collection(root, strict=True))
    parts = _find_partitions(root / PRIMARY)
    sizes = [pq.read_metadata(part).num_rows for part in parts]
    if sum(sizes) != pq.read_metadata(source).num_rows:
        return [*problems, f"{sum(sizes)} rows are not those of quasars.parquet"]
    for part, rows in zip(parts, read_pieces(source, sizes), strict=True):
        if not _is_same_table(pq.ParquetFile(part).read(), rows):
            problems.append(f"{part.relative_to(root)} differs from quasars.parquet")
    ids = _read_ids(source)
    index = root / INDEX / "dataset" / "index" / "part.0.parquet"
    if not np.array_equal(_read_ids(index), np.sort(ids)):
        problems.append("the index names other rows")
    for part in _find_partitions(root / MARGIN):
        if not np.isin(_read_ids(part), ids).all():
            problems.append(f"{part.relative_to(root)} holds rows that quasars.parquet has not")
    return problems


def check_spectra_catalogue(path: Path, _: str) -> list[str]:
    """The nested spectra are those of the graded rows."""
    from hats.io.validation import is_valid_catalog

    ids = _read_ids(path / contents.ANOMALIES).tolist()
    if not ids:
        return []
    root = path / FOLDER / SPECTRA_CATALOGUE
    problems = _validate(lambda: is_valid_catalog(root, strict=True))
    found = [
        row for part in _find_partitions(root) for row in _find_strangers(path, part, set(ids))
    ]
    n_rows = sum(pq.read_metadata(part).num_rows for part in _find_partitions(root))
    if found:
        problems.append(f"partitions with {len(found)} spectra differ from spectra.parquet")
    if n_rows != len(ids):
        problems.append(f"{n_rows} rows are not the graded ones")
    return problems


def _find_strangers(path: Path, part: Path, graded: set[int]) -> list[int]:
    """Return the TARGETIDs of a partition that are not graded, or all if spectra differ."""
    nested = pq.ParquetFile(part).read(columns=["TARGETID", NESTED])
    ids = nested["TARGETID"].to_pylist()
    names = [column.name for column in ARRAYS[1:]]
    spectra = read_spectra(path, ids, names)
    known = graded.intersection(spectra["TARGETID"].to_pylist())
    if strangers := [targetid for targetid in ids if targetid not in known]:
        return strangers
    found = nested[NESTED].combine_chunks()
    is_same = (
        _is_same(pa.chunked_array([found.field(name).flatten()]), _flatten(spectra[name]))
        for name in names
    )
    return [] if all(is_same) else ids


def _read_ids(file: Path) -> np.ndarray:
    rows = pq.ParquetFile(file).read(columns=["TARGETID"])
    return np.asarray(rows["TARGETID"].to_numpy())


def _is_same_table(one: pa.Table, other: pa.Table) -> bool:
    return one.schema.equals(other.schema) and all(map(_is_same, one.columns, other.columns))


def _is_same(one: pa.ChunkedArray, other: pa.ChunkedArray) -> bool:
    """Compare values and nulls; to Arrow no NaN is like another."""
    if one.equals(other):
        return True
    pair = [column.combine_chunks() for column in (one, other)]
    if pa.types.is_nested(one.type):
        pair = [array.flatten() for array in pair]
    if not pa.types.is_floating(pair[0].type) or len(pair[0]) != len(pair[1]):
        return False
    if not pair[0].is_null().equals(pair[1].is_null()):
        return False
    values = [array.to_numpy(zero_copy_only=False) for array in pair]
    return bool(np.array_equal(values[0], values[1], equal_nan=True))


def _flatten(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return pa.chunked_array([column.combine_chunks().flatten()])


def _find_partitions(folder: Path) -> list[Path]:
    """List the partitions in the order of the sky."""

    def find_start(path: Path) -> int:
        order, pixel = int(path.parents[1].name[len("Norder=") :]), int(path.stem[len("Npix=") :])
        return pixel << 2 * (FINE_ORDER - order)

    return sorted((folder / "dataset").rglob("Npix=*.parquet"), key=find_start)


def _validate(check: Callable[[], bool]) -> list[str]:
    """Run a validation of hats, which tells its log why it fails."""
    reasons: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: reasons.append(record.getMessage())  # type: ignore[method-assign]
    log = logging.getLogger()
    log.addHandler(handler)
    try:
        is_valid = check()
    finally:
        log.removeHandler(handler)
    return [] if is_valid else [f"hats: {reason}" for reason in reasons or ["not valid"]]
