"""The lake: datasets that appear whole or not at all, each with the fingerprint that made it."""

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from pydantic import BaseModel

from catalog_schema.column import Table, arrow_schema
from pipeline.errors import DataError, UserError
from pipeline.lake.files import (
    filesystem,
    is_object,
    opening,
    replacing,
    show,
)
from pipeline.lake.layout import Lake
from pipeline.lake.seals import (
    READ_FAULTS,
    guard_sealed,
    read_footer,
    read_sealed,
    verify_sealed,
    write_sealed,
)

T = TypeVar("T")
A = TypeVar("A")
_STAMP_KEY = b"qad.stamp"
# Row groups that keep the fetch of one spectrum in milliseconds, at no cost to a full scan.
_SPECTRUM_ROWS = 64
_WIDE = 1000
_FILES_AT_A_TIME = 32


@dataclass(frozen=True)
class Stamp:
    """What a dataset's footer says of its making.

    Attributes
    ----------
    fingerprint : str
        Digest of all that decided the rows; see `Run.make_fingerprint`.
    content : str
        Digest of the rows: what later stages take as their input's identity.
    n_expected, n_made : int
        Rows given to the stage and rows written.
    dropped : dict
        Rows dropped by each named gate.
    notes : tuple of str
        Warnings worth repeating when the dataset is found done.
    """

    fingerprint: str
    content: str
    n_expected: int
    n_made: int
    dropped: dict[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def digest(*parts: Any) -> str:
    """Return a SHA-256 hex digest of JSON-serialisable parts."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), default=_jsonable)
    return hashlib.sha256(text.encode()).hexdigest()


def digest_rows(data: pa.Table) -> str:
    """Digest the rows of a table: values and nulls, whatever the chunks and the metadata."""
    sha = hashlib.sha256(str(data.schema.remove_metadata()).encode())
    for column in data.columns:
        # To combine one chunk copies it, which for a shard of few rows takes longer than the rest.
        array = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
        if pa.types.is_fixed_size_list(array.type):
            array = array.flatten()
        # Spectra have no nulls; to fill what is not there takes as long as the digest itself.
        has_nulls = array.null_count > 0
        is_valid = np.ones(len(array), bool)
        if has_nulls:
            is_valid = array.is_valid().to_numpy(zero_copy_only=False)
        sha.update(np.packbits(is_valid).data)
        if pa.types.is_string(array.type):
            sha.update(json.dumps(array.to_pylist()).encode())
        else:
            filled = pc.fill_null(array, pa.scalar(0).cast(array.type)) if has_nulls else array
            sha.update(np.ascontiguousarray(filled.to_numpy(zero_copy_only=False)).data)
    return sha.hexdigest()


class Store:
    """Reads and writes the datasets of one data root.

    Parameters
    ----------
    root : Path
    lake_url : str
        ``s3://BUCKET/PREFIX`` of datasets and models; empty for folders below the root.

    Raises
    ------
    UserError
        If the root is not on this machine.
    """

    def __init__(self, root: Path, lake_url: str = "") -> None:
        if is_object(root):
            raise UserError(
                f"--root {show(root)}: the data root is a folder, where releases are built; keep "
                f"its datasets in the bucket by --root DIR --set run.lake={show(root)}"
            )
        # Workers have working folders of their own.
        self.root = root.absolute()
        self.lake = Lake(self.root, lake_url)

    def write(self, path: Path, data: pa.Table, table: Table, **made: Any) -> Stamp:
        """Write a dataset atomically.

        Parameters
        ----------
        path : Path
            Its final place; it appears there complete or not at all.
        data : pyarrow.Table
            Rows, in the column order of the schema.
        table : Table
            The schema that the rows keep.
        **made
            Fields of `Stamp` other than the content.

        Raises
        ------
        UserError
            If the data root is full or read-only.
        """
        stamp = Stamp(content=digest_rows(data), **made)
        metadata = {_STAMP_KEY: json.dumps(vars(stamp)).encode()}
        with replacing(path) as partial:
            write_sealed(data, partial, metadata, **parquet_options(data.schema, "lz4"))
        return stamp

    def read_stamp(self, path: Path) -> Stamp | None:
        """Return the stamp of a dataset, or None where there is no whole one."""
        try:
            return self._read_stamp(path)
        except READ_FAULTS:
            return None

    def _read_stamp(self, path: Path) -> Stamp:
        with opening(path) as file:
            metadata = read_footer(file).metadata
        try:
            values = json.loads(metadata[_STAMP_KEY])
            return Stamp(**{**values, "notes": tuple(values["notes"])})
        except (ValueError, TypeError, KeyError):
            raise pa.ArrowInvalid("no stage made it") from None

    def find_done(self, path: Path, fingerprint: str) -> Stamp | None:
        """Return the stamp of a dataset made with exactly this fingerprint, else None."""
        stamp = self.read_stamp(path)
        return stamp if stamp and stamp.fingerprint == fingerprint else None

    def read(self, path: Path, columns: Sequence[str] | None = None) -> pa.Table:
        """Read a dataset; see `read_dataset`."""
        return read_dataset(path, columns)

    def verify(self, path: Path, *, with_rows: bool = True) -> Stamp:
        """Compare a dataset with what was written, in the memory of a row group.

        Parameters
        ----------
        path : Path
        with_rows : bool
            Also read the rows, otherwise only the footer.

        Raises
        ------
        DataError
            If it is missing or damaged.
        """
        with _guard_dataset(path):
            stamp = self._read_stamp(path)
            if with_rows:
                with opening(path) as file:
                    verify_sealed(file)
        return stamp

    def open_dataset(self, paths: Sequence[Path]) -> ds.Dataset:
        """Open datasets of one schema as one, for a query engine, without their spectra.

        Raises
        ------
        DataError
            If one of them is missing or damaged: the engine would not notice.
        """

        def verify(path: Path) -> None:
            with _guard_dataset(path), opening(path) as file:
                verify_sealed(file, lambda field: not _is_wide(field))

        self.map(verify, paths)
        system, _ = filesystem(paths[0])
        found = ds.dataset([filesystem(path)[1] for path in paths], filesystem=system)
        return found.replace_schema(pa.schema([f for f in found.schema if not _is_wide(f)]))

    def map(self, look: Callable[[A], T], items: Sequence[A]) -> list[T]:
        """Look at many files; of a bucket several at a time, for there latency rules."""
        if not self.lake.url:
            return [look(item) for item in items]
        with ThreadPoolExecutor(_FILES_AT_A_TIME) as pool:
            return list(pool.map(look, items))


def read_dataset(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """Read a dataset, or some columns of it, as they were written.

    Raises
    ------
    DataError
        If it is missing or damaged.
    """
    with _guard_dataset(path), opening(path) as file:
        return read_sealed(
            file, None if columns is None else list(columns), pre_buffer=is_object(path)
        )


def parquet_options(schema: pa.Schema, compression: str = "zstd") -> dict[str, Any]:
    """Choose the Parquet layout: spectra byte-split in small row groups, the rest plain.

    Zstandard is for what is downloaded. LZ4, for the lake, writes a spectrum in three quarters of
    the time and takes 7 % more space (`benchmarks/lake_layout.py`).
    """
    wide = [field.name for field in schema if _is_wide(field)]
    options: dict[str, Any] = {"compression": compression}
    if wide:
        narrow = [name for name in schema.names if name not in wide]
        floats = [n for n in wide if pa.types.is_floating(schema.field(n).type.value_type)]
        options["row_group_size"] = _SPECTRUM_ROWS
        options["use_dictionary"] = options["write_statistics"] = narrow
        options["column_encoding"] = {f"{n}.list.element": "BYTE_STREAM_SPLIT" for n in floats}
    return options


def columns_to_table(table: Table, columns: Mapping[str, Any], **sizes: int) -> pa.Table:
    """Assemble columns into a table that has the schema's types and order.

    Two-dimensional arrays (n, size) become fixed-size lists; spectra have as many pixels as they
    come with.
    """
    if any(column.array == "wave" for column in table.columns):
        sizes = {"wave": _count_pixels(table, columns), **sizes}
    schema = arrow_schema(table, **sizes)
    arrays = [_to_arrow(columns[f.name], f) for f in schema]
    return pa.Table.from_arrays(arrays, schema=schema)


def replace_columns(data: pa.Table, columns: Mapping[str, Any]) -> pa.Table:
    """Return a table with the values of some columns replaced, of the types that they have."""
    for name, values in columns.items():
        field_ = data.schema.field(name)
        data = data.set_column(data.column_names.index(name), field_, _to_arrow(values, field_))
    return data


def to_matrix(column: pa.ChunkedArray) -> np.ndarray:
    """Return a fixed-size list column as an array of shape (n, size)."""
    # Arrow's memory is read-only; torch wants arrays that could be written to.
    return view_matrix(column).copy()


def view_matrix(column: pa.ChunkedArray) -> np.ndarray:
    """Do as `to_matrix`, read-only, without a copy where the column lies in one piece."""
    size = column.type.list_size
    flat = column.combine_chunks().flatten().to_numpy(zero_copy_only=False)
    return flat.reshape(-1, size)


@contextlib.contextmanager
def _guard_dataset(path: Path) -> Iterator[None]:
    """Turn what reading a missing or damaged dataset raises into one line."""
    with guard_sealed(path):
        try:
            yield
        except FileNotFoundError:
            raise DataError(f"{show(path)}: missing; run the earlier stages first") from None
        except PermissionError as error:
            raise DataError(f"{show(path)}: cannot be read ({error.strerror})") from None


def _is_wide(field: pa.Field) -> bool:
    """Say whether a column holds spectra."""
    return pa.types.is_fixed_size_list(field.type) and field.type.list_size > _WIDE


def _count_pixels(table: Table, columns: Mapping[str, Any]) -> int:
    spectra = next(columns[column.name] for column in table.columns if column.array == "wave")
    is_array = isinstance(spectra, np.ndarray)
    return int(spectra.shape[1] if is_array else spectra.type.list_size)


def _to_arrow(values: Any, field_: pa.Field) -> pa.Array | pa.ChunkedArray:
    if isinstance(values, pa.ChunkedArray | pa.Array):
        return values.cast(field_.type)
    if pa.types.is_fixed_size_list(field_.type):
        flat = pa.array(values.reshape(-1), type=field_.type.value_type)
        return pa.FixedSizeListArray.from_arrays(flat, type=field_.type)
    return pa.array(values, type=field_.type, from_pandas=True)


def _jsonable(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    raise TypeError(f"cannot digest {type(value).__name__}")
