"""Files that tell whether a bit of them has changed: Parquet tables and JSON documents.

A sealed table keeps an XXH3 sum of every column's values, compared with what is read, so that a
part of the columns costs a part of the work. Its footer, which says how the rest is to be read,
holds the SHA-256 of itself.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import xxhash
from numpy.typing import NDArray

from pipeline.errors import DataError, first_line
from pipeline.lake.files import show

_CHECKS_KEY, _SEAL_KEY = b"qad.checks", b"qad.seal"
_JSON_KEY = "seal"
_OPEN = b"0" * 64
_EMPTY = "0" * 16
# Key, then the type and length of the value.
_ENTRY = _SEAL_KEY + bytes([0x18, len(_OPEN)])
_MAGIC = b"PAR1"
# Length of the footer and the magic word, behind it.
_END = 8
# What is read of a file's end at once; most footers are smaller.
_TAIL = 64 * 1024
# Bytes of a file that one thread reads at once.
_SMALL = 2**20
# What Arrow raises over a file with changed bits, beside the faults of the disk.
READ_FAULTS = (pa.ArrowException, OSError, ValueError)


@contextmanager
def guard_sealed(path: Path) -> Iterator[None]:
    """Turn what reading a damaged file raises into one line for the user."""
    try:
        yield
    except MemoryError:
        # No fault of the file's, as far as one can tell.
        raise
    except READ_FAULTS as error:
        reason = first_line(error)
        raise DataError(f"{show(path)}: damaged ({reason}); delete it and run again") from None


class ColumnCheck:
    """XXH3 sum of a column's values and nulls, whatever the chunks in which it comes."""

    def __init__(self) -> None:
        self._type, self._n_rows = "", 0
        self._sums: dict[str, xxhash.xxh3_64] = {}
        self._inner: ColumnCheck | None = None

    def add(self, array: pa.Array) -> None:
        """Take the next chunk."""
        # Parquet has its own name for the items of a list.
        is_list = pa.types.is_nested(array.type)
        self._type = type(array.type).__name__ if is_list else str(array.type)
        if array.null_count:
            places = np.flatnonzero(array.is_null().to_numpy(zero_copy_only=False))
            self._sum("nulls", places + self._n_rows)
            if pa.types.is_string(array.type) or pa.types.is_primitive(array.type):
                zero = "" if pa.types.is_string(array.type) else 0
                array = pc.fill_null(array, pa.scalar(zero).cast(array.type))
        self._n_rows += len(array)
        if pa.types.is_fixed_size_list(array.type):
            self._descend(array.flatten())
        elif pa.types.is_list(array.type):
            self._sum("lengths", pc.fill_null(pc.list_value_length(array), 0).to_numpy())
            self._descend(array.flatten())
        elif pa.types.is_string(array.type):
            self._sum("lengths", pc.binary_length(array).to_numpy())
            self._sum("values", _find_letters(array))
        elif pa.types.is_primitive(array.type):
            self._sum("values", array.to_numpy(zero_copy_only=False))
        else:
            # What only tables from elsewhere have.
            texts = "".join(f"{value!r}\n" for value in array.to_pylist())
            self._sum("values", np.frombuffer(texts.encode(), np.uint8))

    def result(self) -> str:
        """Return the sum of all chunks."""
        if not self._n_rows:
            return _EMPTY
        inner = self._inner.result() if self._inner else ""
        sums = sorted((kind, found.hexdigest()) for kind, found in self._sums.items())
        text = f"{self._type} {self._n_rows} {sums} {inner}"
        return xxhash.xxh3_64_hexdigest(text.encode())

    def _descend(self, array: pa.Array) -> None:
        self._inner = self._inner or ColumnCheck()
        self._inner.add(array)

    def _sum(self, kind: str, values: NDArray) -> None:
        data = np.ascontiguousarray(values).view(np.uint8).data
        if len(data):
            self._sums.setdefault(kind, xxhash.xxh3_64()).update(data)


