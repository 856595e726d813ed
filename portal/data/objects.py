"""Questions about one object: its row, what other tables hold of it, what is like it."""

import math

import pandas as pd
import pyarrow as pa

from catalog_schema.tables import QUASARS
from portal.data.database import MAIN, Connection, fetch, fetch_arrow
from portal.data.releases import CHECK_ADVICE, AbsentError, ReleaseError

# What a neighbour is told with, of what the release has.
_BESIDE = ("tier", "anomaly_score", "Z", "snr", "reason")


def find_object(con: Connection, targetid: int) -> dict[str, object] | None:
    """Return an object's catalogue row without its arrays, or None.

    Raises
    ------
    portal.data.releases.ReleaseError
        If the row lacks what every row has.
    """
    rows = find_object_rows(con, targetid)
    if not rows.num_rows:
        return None
    row: dict[str, object] = {
        name: None if isinstance(value, float) and math.isnan(value) else value
        for name, value in zip(rows.column_names, map(_first, rows.columns), strict=True)
    }
    lost = [c.name for c in con.table.scalars if not c.nullable and row.get(c.name) is None]
    if lost:
        raise ReleaseError(
            f"`{con.paths[MAIN]}` has no {lost[0]} for TARGETID {targetid}. {CHECK_ADVICE}"
        )
    return row


def find_object_rows(con: Connection, targetid: int) -> pa.Table:
    """Return the same as a table of one row or none, the identifier as text."""
    left_out = [name for name in con.missing if QUASARS[name].array is None]
    sql = f"""SELECT * EXCLUDE ({", ".join(("hidden", *left_out))})
        REPLACE (TARGETID::VARCHAR AS TARGETID) FROM rows WHERE TARGETID = ?"""
    return fetch_arrow(con, MAIN, sql, [targetid])


def find_class_evidence(con: Connection, targetid: int) -> pd.DataFrame:
    """Return the features that decided an object's class, or nothing where none are published."""
    return _find_rows(con, "evidence", targetid)


def find_changes(con: Connection, targetid: int) -> pd.DataFrame:
    """Return what has changed since each earlier spectrum of an object, or nothing without any."""
    return _find_rows(con, "changes", targetid)


def find_neighbours(con: Connection, targetid: int, n: int) -> pd.DataFrame:
    """Return the objects nearest in latent space; empty where the release has no latents."""
    names = "".join(f"{name}, " for name in _BESIDE if name in con.table.names)
    sql = f"""WITH me AS (SELECT latent FROM latents WHERE TARGETID = ?),
        near AS (
          SELECT l.TARGETID, array_distance(l.latent, me.latent) AS latent_distance
          FROM latents l, me WHERE l.TARGETID <> ? ORDER BY latent_distance, l.TARGETID LIMIT ?)
        SELECT q.TARGETID::VARCHAR AS TARGETID, {names} latent_distance
        FROM rows q JOIN near USING (TARGETID) ORDER BY latent_distance, q.TARGETID"""
    return fetch(con, MAIN, sql, [targetid, targetid, n])


def locate(con: Connection, targetid: int) -> tuple[str, list[object]]:
    """Return the condition of an object's rows; its pixel spares most of a file in their order."""
    sql = "SELECT HEALPIX FROM rows WHERE TARGETID = ?"
    pixels = fetch(con, MAIN, sql, [targetid])["HEALPIX"].tolist()
    if pixels and pd.isna(pixels[0]):
        return "TARGETID = ?", [targetid]
    return "TARGETID = ? AND HEALPIX = ?", [targetid, *(pixels or [None])]


def _find_rows(con: Connection, dataset: str, targetid: int) -> pd.DataFrame:
    """Return an object's rows of a table that not every release has, without their keys."""
    sql = f"""SELECT * EXCLUDE (SURVEY, PROGRAM, HEALPIX, TARGETID) FROM {dataset}
        WHERE TARGETID = ?"""
    try:
        return fetch(con, dataset, sql, [targetid])
    except AbsentError:
        return pd.DataFrame()


def _first(values: pa.ChunkedArray) -> object:
    return values[0].as_py()
