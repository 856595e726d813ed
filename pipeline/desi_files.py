"""Reading the tables of DESI's FITS files by column, in blocks of rows."""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DataError
from pipeline.fits_index import FileIndex, Hdu, Header, ReadAhead, read_header, walk_headers
from pipeline.integrity import compare_datasum, decompress, sum_words
from pipeline.sources import SourceFile

# Rows are fetched in blocks: of a remote source large enough for any link, of a local one small
# enough that the allocator hands the same memory out again.
_REMOTE_BLOCK, _LOCAL_BLOCK = 2**26, 2**24
_FORMAT = re.compile(r"^\s*(?P<repeat>\d*)(?P<code>[A-Z])")
_TYPES = {"L": "S1", "B": "u1", "I": ">i2", "J": ">i4", "K": ">i8", "E": ">f4", "D": ">f8"}


class Field(NamedTuple):
    """A column: place in the row, raw type, scaling."""

    offset: int
    dtype: np.dtype
    zero: float
    scale: float
    is_logical: bool


def read_columns(
    file: SourceFile, hdu: str, required: Sequence[str], optional: Sequence[str] = ()
) -> dict[str, NDArray]:
    """Read columns of a binary table in native byte order, strings stripped.

    Returns
    -------
    dict
        Name to values, shape (n, …); an optional column that the file lacks is left out.

    Raises
    ------
    DataError
        If the HDU or a required column is missing, or the file is unreadable.
    """
    blocks = list(iterate_columns(file, hdu, required, optional))
    if len(blocks) == 1:
        return blocks[0]
    return {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}


def iterate_columns(
    file: SourceFile,
    hdu: str,
    required: Sequence[str],
    optional: Sequence[str] = (),
    block_bytes: int | None = None,
) -> Iterator[dict[str, NDArray]]:
    """Yield what `read_columns` returns in blocks of rows, at least one."""
    ahead = ReadAhead(decompress(file))
    index = walk_headers(ahead, until=hdu)
    yield from read_table(ahead, index, hdu, required, optional, block_bytes)