def check_columns(
    parts: Iterable[pa.Table | pa.RecordBatch], names: Sequence[str]
) -> dict[str, str]:
    """Return the checksum of each column of a table that comes in parts."""
    sums = {name: ColumnCheck() for name in names}
    for part in parts:
        for name, column in zip(names, part.columns, strict=True):
            for chunk in column.chunks if isinstance(column, pa.ChunkedArray) else [column]:
                sums[name].add(chunk)
    return {name: found.result() for name, found in sums.items()}


def write_sealed(
    data: pa.Table, path: Path, metadata: Mapping[bytes, bytes], **options: Any
) -> None:
    """Write a table to a new file, sealed.

    Parameters
    ----------
    data : pyarrow.Table
    path : Path
    metadata : mapping of bytes to bytes
        Kept in the footer beside the schema's own.
    **options
        Of `pyarrow.parquet.write_table`.
    """
    checks = check_columns([data], data.column_names)
    rows = options.pop("row_group_size", None)
    # Floats of a dictionary would lose the bits of their NaN.
    options.setdefault("use_dictionary", True)
    options["use_dictionary"] = _without_floats(data.schema, options["use_dictionary"])
    with pq.ParquetWriter(path, data.schema, **options) as writer:
        writer.write_table(data, rows)
        writer.add_key_value_metadata({**metadata, **sealing(checks)})
    close_seal(path)


def sealing(checks: Mapping[str, str] | Sequence[Mapping[str, str]]) -> dict[bytes, bytes]:
    """Return the entries of a footer that `close_seal` closes."""
    return {_CHECKS_KEY: json.dumps(checks).encode(), _SEAL_KEY: _OPEN}


def close_seal(path: Path) -> None:
    """Write the digest of a Parquet file's footer into it."""
    with path.open("r+b") as file:
        file.seek(-_END, 2)
        length = int.from_bytes(file.read(4), "little")
        start = file.seek(-_END - length, 2)
        footer = file.read()
        file.seek(start + _find_seal(footer))
        file.write(hashlib.sha256(footer).hexdigest().encode())


def read_footer(file: pa.NativeFile) -> pq.FileMetaData:
    """Read a sealed Parquet file's footer.

    Raises
    ------
    pyarrow.ArrowInvalid
        If it is not what was sealed.
    """
    size = file.size()
    tail = file.read_at(min(size, _TAIL), max(0, size - _TAIL))
    length = int.from_bytes(tail[-_END:-4], "little") + _END
    if tail[-4:] != _MAGIC or length > size:
        raise pa.ArrowInvalid("no Parquet file")
    footer = tail[-length:] if length <= len(tail) else file.read_at(length, size - length)
    at = _find_seal(footer)
    opened = footer[:at] + _OPEN + footer[at + len(_OPEN) :]
    if hashlib.sha256(opened).hexdigest().encode() != footer[at : at + len(_OPEN)]:
        raise pa.ArrowInvalid("its footer is not the one that was written")
    return pq.read_metadata(pa.BufferReader(footer))


def read_checks(footer: pq.FileMetaData) -> Any:
    """Return the checksums that a footer holds."""
    return json.loads(footer.metadata[_CHECKS_KEY])


def read_sealed(
    file: pa.NativeFile, columns: list[str] | None = None, pre_buffer: bool = False
) -> pa.Table:
    """Read columns of a sealed table and compare them with what was written.

    Raises
    ------
    pyarrow.ArrowException, OSError or ValueError
        If the file is damaged; see `READ_FAULTS`.
    """
    footer = read_footer(file)
    opened = pq.ParquetFile(file, metadata=footer, pre_buffer=pre_buffer)
    data = opened.read(columns=columns, use_threads=not _is_small(footer))
    if missing := set(columns or ()).difference(data.column_names):
        raise pa.ArrowInvalid(f"it has no column {min(missing)}")
    compare_checks(check_columns([data], data.column_names), read_checks(footer))
    return data


