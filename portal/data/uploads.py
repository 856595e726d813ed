"""A visitor's list: a file read below limits, its columns guessed, its rows matched to ours."""

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import UserError
from pipeline.user_tables.content import find_kind, read_content
from pipeline.user_tables.names import find_column
from pipeline.user_tables.table import UserTable, show_text
from pipeline.user_tables.text import HEAD_BYTES
from pipeline.user_tables.values import read_ids
from portal.data.conditions import DISTANCE
from portal.data.database import MAIN, Connection, fetch_beside
from portal.data.positions import read_places

MAX_BYTES = 50 << 20
MAX_ROWS = 100_000
MAX_COLUMNS = 500
MAX_RADIUS = 60.0


class UploadError(Exception):
    """A list that cannot be used; the message is one line."""


@dataclass(frozen=True)
class Columns:
    """Which columns of a list hold what; None where there is none."""

    targetid: str | None
    ra: str | None
    dec: str | None


def read_list(name: str, content: bytes) -> pd.DataFrame:
    """Read an uploaded file.

    Parameters
    ----------
    name : str
        The visitor's name of the file, for messages; what it is, its content says.
    content : bytes
        Text with a row a line, VOTable, FITS or another table that `read_content` knows, gzipped
        or not. Of several tables in it the first that has a TARGETID or a position.

    Returns
    -------
    pandas.DataFrame
        Columns of one value a row, text as it is written.

    Raises
    ------
    UploadError
        If it is empty, too large or no table.
    """
    if not content.strip():
        raise UploadError("The file is empty.")
    if len(content) > MAX_BYTES:
        raise UploadError(f"The file is larger than {MAX_BYTES >> 20} MiB.")
    with _explaining():
        content = _unpack(content)
        origin = show_text(name)
        kind = find_kind(origin, content[:HEAD_BYTES])
        table = _choose(read_content(origin, kind, content))
        if len(table.columns) > MAX_COLUMNS:
            raise UploadError(
                f"The file has {len(table.columns):,} columns; {MAX_COLUMNS} are allowed."
            )
        rows = _read_rows(table)
    if rows.empty:
        raise UploadError("The file has no rows.")
    return rows


def guess_columns(rows: pd.DataFrame) -> Columns:
    """Guess from their names which columns hold identifier and position."""
    names = [str(name) for name in rows.columns]
    places = (find_column(names, ours) for ours in ("TARGETID", "TARGET_RA", "TARGET_DEC"))
    return Columns(*(None if place is None else names[place] for place in places))


def match_ids(con: Connection, rows: pd.DataFrame, column: str, ours: tuple[str, ...]) -> pa.Table:
    """Join a list to the catalogue by TARGETID; every row of the list stays.

    Raises
    ------
    UploadError
        If no value of the column is a whole number of 64 bits, or one has been through a
        floating-point number that cannot keep it.
    """
    with _explaining():
        values = pa.chunked_array([pa.Array.from_pandas(rows[column])])
        ids = read_ids("Your list", column, values, words_are_none=True)
    if not any(number is not None for number in ids):
        raise UploadError(f"No value of the column {column} is a TARGETID.")
    mine = pa.table({"row": pa.array(range(len(ids))), "id": pa.array(ids, pa.int64())})
    sql = f"""SELECT mine.row, NULL::DOUBLE AS separation, {_name_ours(ours)}
        FROM mine LEFT JOIN {MAIN} q ON q.TARGETID = mine.id ORDER BY mine.row"""
    return _join(rows, fetch_beside(con, MAIN, sql, mine))


