"""Questions about the rows of the catalogue: counts, lists, words, circles on the sky."""

from collections.abc import Callable
from dataclasses import replace

import pandas as pd
import pyarrow as pa

from catalog_schema.column import Column, Table
from catalog_schema.contents import STRANGEST_FIRST
from catalog_schema.tables import QUASARS
from portal.data.conditions import (
    DISTANCE,
    HIDDEN,
    WHY_HIDDEN,
    Condition,
    Filters,
    inside,
    where,
)
from portal.data.database import MAIN, Connection, fetch, fetch_arrow
from portal.data.own_columns import list_own
from portal.data.quoting import quote_name
from portal.data.ranking import Ranking, choose_source
from portal.data.releases import AbsentError
from portal.data.search import Cone
from portal.data.texts import MAX_LENGTH

# What is told of an object first, of what the release has; and what a cone search returns.
SUMMARY = (
    "TARGETID",
    "TARGET_RA",
    "TARGET_DEC",
    "Z",
    "snr",
    "anomaly_score",
    "p_value",
    "joint_p_value",
    "finding",
    "finding_p_value",
    "q_value",
    "tier",
    "reason",
    "anomaly_class",
    "artefact_probability",
)
IN_CONE = (*SUMMARY, "SURVEY", "PROGRAM")
_LISTED = (
    "TARGETID",
    "tier",
    "finding",
    "finding_p_value",
    "q_value",
    "joint_p_value",
    "p_value",
    "anomaly_score",
    "Z",
    "snr",
    "reason",
    "worst_arm",
    "chi2_b",
    "chi2_r",
    "chi2_z",
    "parent",
    "SPECTYPE",
    "ZWARN",
    "anomaly_class",
    "artefact_probability",
    "review_status",
    "TARGET_RA",
    "TARGET_DEC",
    "DESINAME",
    "chi2",
    "kl_divergence",
    "isolation_score",
)


def list_listed(table: Table) -> tuple[str, ...]:
    """Return the columns that a list of objects has: the usual ones and the release's own."""
    usual = [name for name in _LISTED if name in table.names]
    return (*usual, *(column.name for column in list_own(table, QUASARS)))


def list_words(con: Connection, columns: tuple[str, ...]) -> dict[str, list[str]]:
    """Return the words that occur in each column, in the order of the vocabulary."""
    if not columns:
        return {}
    sets = ", ".join(f"list(DISTINCT {quote_name(n)}) AS {quote_name(n)}" for n in columns)
    row = fetch_arrow(con, MAIN, f"SELECT {sets} FROM rows", []).to_pylist()[0]
    return {
        name: sorted(filter(None, row[name] or []), key=_rank_word(con.table[name].vocabulary))
        for name in columns
    }


def count_kinds(con: Connection, filters: Filters) -> pd.DataFrame:
    """Count rows by tier and by what hides them: columns tier, hidden (reason or null), n.

    Also those that `Filters.clean` leaves out.
    """
    condition, values = where(replace(filters, clean=False), con.table)
    sql = f"SELECT tier, hidden, count(*) AS n FROM rows WHERE {condition} GROUP BY tier, hidden"
    counts = fetch(con, MAIN, sql, values)
    return counts.assign(hidden=counts["hidden"].map(dict(enumerate(HIDDEN))))


def count_rows(con: Connection, filters: Filters) -> int:
    """Count the rows that pass."""
    condition, values = where(filters, con.table)
    sql = f"SELECT count(*) AS n FROM rows WHERE {condition}"
    return int(fetch(con, MAIN, sql, values)["n"].iloc[0])


def list_rows(
    con: Connection,
    filters: Filters,
    ranking: Ranking,
    page: int,
    page_size: int,
    names: tuple[str, ...] | None = None,
) -> pd.DataFrame:
    """Return one page of a ranking, pages counted from 1; without names the usual columns.

    Raises
    ------
    ValueError
        If a column is not one of the catalogue's.
    """
    condition, values = where(filters, con.table)
    names = list_listed(con.table) if names is None else names
    if not set(con.table.names).issuperset(names):
        raise ValueError("a column is not one of the catalogue's")
    columns = ", ".join(_as_text(con.table[name]) for name in names)
    source, order = choose_source(filters), ranking.order()
    # The narrow inner query sorts all rows; the wide one reads only those of the page.
    sql = f"""SELECT {columns} FROM {source} q WHERE q.TARGETID IN (
        SELECT TARGETID FROM {source} q WHERE {condition} ORDER BY {order} LIMIT ? OFFSET ?)
        ORDER BY {order}"""
    return fetch(con, MAIN, sql, [*values, page_size, (page - 1) * page_size])


def list_graded(con: Connection) -> pd.DataFrame:
    """Return TARGETID (text), tier and score of every graded object, strangest first."""
    sql = f"""SELECT TARGETID::VARCHAR AS TARGETID, tier, anomaly_score FROM rows
        WHERE tier <> 'none' ORDER BY {STRANGEST_FIRST}"""
    return fetch(con, MAIN, sql)


def list_shuffled(con: Connection, filters: Filters, n: int) -> list[int]:
    """Return up to `n` TARGETIDs that pass, in an order that tells nothing of the score."""
    condition, values = where(filters, con.table)
    sql = f"SELECT TARGETID FROM rows WHERE {condition} ORDER BY hash(TARGETID) LIMIT ?"
    found: list[int] = fetch(con, MAIN, sql, [*values, n])["TARGETID"].tolist()
    return found


def find_cone(con: Connection, cone: Cone, n: int) -> pa.Table:
    """Return up to `n` objects of a circle, nearest first, with their separation in arcsec.

    Raises
    ------
    portal.data.releases.AbsentError
        If the release has no positions.
    """
    if not {"TARGET_RA", "TARGET_DEC"} <= set(con.table.names):
        raise AbsentError(f"`{con.paths[MAIN]}` has no positions.")
    names = ", ".join(name for name in IN_CONE if name in con.table.names)
    if cone.radius == 0:
        return fetch_arrow(con, MAIN, f"SELECT {names} FROM rows LIMIT 0", [])
    condition, values = inside(cone)
    distance = DISTANCE.format(ra=cone.ra, dec=f"({cone.dec})")
    sql = f"""SELECT 3600 * {distance} AS separation, {names} FROM rows
        WHERE {condition} ORDER BY separation, TARGETID LIMIT ?"""
    return fetch_arrow(con, MAIN, sql, [*values, n])


def select_rows(con: Connection, filters: Filters) -> Condition:
    """Return the question for every column of the filtered rows, strangest first."""
    condition, values = where(filters, con.table)
    # The values of its own are given, so that the question has some always.
    left_out = ", ".join(("hidden", *con.missing))
    sql = f"""SELECT * EXCLUDE ({left_out})
        FROM (SELECT *, {WHY_HIDDEN} AS hidden FROM {MAIN})
        WHERE ? AND {condition} ORDER BY {STRANGEST_FIRST}"""
    return sql, [True, *values]


def _rank_word(vocabulary: tuple[str, ...] | None) -> Callable[[str], tuple[int, str]]:
    places = {word: place for place, word in enumerate(vocabulary or ())}
    return lambda word: (places.get(word, len(places)), word)


def _as_text(column: Column) -> str:
    # A browser holds numbers as doubles and would round identifiers above 2^53.
    if column.name == "TARGETID":
        return "q.TARGETID::VARCHAR AS TARGETID"
    name = quote_name(column.name)
    return f"left({name}, {MAX_LENGTH}) AS {name}" if pa.types.is_string(column.type) else name
