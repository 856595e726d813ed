"""The orders in which rows are listed, and an object's place in one of them."""

import re
from dataclasses import dataclass

from catalog_schema.column import Table
from catalog_schema.tables import QUASARS
from catalog_schema.vocabulary import Tier
from portal.data.conditions import (
    Condition,
    Filters,
    where,
)
from portal.data.database import MAIN, Connection, Values, fetch_first
from portal.data.own_columns import list_numbers

# What every list is sorted by where the release has it; the first is the usual order.
_SORTABLE = (
    "finding_p_value",
    "joint_p_value",
    "p_value",
    "q_value",
    "anomaly_score",
    "Z",
    "snr",
    "chi2",
    "chi2_b",
    "chi2_r",
    "chi2_z",
    "kl_divergence",
    "isolation_score",
    "artefact_probability",
    "TARGET_RA",
    "TARGET_DEC",
)
_NAME = re.compile(r"[A-Za-z_]\w{0,62}", re.ASCII)
# The strange have small ones.
SMALLEST_FIRST = ("finding_p_value", "joint_p_value", "p_value", "q_value")


@dataclass(frozen=True)
class Ranking:
    """An order of rows by one column; ties go by TARGETID and nulls rank last."""

    sort: str = "finding_p_value"
    descending: bool = False

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.sort):
            raise ValueError(f"rows cannot be sorted by {self.sort}")

    def order(self, *, backwards: bool = False) -> str:
        """Return the SQL order of a relation ``q``.

        It is one of plain columns: by it DuckDB passes over blocks without any of the first rows.
        """
        turn = {False: "ASC", True: "DESC"}
        nulls = "FIRST" if backwards else "LAST"
        return (
            f"{self.sort} {turn[self.descending != backwards]} NULLS {nulls}, "
            f"q.TARGETID {turn[backwards]}"
        )

    def ahead(self, key: float | None, targetid: int) -> Condition:
        """Return the condition of the rows before a row of this key, null being None."""
        if key is None:
            return f"({self.sort} IS NOT NULL OR TARGETID < ?)", [targetid]
        return self._compare(">" if self.descending else "<", "<"), [key, key, targetid]

    def behind(self, key: float | None, targetid: int) -> Condition:
        """Return the condition of the rows after such a row whose own key is not null."""
        if key is None:
            return "false", []
        return self._compare("<" if self.descending else ">", ">"), [key, key, targetid]

    def _compare(self, sign: str, way: str) -> str:
        # The first part says nothing new, but by it alone whole blocks are passed over.
        return f"({self.sort} {sign}= ? AND ({self.sort} {sign} ? OR TARGETID {way} ?))"


def list_sortable(table: Table) -> tuple[str, ...]:
    """Return the columns by which a release's rows can be sorted, the usual order first."""
    numbers = list_numbers(table)
    usual = [name for name in _SORTABLE if name in numbers]
    own = [name for name in numbers if name not in QUASARS.names]
    return (*usual, *own) or ("TARGETID",)


@dataclass(frozen=True)
class Place:
    """An object's rank from 1 and the TARGETIDs beside it, as text."""

    rank: int
    total: int
    previous: str | None
    following: str | None


def find_place(con: Connection, filters: Filters, ranking: Ranking, targetid: int) -> Place | None:
    """Return where an object stands in a ranking, or None if it is not part of it."""
    condition, values = where(filters, con.table)
    # By itself a TARGETID is looked up; with other conditions all rows would be read.
    sql = f"""WITH me AS MATERIALIZED (FROM rows WHERE TARGETID = ?)
        SELECT {ranking.sort} AS key FROM me WHERE {condition}"""
    me = fetch_first(con, MAIN, sql, [targetid, *values])
    if me is None:
        return None
    key = me["key"]
    ahead, ahead_values = ranking.ahead(key, targetid)
    behind, behind_values = ranking.behind(key, targetid)
    last: Condition = ("true", []) if key is not None else ("TARGETID > ?", [targetid])
    source = f"FROM {choose_source(filters)} q WHERE {condition}"
    sql = f"""SELECT (SELECT count(*) {source}) AS total,
        (SELECT count(*) {source} AND {ahead}) + 1 AS rank,
        (SELECT TARGETID {source} AND {ahead}
         ORDER BY {ranking.order(backwards=True)} LIMIT 1)::VARCHAR AS previous,
        coalesce((SELECT TARGETID {source} AND {behind} ORDER BY {ranking.order()} LIMIT 1),
          (SELECT min(TARGETID) {source} AND {ranking.sort} IS NULL AND {last[0]}))::VARCHAR
        AS following"""
    of_parts: tuple[Values, ...] = ([], ahead_values, ahead_values, behind_values, last[1])
    given = [value for more in of_parts for value in (*values, *more)]
    row = fetch_first(con, MAIN, sql, given)
    return Place(**row) if row else None


def choose_source(filters: Filters) -> str:
    """Return the smaller relation that holds all rows that pass."""
    tiers = filters.get_words("tier")
    return "graded" if tiers and Tier.NONE.value not in tiers else "rows"
