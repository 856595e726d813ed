"""Opening a user's table: what it is, is read from its first bytes, not from its name."""

from collections.abc import Sequence
from pathlib import Path

from pipeline.errors import DataError, UserError
from pipeline.fits.tables import list_tables
from pipeline.transport.sources import MemorySource, SourceFile, local_file
from pipeline.user_tables import binary
from pipeline.user_tables.content import find_kind, read_content
from pipeline.user_tables.table import UserTable, reading
from pipeline.user_tables.text import HEAD_BYTES, Opener, open_file, read_text_table, unpack

# Formats that are read whole are no place for a table that does not fit in memory.
_MOST_WHOLE = 2**31
_PART = 2**22


def open_tables(path: Path, what: str = "") -> list[UserTable]:
    """Find the tables of a file, in its order.

    Parameters
    ----------
    path : Path
        FITS, VOTable, ECSV, CDS or IPAC table, Parquet, Arrow (Feather), or text with one row a
        line: comma, semicolon, tab, | or spaces between its cells; gzip, bzip2 or xz around any
        but Parquet and Arrow. Or a folder that holds Parquet files at any depth, such as a HATS
        catalogue.
    what : str
        What the table is for, to begin the lines of errors with.

    Returns
    -------
    list of UserTable
        At least one.

    Raises
    ------
    UserError
        If it is not there, is damaged, or is none of these.
    """
    origin = f"{what} {path}".strip()
    with reading(origin):
        if path.is_dir():
            parts = list_parts(path)
            if not parts:
                raise UserError(f"{origin}: no Parquet file in this folder")
            return binary.read_parquet(origin, parts)
        if not path.exists():
            raise UserError(f"{origin}: no such file")
        return _open_by_content(origin, path)


def list_parts(path: Path) -> list[Path]:
    """List the files of a catalogue: itself, or the Parquet files that a folder holds.

    Those whose names begin with an underscore or a dot describe the others, or are half-written.
    """
    return sorted(path.rglob("[!_.]*.parquet")) if path.is_dir() else [path]


def _open_by_content(origin: str, path: Path) -> list[UserTable]:
    plain = open_file(path)
    opener = unpack(plain)
    with opener() as stream:
        head = stream.read(HEAD_BYTES)
    kind = find_kind(origin, head)
    if kind == "text":
        return [read_text_table(origin, opener)]
    if kind == "Parquet":
        with reading(origin, "as Parquet"):
            return binary.read_parquet(origin, [path])
    if kind == "FITS" and opener is plain:
        with reading(origin, "as FITS"):
            check_headers(local_file(path))
            return binary.read_fits(origin, path)
    content = _read_whole(origin, opener)
    with reading(origin, f"as {kind}"):
        if kind == "FITS":
            check_headers(MemorySource(origin, content).file("unpacked"))
        return read_content(origin, kind, content)


def _read_whole(origin: str, opener: Opener) -> bytes:
    content = bytearray()
    with opener() as stream:
        # In parts: memory is asked for what is there, not for what may be.
        while part := stream.read(_PART):
            content += part
            if len(content) > _MOST_WHOLE:
                raise UserError(
                    f"{origin}: larger than 2 GiB; give it as Parquet, unpacked FITS or CSV"
                )
    return bytes(content)


def check_headers(file: SourceFile) -> None:
    """Walk the headers by our own bounded reader: astropy's may go on for ever in a damaged one.

    Raises
    ------
    UserError
        If they are no FITS headers.
    """
    try:
        list_tables(file)
    except DataError as error:
        raise UserError(str(error)) from None


def choose_table(tables: Sequence[UserTable], wanted: Sequence[str]) -> UserTable:
    """Return the first table that has columns of all these names; the first of all if none has."""
    for table in tables:
        if set(wanted) <= set(table.names):
            return table
    return tables[0]