def _is_small(footer: pq.FileMetaData) -> bool:
    """Say whether threads would take longer to start than to read."""
    if footer.num_row_groups > 1:
        return False
    return not footer.num_row_groups or footer.row_group(0).total_byte_size < _SMALL


def verify_sealed(
    file: pa.NativeFile, is_wanted: Callable[[pa.Field], bool] = lambda _: True
) -> None:
    """Compare columns of a sealed table with what was written, in the memory of a row group.

    Raises
    ------
    pyarrow.ArrowException, OSError or ValueError
        If the file is damaged; see `READ_FAULTS`.
    """
    footer = read_footer(file)
    names = [field.name for field in footer.schema.to_arrow_schema() if is_wanted(field)]
    batches = pq.ParquetFile(file, metadata=footer).iter_batches(columns=names)
    compare_checks(check_columns(batches, names), read_checks(footer))


def compare_checks(found: Mapping[str, str], written: Mapping[str, str]) -> None:
    """Raise ArrowInvalid if a column's checksum is not the written one."""
    for name, check in found.items():
        if written.get(name) != check:
            raise pa.ArrowInvalid(f"column {name} does not hold what was written")


class SealedGroups:
    """A sealed Parquet file of which single row groups are read; its checksums are of each.

    Parameters
    ----------
    file : pyarrow.NativeFile

    Raises
    ------
    pyarrow.ArrowInvalid
        If the footer is damaged.
    """

    def __init__(self, file: pa.NativeFile) -> None:
        self.footer = read_footer(file)
        self._checks = read_checks(self.footer)
        self._file = pq.ParquetFile(file, metadata=self.footer)

    def read(self, number: int, columns: Sequence[str]) -> pa.Table:
        """Return columns of a row group, as they were written; raises as `read_sealed`."""
        data = self._file.read_row_group(number, list(columns), use_threads=False)
        compare_checks(check_columns([data], data.column_names), self._checks[number])
        return data


def seal_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a JSON object with the digest of its other values."""
    return {**values, _JSON_KEY: _digest(values)}


def open_values(text: str | bytes, *, is_sealed: bool = True) -> dict[str, Any]:
    """Read a sealed JSON object.

    Parameters
    ----------
    text : str or bytes
    is_sealed : bool
        Whether it must have a seal; one that is there must fit.

    Raises
    ------
    ValueError
        If it is none, or another than was sealed.
    """
    try:
        values = json.loads(text)
    except RecursionError:
        raise ValueError("no JSON object") from None
    if not isinstance(values, dict) or (is_sealed and _JSON_KEY not in values):
        raise ValueError("no sealed JSON object")
    seal = values.pop(_JSON_KEY, None)
    if seal != _digest(values) and (is_sealed or seal is not None):
        raise ValueError("its values are not those that were written")
    return values


def _digest(values: Mapping[str, Any]) -> str:
    text = json.dumps(values, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _find_seal(footer: bytes) -> int:
    """Return where the digest begins: behind its key, in Thrift's compact protocol."""
    at = footer.rfind(_ENTRY)
    if at < 0:
        raise pa.ArrowInvalid("it has no seal: it is damaged, or another program made it")
    return at + len(_ENTRY)


def _find_letters(array: pa.Array) -> NDArray[np.uint8]:
    """Return the bytes of a string column without nulls, one after the other."""
    _, offsets, letters = array.buffers()
    if not len(array) or letters is None:
        return np.empty(0, np.uint8)
    bounds = np.frombuffer(offsets, np.int32)[array.offset : array.offset + len(array) + 1]
    return np.frombuffer(letters, np.uint8)[bounds[0] : bounds[-1]]


def _without_floats(schema: pa.Schema, names: bool | list[str]) -> list[str]:
    """Return the columns that a dictionary serves, of those asked for."""
    asked = schema.names if names is True else names or []
    return [name for name in asked if not _is_float(schema.field(name).type)]


def _is_float(kind: pa.DataType) -> bool:
    inner = kind.value_type if pa.types.is_nested(kind) else kind
    return bool(pa.types.is_floating(inner))
