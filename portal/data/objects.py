"""Questions about one object: its row, what other tables hold of it, what is like it."""

import math

import pandas as pd
import pyarrow as pa

from catalog_schema import tables
from catalog_schema.contents import QUASARS
from portal.data.database import Connection, fetch, fetch_arrow
from portal.data.releases import CHECK_ADVICE, MISSING, ReleaseError


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
    lost = [c.name for c in tables.QUASARS.scalars if not c.nullable and row.get(c.name) is None]
    if lost:
        raise ReleaseError(f"`{QUASARS}` has no {lost[0]} for TARGETID {targetid}. {CHECK_ADVICE}")
    return row


def find_object_rows(con: Connection, targetid: int) -> pa.Table:
    """Return the same as a table of one row or none, the identifier as text."""
    sql = """SELECT * EXCLUDE (hidden) REPLACE (TARGETID::VARCHAR AS TARGETID)
        FROM rows WHERE TARGETID = ?"""
    return fetch_arrow(con, "quasars", sql, [targetid])


def find_class_evidence(con: Connection, targetid: int) -> pd.DataFrame:
    """Return the features that decided an object's class, or nothing where none are published."""
    return _find_rows(con, "evidence", targetid)


def find_changes(con: Connection, targetid: int) -> pd.DataFrame:
    """Return what has changed since each earlier spectrum of an object, or nothing without any."""
    return _find_rows(con, "changes", targetid)


def find_neighbours(con: Connection, targetid: int, n: int) -> pd.DataFrame:
    """Return the objects nearest in latent space; empty where the release has no latents."""
    sql = """WITH me AS (SELECT latent FROM latents WHERE TARGETID = ?),
        near AS (
          SELECT l.TARGETID, array_distance(l.latent, me.latent) AS latent_distance
          FROM latents l, me WHERE l.TARGETID <> ? ORDER BY latent_distance, l.TARGETID LIMIT ?)
        SELECT q.TARGETID::VARCHAR AS TARGETID, tier, anomaly_score, Z, snr, reason, latent_distance
        FROM rows q JOIN near USING (TARGETID) ORDER BY latent_distance, q.TARGETID"""
    return fetch(con, "quasars", sql, [targetid, targetid, n])


def locate(con: Connection, targetid: int) -> tuple[str, list[object]]:
    """Return the condition of an object's rows; its pixel spares most of a file in their order."""
    sql = "SELECT HEALPIX FROM rows WHERE TARGETID = ?"
    pixels = fetch(con, "quasars", sql, [targetid])["HEALPIX"].tolist()
    return "TARGETID = ? AND HEALPIX = ?", [targetid, *(pixels or [None])]


def _find_rows(con: Connection, dataset: str, targetid: int) -> pd.DataFrame:
    """Return an object's rows of a table that older releases lack, without their keys."""
    sql = "SELECT fault FROM faults WHERE dataset = ?"
    if con.cursor().execute(sql, [dataset]).fetchall() == [(MISSING,)]:
        return pd.DataFrame()
    sql = f"""SELECT * EXCLUDE (SURVEY, PROGRAM, HEALPIX, TARGETID) FROM {dataset}
        WHERE TARGETID = ?"""
    return fetch(con, dataset, sql, [targetid])


def _first(values: pa.ChunkedArray) -> object:
    return values[0].as_py()
