"""Text tables: CSV and its kin, in any encoding, read as text in blocks of rows."""

import bz2
import csv
import gzip
import io
import lzma
import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from pipeline.errors import UserError
from pipeline.user_tables.dialect import WHITESPACE, Dialect, find_dialect, is_ornament
from pipeline.user_tables.table import Column, UserTable, decode, reading, show_line, show_text

# What is looked at to recognise the dialect, and no header may be longer.
HEAD_BYTES = 2**20
_BLOCK_BYTES = 2**23
_PART = 2**20
_LINE_END = re.compile(r"\r\n|\r|\n")
_BOM = b"\xef\xbb\xbf"
_WIDE_BOMS = {
    b"\xff\xfe\x00\x00": "utf-32",
    b"\x00\x00\xfe\xff": "utf-32",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}
_PACKED: dict[bytes, Callable] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ": lzma.open}

Opener = Callable[[], BinaryIO]


def unpack(opener: Opener) -> Opener:
    """Return what opens a file's content, decompressed where its first bytes say so."""
    with opener() as stream:
        start = stream.read(6)
    packed = next((method for magic, method in _PACKED.items() if start.startswith(magic)), None)
    return opener if packed is None else lambda: packed(opener())


def read_text_table(origin: str, opener: Opener) -> UserTable:
    """Recognise a text table; its rows are read as text, each cell as it is written.

    Parameters
    ----------
    origin : str
        For messages.
    opener : callable
        Opens its bytes from the start, as often as it is called.

    Returns
    -------
    UserTable
        Columns of strings; an empty cell is an empty string. Comment lines (#) are left out.

    Raises
    ------
    UserError
        If it is no table; or while it is read, if a row has another number of cells.
    """
    with reading(origin):
        opener = _find_text(origin, opener)
        with opener() as stream:
            head = stream.read(HEAD_BYTES + 1)
        dialect = find_dialect(origin, head[:HEAD_BYTES], len(head) <= HEAD_BYTES)
    units = dialect.units or (None,) * len(dialect.names)
    columns = tuple(Column(*both) for both in zip(dialect.names, units, strict=True))
    read = partial(_read_rows, origin, opener, dialect)
    has_comma = dialect.delimiter != ","
    return UserTable(origin, columns, read, dialect.notes, has_decimal_comma=has_comma)


def open_file(path: Path) -> Opener:
    """Return what opens a local file."""
    return lambda: path.open("rb")


def _find_text(origin: str, opener: Opener) -> Opener:
    """Return what opens the text as UTF-8 (or Latin-1) without a byte order mark."""
    with opener() as stream:
        start = stream.read(4096)
    if start.startswith(_BOM):
        return lambda: _skip(opener(), len(_BOM))
    wide = next((code for mark, code in _WIDE_BOMS.items() if start.startswith(mark)), None)
    if wide is None:
        # UTF-16 without a mark: every second byte of what is mostly ASCII is zero.
        n = len(start) // 2
        for code, offset in (("utf-16-le", 1), ("utf-16-be", 0)):
            if (
                n > 3
                and start[offset::2].count(0) > 0.9 * n
                and not start[1 - offset :: 2].count(0)
            ):
                wide = code
    if wide is None:
        return opener
    return lambda: io.BufferedReader(_Recoded(opener(), wide))


def _skip(stream: BinaryIO, n_bytes: int) -> BinaryIO:
    while n_bytes:
        got = len(stream.read(min(n_bytes, _BLOCK_BYTES)))
        if not got:
            break
        n_bytes -= got
    return stream


def _read_rows(
    origin: str, opener: Opener, dialect: Dialect, places: Sequence[int]
) -> Iterator[pa.Table]:
    names = [str(place) for place in range(len(dialect.names))]
    wanted = [str(place) for place in places]
    # A comment is known by the first cell, a quote that is never closed by the last.
    needed = list(dict.fromkeys((*wanted, names[0], names[-1])))
    spare = names[-1] if dialect.has_spare else None
    n_rows = 0
    with _skip(opener(), dialect.start) as stream:
        parts, delimiter = _read_parts(stream), dialect.delimiter
        if delimiter == WHITESPACE or dialect.is_padded:
            parts, delimiter = _retell(parts, delimiter), "\t"
        for part in _join_quoted(parts):
            block = _parse(origin, part, delimiter, names, needed, n_rows)
            if not len(block):
                continue
            n_rows += len(block)
            if "\n" in block.column(names[-1])[-1].as_py() and not part.rstrip().endswith(b'"'):
                raise UserError(f"{origin}: a quote is opened near row {n_rows} and never closed")
            yield _check(origin, block, spare).select(wanted)


