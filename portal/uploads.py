"""A visitor's list: a file read below limits, its columns guessed, its rows matched to ours."""

import io
import warnings
from dataclasses import dataclass
from pathlib import PurePath
from typing import IO

import pandas as pd
import pyarrow as pa

from portal.conditions import DISTANCE
from portal.database import Connection, fetch_beside
from portal.positions import read_places, read_targetid

MAX_BYTES = 50 << 20
MAX_ROWS = 100_000
MAX_COLUMNS = 500
MAX_RADIUS = 60.0
# Names that lists give to what is looked for, lower case, the likeliest first.
_GUESSES = {
    "targetid": ("targetid", "target_id", "desi_targetid", "desi_id"),
    "ra": ("target_ra", "ra", "raj2000", "ra_icrs", "ra_deg", "_ra", "_raj2000", "alpha_j2000",
           "ra_j2000", "right_ascension"),
    "dec": ("target_dec", "dec", "dej2000", "decj2000", "de_icrs", "dec_deg", "_de", "_dej2000",
            "delta_j2000", "dec_j2000", "declination", "decl"),
}  # fmt: skip


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
        The visitor's name of the file; only its ending counts.
    content : bytes
        CSV, VOTable or FITS.

    Returns
    -------
    pandas.DataFrame
        Columns of one value a row.

    Raises
    ------
    UploadError
        If it is empty, too large or not what its name or content says.
    """
    if not content.strip():
        raise UploadError("The file is empty.")
    if len(content) > MAX_BYTES:
        raise UploadError(f"The file is larger than {MAX_BYTES >> 20} MiB.")
    kind = _find_kind(name, content)
    try:
        rows = _read_csv(content) if kind == "CSV" else _read_table(content, kind)
    except UploadError:
        raise
    # Whatever a parser raises on hostile bytes, the file is not of its kind.
    except Exception as fault:
        reason = next(iter(str(fault).splitlines()), "") or type(fault).__name__
        raise UploadError(f"The file is not a readable {kind} file: {reason[:150]}") from None
    if rows.empty:
        raise UploadError("The file has no rows.")
    if len(rows) > MAX_ROWS:
        raise UploadError(f"The file has {len(rows):,} rows; {MAX_ROWS:,} are allowed.")
    if len(rows.columns) > MAX_COLUMNS:
        raise UploadError(f"The file has {len(rows.columns):,} columns; {MAX_COLUMNS} are allowed.")
    return rows


def guess_columns(rows: pd.DataFrame) -> Columns:
    """Guess from their names which columns hold identifier and position."""
    names = {str(name).strip().lower(): str(name) for name in reversed(rows.columns)}
    found = {
        kind: next((names[guess] for guess in guesses if guess in names), None)
        for kind, guesses in _GUESSES.items()
    }
    return Columns(**found)


def match_ids(con: Connection, rows: pd.DataFrame, column: str, ours: tuple[str, ...]) -> pa.Table:
    """Join a list to the catalogue by TARGETID; every row of the list stays.

    Raises
    ------
    UploadError
        If no value of the column is a whole number of 64 bits.
    """
    ids = [_read_id(value) for value in rows[column]]
    if not any(number is not None for number in ids):
        raise UploadError(f"No value of the column {column} is a TARGETID.")
    mine = pa.table({"row": pa.array(range(len(ids))), "id": pa.array(ids, pa.int64())})
    sql = f"""SELECT mine.row, NULL::DOUBLE AS separation, {_name_ours(ours)}
        FROM mine LEFT JOIN quasars q ON q.TARGETID = mine.id ORDER BY mine.row"""
    return _join(rows, fetch_beside(con, "quasars", sql, mine))


def match_places(
    con: Connection, rows: pd.DataFrame, ra: str, dec: str, radius: float, ours: tuple[str, ...]
) -> pa.Table:
    """Join a list to the nearest object of the catalogue within a radius; every row stays.

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
          FROM zoned m JOIN quasars q ON floor(q.TARGET_DEC / {degrees}) = m.zone
          WHERE separation <= {radius}),
        best AS (
          SELECT row, arg_min(id, separation) AS id, min(separation) AS separation
          FROM near GROUP BY row)
        SELECT best.row, best.separation, {_name_ours(ours)}
        FROM best JOIN quasars q ON q.TARGETID = best.id ORDER BY best.row"""
    return _join(rows, fetch_beside(con, "quasars", sql, mine))


def _find_kind(name: str, content: bytes) -> str:
    if content.startswith((b"SIMPLE  =", b"\x1f\x8b")):
        return "FITS"
    if content.lstrip()[:5] in (b"<?xml", b"<VOTA"):
        return "VOTable"
    suffix = PurePath(name).suffix.lower().lstrip(".")
    return {"fits": "FITS", "fit": "FITS", "gz": "FITS", "vot": "VOTable", "xml": "VOTable"}.get(
        suffix, "CSV"
    )


def _read_csv(content: bytes) -> pd.DataFrame:
    if b"\0" in content:
        raise UploadError("The file is not a readable CSV file: it holds binary data.")
    text = content.decode("utf-8-sig", errors="replace")
    # As text, for a TARGETID must not pass through a float; one row more tells that it is too long.
    return pd.read_csv(io.StringIO(text), dtype="string", nrows=MAX_ROWS + 1, comment="#")


def _read_table(content: bytes, kind: str) -> pd.DataFrame:
    from astropy.table import Table

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if kind == "VOTable":
            table = Table.read(io.BytesIO(content), format="votable")
        else:
            table = Table.read(_open_fits(content), format="fits", hdu=1)
    if len(table) > MAX_ROWS:
        raise UploadError(f"The file has {len(table):,} rows; {MAX_ROWS:,} are allowed.")
    plain = [name for name in table.colnames if table[name].ndim == 1]
    return table[plain].to_pandas()


def _open_fits(content: bytes) -> IO[bytes]:
    if not content.startswith(b"\x1f\x8b"):
        return io.BytesIO(content)
    import gzip

    with gzip.open(io.BytesIO(content)) as handle:
        # A small file may unpack to a huge one.
        plain = handle.read(MAX_BYTES + 1)
    if len(plain) > MAX_BYTES:
        raise UploadError(f"The file unpacks to more than {MAX_BYTES >> 20} MiB.")
    return io.BytesIO(plain)


def _read_id(value: object) -> int | None:
    try:
        return read_targetid(str(value).strip())
    except ValueError:
        return None


def _name_ours(ours: tuple[str, ...]) -> str:
    return ", ".join(f'q."{name}" AS "desi_{name}"' for name in ours)


def _join(rows: pd.DataFrame, found: pa.Table) -> pa.Table:
    """Put the columns found beside all rows of the list, null where nothing was found."""
    matched = found.to_pandas(types_mapper=pd.ArrowDtype).set_index("row")
    matched.insert(0, "desi_separation", matched.pop("separation"))
    taken = set(matched.columns)
    mine = rows.rename(columns=lambda name: f"{name}_of_list" if name in taken else str(name))
    joined = mine.join(matched.reindex(mine.index))
    return pa.Table.from_pandas(joined, preserve_index=False).replace_schema_metadata(None)
