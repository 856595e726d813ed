"""Short questions to a release that many tests ask."""

from portal.data import catalogue
from portal.data.conditions import Filters
from portal.data.database import Connection
from portal.data.ranking import Ranking


def found(con: Connection, filters: Filters) -> list[str]:
    """TARGETIDs that pass, strangest first, as a page lists them."""
    n = catalogue.count_rows(con, filters)
    return catalogue.list_rows(con, filters, Ranking(), 1, max(n, 1))["TARGETID"].tolist()


def select(con: Connection, filters: Filters) -> list[int]:
    """TARGETIDs of the rows that an export has."""
    sql, values = catalogue.select_rows(con, filters)
    return [
        row[0] for row in con.cursor().execute(f"SELECT TARGETID FROM ({sql})", values).fetchall()
    ]