def match_places(
    con: Connection, rows: pd.DataFrame, ra: str, dec: str, radius: float, ours: tuple[str, ...]
) -> pa.Table:
    """Join a list to the nearest object of the catalogue within a radius; every row stays.

    Of objects at the same distance the one of the smallest TARGETID is taken.

    Parameters
    ----------
    ra, dec : str
        Columns of positions (ICRS), degrees or sexagesimal.
    radius : float
        Arcsec, up to `MAX_RADIUS`.

    Raises
    ------
    UploadError
        If the radius is out of range or no row has a position.
    """
    if not 0 < radius <= MAX_RADIUS:
        raise UploadError(f"The radius must be between 0 and {MAX_RADIUS:g} arcsec.")
    places = read_places(rows[ra], rows[dec])
    if places.empty:
        raise UploadError(
            f"No row has a position in {ra} (0 to 360) and {dec} (-90 to +90): degrees or "
            "sexagesimal."
        )
    mine = pa.Table.from_pandas(places.rename_axis("row").reset_index(), preserve_index=False)
    degrees = radius / 3600
    # Zones of declination make an equality join of what is a range join.
    sql = f"""WITH zoned AS (
          SELECT *, unnest([floor(dec / {degrees}) - 1, floor(dec / {degrees}),
            floor(dec / {degrees}) + 1]) AS zone FROM mine),
        near AS (
          SELECT m.row, q.TARGETID AS id,
            3600 * {DISTANCE.format(ra="m.ra", dec="m.dec")} AS separation
          FROM zoned m JOIN {MAIN} q ON floor(q.TARGET_DEC / {degrees}) = m.zone
          WHERE separation <= {radius}),
        best AS (
          FROM near
          QUALIFY row_number() OVER (PARTITION BY row ORDER BY separation, id) = 1)
        SELECT best.row, best.separation, {_name_ours(ours)}
        FROM best JOIN {MAIN} q ON q.TARGETID = best.id ORDER BY best.row"""
    return _join(rows, fetch_beside(con, MAIN, sql, mine))


@contextmanager
def _explaining() -> Iterator[None]:
    try:
        yield
    except UserError as fault:
        raise UploadError(str(fault)) from None
    except MemoryError:
        raise UploadError("The file takes too much memory to read.") from None


def _unpack(content: bytes) -> bytes:
    if not content.startswith(b"\x1f\x8b"):
        return content
    try:
        with gzip.open(io.BytesIO(content)) as handle:
            # A small file may unpack to a huge one.
            plain = handle.read(MAX_BYTES + 1)
    except (OSError, EOFError, zlib.error) as fault:
        raise UploadError(f"The file is not a readable gzip file: {fault}") from None
    if len(plain) > MAX_BYTES:
        raise UploadError(f"The file unpacks to more than {MAX_BYTES >> 20} MiB.")
    return plain


def _choose(tables: list[UserTable]) -> UserTable:
    def has_key(table: UserTable) -> bool:
        return any(find_column(table.names, ours) is not None for ours in ("TARGETID", "TARGET_RA"))

    return next(filter(has_key, tables), tables[0])


def _read_rows(table: UserTable) -> pd.DataFrame:
    places = range(len(table.columns))
    blocks, n_rows = [], 0
    for block in table.read(places):
        blocks.append(block)
        n_rows += len(block)
        if n_rows > MAX_ROWS:
            raise UploadError(f"The file has more than {MAX_ROWS:,} rows, which are allowed.")
    if not n_rows:
        return pd.DataFrame()
    whole = pa.concat_tables(blocks, promote_options="permissive")
    names = _make_unique(table.names)
    plain = {
        name: _blank_to_null(column)
        for name, column in zip(names, whole.columns, strict=True)
        if not pa.types.is_nested(column.type)
    }
    return pa.table(plain).to_pandas(types_mapper=pd.ArrowDtype)


def _blank_to_null(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if not pa.types.is_string(column.type):
        return column
    return pc.if_else(pc.equal(pc.utf8_trim_whitespace(column), ""), None, column)


def _make_unique(names: list[str]) -> list[str]:
    """Give columns without a name their number, and further ones of a name a number behind it."""
    made: dict[str, None] = {}
    for number, name in enumerate(names, 1):
        wanted = name or f"column {number}"
        unique, again = wanted, 1
        while unique in made:
            again += 1
            unique = f"{wanted} {again}"
        made[unique] = None
    return list(made)


def _name_ours(ours: tuple[str, ...]) -> str:
    return ", ".join(f'q."{name}" AS "desi_{name}"' for name in ours)


def _join(rows: pd.DataFrame, found: pa.Table) -> pa.Table:
    """Put the columns found beside all rows of the list, null where nothing was found."""
    matched = found.to_pandas(types_mapper=pd.ArrowDtype).set_index("row")
    matched.insert(0, "desi_separation", matched.pop("separation"))
    names = _set_apart(list(map(str, rows.columns)), set(matched.columns))
    mine = rows.set_axis(names, axis="columns")
    joined = mine.join(matched.reindex(mine.index))
    return pa.Table.from_pandas(joined, preserve_index=False).replace_schema_metadata(None)


def _set_apart(names: list[str], taken: set[str]) -> list[str]:
    """Give columns of a list whose names are taken others that no column has."""
    used, made = {*names, *taken}, []
    for name in names:
        free = name
        while name in taken and free in used:
            free = f"{free}_of_list"
        used.add(free)
        made.append(free)
    return made