def read_table(
    ahead: ReadAhead,
    index: FileIndex,
    hdu: str,
    required: Sequence[str],
    optional: Sequence[str] = (),
    block_bytes: int | None = None,
) -> Iterator[dict[str, NDArray]]:
    """Yield the columns of a table whose file has been walked, in blocks of rows."""
    file = ahead.file
    block_bytes = block_bytes or (_REMOTE_BLOCK if file.source.is_remote else _LOCAL_BLOCK)
    place = find_hdu(file, index, hdu)
    if not place.is_table:
        raise DataError(f"{file}: HDU {hdu} is not a binary table")
    if place.stop - place.start <= block_bytes:
        # Header and rows of a small table by one request.
        ahead.read(place.start, place.stop)
    fields = _parse_fields(file, read_header(ahead, place.start)[0])
    lacking = [name for name in required if name not in fields]
    if lacking:
        raise DataError(f"{file}: HDU {hdu} has no column {', '.join(lacking)}")
    wanted = {name: fields[name] for name in (*required, *optional) if name in fields}
    n_rows, row_bytes = place.shape
    # Four rows are a whole number of words of the checksum.
    step = max(4, block_bytes // row_bytes // 4 * 4)
    total = 0
    for first in range(0, max(n_rows, 1), step):
        last = min(first + step, n_rows)
        start, stop = (place.data + row * row_bytes for row in (first, last))
        data = ahead.read(start, stop) if n_rows <= step else _read(ahead, start, stop)
        if file.source.is_remote:
            total += sum_words(data)
        yield {name: _take(data, row_bytes, field) for name, field in wanted.items()}
    if file.source.is_remote and place.n_bytes == n_rows * row_bytes:
        compare_datasum(file, place, total)


def find_rows(
    listed: NDArray[np.int64], wanted: NDArray[np.int64]
) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Return the rows that list the wanted targets, and which of the wanted are listed at all."""
    if not len(listed):
        return np.zeros(0, np.intp), np.zeros(len(wanted), bool)
    order = np.argsort(listed, kind="stable")
    place = np.searchsorted(listed, wanted, sorter=order).clip(max=len(listed) - 1)
    is_there = listed[order[place]] == wanted
    return order[place][is_there], is_there


def list_tables(file: SourceFile) -> dict[str, list[str]]:
    """Return the names of the columns of every binary table."""
    ahead = ReadAhead(decompress(file))
    tables = [hdu for hdu in walk_headers(ahead).hdus if hdu.is_table]
    return {
        hdu.name: list(_parse_fields(ahead.file, read_header(ahead, hdu.start)[0]))
        for hdu in tables
    }


def find_hdu(file: SourceFile, index: FileIndex, name: str) -> Hdu:
    """Return an HDU by name; DataError if the file lacks it."""
    hdu = index.find(name)
    if hdu is None:
        arm = name[0].lower() if name[1:2] == "_" else None
        what = f"arm {arm} is incomplete" if arm else "not a DESI file"
        raise DataError(f"{file}: no HDU {name}: {what}; fetch it again or leave its shard out")
    return hdu


def _read(ahead: ReadAhead, start: int, stop: int) -> bytes:
    # Past the cache of headers: a block of a large table is used once.
    return ahead.file.read([(start, stop)], ahead.identity)[0]


def _parse_fields(file: SourceFile, header: Header) -> dict[str, Field]:
    fields, offset = {}, 0
    for number in range(1, int(header.get("TFIELDS", 0)) + 1):
        match = _FORMAT.match(str(header.get(f"TFORM{number}", "")))
        if not match:
            raise DataError(f"{file}: column {number} has no format; fetch it again")
        repeat, code = int(match["repeat"] or 1), match["code"]
        name = str(header.get(f"TTYPE{number}", "")).strip()
        zero = float(header.get(f"TZERO{number}", 0))
        scale = float(header.get(f"TSCAL{number}", 1))
        if code == "A":
            fields[name] = Field(offset, np.dtype(f"S{max(repeat, 1)}"), 0, 1, False)
            offset += repeat
        elif code in _TYPES:
            dtype = np.dtype(_TYPES[code])
            shaped = np.dtype((dtype, (repeat,))) if repeat != 1 else dtype
            fields[name] = Field(offset, shaped, zero, scale, code == "L")
            offset += dtype.itemsize * repeat
        else:
            # Bits, complex numbers and variable-length arrays: no column that is read.
            offset += {"X": -(-repeat // 8), "C": 8 * repeat, "M": 16 * repeat, "P": 8 * repeat,
                       "Q": 16 * repeat}.get(code, 0)  # fmt: skip
    return fields


def _take(data: bytes, row_bytes: int, field: Field) -> NDArray:
    layout = np.dtype({"names": ["v"], "formats": [field.dtype], "offsets": [field.offset],
                       "itemsize": row_bytes})  # fmt: skip
    values = np.frombuffer(data, layout)["v"]
    if field.is_logical:
        return values == b"T"
    if values.dtype.kind == "S":
        return np.char.strip(values.astype(str))
    return apply_scale(values, field.zero, field.scale)


def apply_scale(values: NDArray, zero: float, scale: float, in_place: bool = False) -> NDArray:
    """Return values in native byte order, scaled; unsigned where the offset means so.

    `in_place` lets unsigned integers take the memory of the values.
    """
    native = values.astype(values.dtype.newbyteorder("="), copy=False)
    if zero == 0 and scale == 1:
        return native
    bits = 8 * native.dtype.itemsize
    if scale == 1 and native.dtype.kind == "i" and zero == 2.0 ** (bits - 1):
        unsigned = native.view(f"u{bits // 8}")
        sign = unsigned.dtype.type(2 ** (bits - 1))
        return np.bitwise_xor(unsigned, sign, out=unsigned if in_place else None)
    return native * scale + zero
