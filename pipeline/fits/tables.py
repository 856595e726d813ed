"""Tables of FITS files, read by column in blocks of rows."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DataError
from pipeline.fits.index import FileIndex, Hdu, ReadAhead, read_header, walk_headers
from pipeline.fits.integrity import compare_datasum, decompress, sum_words
from pipeline.fits.table_columns import Fields, take_array, take_column
from pipeline.transport.sources import SourceFile

# Rows are fetched in blocks: of a remote source large enough for any link, of a local one small
# enough that the allocator hands the same memory out again.
_REMOTE_BLOCK, _LOCAL_BLOCK = 2**26, 2**24


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
    return _join(iterate_columns(file, hdu, required, optional))


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
    tables = [table for table in index.hdus if table.is_table]
    # A copy that has lost the name of its only table.
    if index.find(hdu) is None and len(tables) == 1 and not tables[0].name:
        hdu = ""
    yield from _iterate_table(ahead, index, hdu, required, optional, block_bytes)


def read_table(
    ahead: ReadAhead,
    index: FileIndex,
    hdu: str,
    required: Sequence[str],
    optional: Sequence[str] = (),
) -> dict[str, NDArray]:
    """Return what `read_columns` does, of a table whose file has been walked."""
    return _join(_iterate_table(ahead, index, hdu, required, optional))


def _iterate_table(
    ahead: ReadAhead,
    index: FileIndex,
    hdu: str,
    required: Sequence[str],
    optional: Sequence[str] = (),
    block_bytes: int | None = None,
) -> Iterator[dict[str, NDArray]]:
    """Yield what `read_table` returns in blocks of rows, at least one."""
    file = ahead.file
    block_bytes = block_bytes or (_REMOTE_BLOCK if file.source.is_remote else _LOCAL_BLOCK)
    place = find_hdu(file, index, hdu)
    if not place.is_table:
        raise DataError(f"{file}: HDU {hdu} is not a binary table")
    if place.stop - place.start <= block_bytes:
        # Header and rows of a small table by one request.
        ahead.read(place.start, place.stop)
    n_rows, row_bytes = place.shape
    fields = ahead.keep(place.start, lambda: Fields(read_header(ahead, place.start)[0], row_bytes))
    where = f"{file}: HDU {hdu}"
    # Without bytes in a row there is no column to speak of.
    names = (*required, *optional) if row_bytes else ()
    found = {name: fields.find(where, name) for name in names}
    lacking = [name for name in required if found.get(name) is None]
    if lacking:
        raise DataError(f"{where} has no column {', '.join(lacking)}")
    wanted = {name: field for name, field in found.items() if field is not None}
    # Four rows are a whole number of words of the checksum.
    step = max(4, block_bytes // max(row_bytes, 1) // 4 * 4)
    total = 0
    for first in range(0, max(n_rows, 1), step):
        last = min(first + step, n_rows)
        start, stop = (place.data + row * row_bytes for row in (first, last))
        data = ahead.read(start, stop) if n_rows <= step else _read(ahead, start, stop)
        if file.source.is_remote:
            total += sum_words(data)
        yield {name: take_column(where, data, row_bytes, f, name) for name, f in wanted.items()}
    if file.source.is_remote and place.n_bytes == n_rows * row_bytes:
        compare_datasum(file, place, total)


def read_arrays(ahead: ReadAhead, index: FileIndex, hdu: str) -> dict[str, NDArray]:
    """Read the columns of numbers of a small table, by their names in upper case.

    Whatever they are called, they are numbers and nothing else, and a cell may hold an array: (n,)
    or (n, k).

    Raises
    ------
    DataError
        If there is no such table, or it is damaged.
    """
    place = find_hdu(ahead.file, index, hdu)
    if not place.is_table:
        raise DataError(f"{ahead.file}: HDU {hdu} is not a binary table")
    n_rows, row_bytes = place.shape
    data = ahead.read(place.start, place.data + n_rows * row_bytes)[place.data - place.start :]
    fields = Fields(read_header(ahead, place.start)[0], row_bytes)
    found = {name: fields.find(f"{ahead.file}: HDU {hdu}", name) for name in fields.names}
    return {
        name.upper(): take_array(data, row_bytes, field)
        for name, field in found.items()
        if field is not None and not field.is_logical and field.dtype.base.kind in "iuf"
    }


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
        hdu.name: Fields(read_header(ahead, hdu.start)[0], hdu.shape[1]).names for hdu in tables
    }


def find_hdu(file: SourceFile, index: FileIndex, name: str) -> Hdu:
    """Return an HDU by name; DataError if the file lacks it."""
    hdu = index.find(name)
    if hdu is None:
        raise DataError(
            f"{file}: no HDU {name}: not a DESI file of this kind; give one that has it"
        )
    return hdu


def _join(blocks: Iterable[dict[str, NDArray]]) -> dict[str, NDArray]:
    first, *others = blocks
    if not others:
        return first
    return {name: np.concatenate([first[name], *(o[name] for o in others)]) for name in first}


def _read(ahead: ReadAhead, start: int, stop: int) -> bytes:
    # Past the cache of headers: a block of a large table is used once.
    return ahead.file.read([(start, stop)], ahead.identity)[0]
