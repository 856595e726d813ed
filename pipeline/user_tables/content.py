"""What kind of table a file is, by its first bytes; and its tables, where it is in memory."""

import io
import re

from pipeline.errors import UserError
from pipeline.user_tables import binary
from pipeline.user_tables.table import UserTable, reading
from pipeline.user_tables.text import read_text_table

_FOREIGN = {
    b"PK\x03\x04": "an Excel workbook or a zip archive",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"\x89HDF": "an HDF5 file",
    b"\x93NUMPY": "a NumPy file",
    b"%PDF": "a PDF file",
    b"SQLite format 3": "an SQLite database",
}


def find_kind(origin: str, head: bytes) -> str:
    """Name the format of a file: FITS, Parquet, Arrow, VOTable, ECSV, CDS, IPAC or text.

    Raises
    ------
    UserError
        If it is plainly something else.
    """
    foreign = next((what for magic, what in _FOREIGN.items() if head.startswith(magic)), None)
    if foreign:
        raise UserError(f"{origin}: is {foreign}; save the table as CSV, FITS or Parquet")
    for magic, kind in ((b"SIMPLE  =", "FITS"), (b"PAR1", "Parquet"), (b"ARROW1", "Arrow")):
        if head.startswith(magic):
            return kind
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if start.startswith(b"<") and re.search(rb"<(\w+:)?VOTABLE\b", head):
        return "VOTable"
    if re.match(rb"#\s*%ECSV", start):
        return "ECSV"
    if b"Byte-by-byte Description" in head:
        return "CDS"
    return "IPAC" if _is_ipac(start) else "text"


def read_content(origin: str, kind: str, content: bytes) -> list[UserTable]:
    """Read the tables of a file in memory, of a kind that `find_kind` names.

    Raises
    ------
    UserError
        If it is damaged.
    """
    if kind == "text":
        return [read_text_table(origin, lambda: io.BytesIO(content))]
    with reading(origin, f"as {kind}"):
        if kind == "FITS":
            return binary.read_fits(origin, content)
        if kind == "Parquet":
            return binary.read_parquet(origin, [io.BytesIO(content)])
        if kind == "Arrow":
            return binary.read_arrow(origin, content)
        if kind == "VOTable":
            return binary.read_votable(origin, content)
        return binary.read_ruled_text(origin, content, kind.lower())


def _is_ipac(start: bytes) -> bool:
    """Know an IPAC table: bars stand in its header and not in its rows."""
    lines = [line.strip() for line in start.split(b"\n")[:200] if line.strip()]
    table = [line for line in lines if not line.startswith(b"\\")]
    is_framed = len(table) > 1 and all(
        line.startswith(b"|") and line.endswith(b"|") for line in table[:2]
    )
    has_bars = all(b"|" in line for line in table[2:6])
    return is_framed and (len(lines) > len(table) or not has_bars)