def _parse(
    origin: str, part: bytes, delimiter: str, names: list[str], needed: list[str], n_before: int
) -> pa.Table:
    """Parse whole rows. From memory: a reader of streams goes on reading behind an error."""
    bad_rows: list[pyarrow.csv.InvalidRow] = []

    def judge(row: pyarrow.csv.InvalidRow) -> str:
        if is_ornament(row.text):
            return "skip"
        bad_rows.append(row)
        return "error"

    try:
        return pyarrow.csv.read_csv(
            pa.BufferReader(part),
            pyarrow.csv.ReadOptions(
                use_threads=False, block_size=len(part) + 1, column_names=names
            ),
            pyarrow.csv.ParseOptions(
                delimiter=delimiter, newlines_in_values=True, invalid_row_handler=judge
            ),
            pyarrow.csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()), include_columns=needed
            ),
        )
    except pa.ArrowInvalid as error:
        if bad_rows:
            row = bad_rows[0]
            raise UserError(
                f"{origin}: row {n_before + row.number} has {row.actual_columns} cells where the "
                f"header has {len(names)} ({show_text(row.text)})"
            ) from None
        if "Empty CSV file" in str(error):
            return pa.table({name: pa.array([], pa.string()) for name in needed})
        raise UserError(f"{origin}: cannot be read ({show_line(error)})") from None


def _check(origin: str, block: pa.Table, spare: str | None) -> pa.Table:
    """Return a block without comments; what could be lost without a word is refused."""
    first = block.column("0")
    is_comment = pc.starts_with(first, "#")
    if pc.any(is_comment).as_py():
        if block.num_columns > 1:
            row = show_text(first.filter(is_comment)[0].as_py())
            raise UserError(
                f"{origin}: a row begins with # ({row}) and has as many cells as the header; "
                "take it out or the mark away"
            )
        block = block.filter(pc.invert(is_comment))
    if spare is not None:
        texts = pc.utf8_trim_whitespace(block.column(spare))
        row = pc.index(pc.not_equal(texts, ""), True).as_py()
        if row >= 0:
            raise UserError(
                f"{origin}: a row has a cell more than the header ({show_text(texts[row].as_py())})"
            )
    return block


class _Recoded(io.RawIOBase):
    """Text of wide characters as UTF-8."""

    def __init__(self, stream: BinaryIO, encoding: str) -> None:
        text = io.TextIOWrapper(stream, encoding, newline="")
        parts = iter(lambda: text.read(_PART), "")
        self._parts = (part.removeprefix("\ufeff").encode() for part in parts)
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, target: memoryview) -> int:  # type: ignore[override]
        while not self._rest:
            part = next(self._parts, None)
            if part is None:
                return 0
            self._rest = part
        n = min(len(target), len(self._rest))
        target[:n], self._rest = self._rest[:n], self._rest[n:]
        return n


def _read_parts(stream: BinaryIO) -> Iterator[bytes]:
    """Yield what is left of a stream as UTF-8, in parts that end with a line."""
    rest = b""
    while part := stream.read(_PART):
        part = rest + part
        stop = max(part.rfind(b"\n"), part.rfind(b"\r", 0, len(part) - 1)) + 1
        if not stop:
            if len(part) > _BLOCK_BYTES:
                raise ValueError(f"a row is longer than {_BLOCK_BYTES:,} bytes")
            rest = part
            continue
        part, rest = part[:stop], part[stop:]
        yield _to_utf8(part)
    yield _to_utf8(rest)


def _join_quoted(parts: Iterator[bytes]) -> Iterator[bytes]:
    """Join parts until no quote is open at their end, as far as their number tells."""
    held: list[bytes] = []
    n_quotes = n_bytes = 0
    for part in parts:
        held.append(part)
        n_quotes += part.count(b'"')
        n_bytes += len(part)
        if n_bytes >= _BLOCK_BYTES and (n_quotes % 2 == 0 or n_bytes > 4 * _BLOCK_BYTES):
            yield b"".join(held)
            held, n_quotes, n_bytes = [], 0, 0
    yield b"".join(held)


def _to_utf8(part: bytes) -> bytes:
    try:
        part.decode()
    except UnicodeDecodeError:
        return b"\n".join(decode(line).encode() for line in part.split(b"\n"))
    return part


def _retell(parts: Iterator[bytes], delimiter: str) -> Iterator[bytes]:
    """Rewrite rows whose delimiter is surrounded by spaces, or is any run of them, with tabs."""
    out = io.StringIO()
    writer = csv.writer(out, delimiter="\t", lineterminator="\n")
    lines = (line for part in parts for line in _LINE_END.split(part.decode()))
    if delimiter == WHITESPACE:
        lines = (line.strip().replace("\t", " ") for line in lines)
    # A line end within quotes belongs to the cell.
    ended = (line + "\n" for line in lines)
    for row in csv.reader(ended, delimiter=delimiter, skipinitialspace=True):
        writer.writerow(row)
        if out.tell() > _PART:
            yield out.getvalue().encode()
            out.seek(0)
            out.truncate()
    yield out.getvalue().encode()
