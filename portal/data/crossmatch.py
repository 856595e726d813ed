"""Questions about external catalogues: which were searched, and with what outcome."""

import pandas as pd
import pyarrow as pa

from catalog_schema.vocabulary import MatchState
from portal.data.database import Connection, fetch, fetch_arrow
from portal.data.objects import locate


def list_searched(con: Connection) -> list[str]:
    """Return the external catalogues that were searched."""
    sql = "SELECT DISTINCT catalogue FROM crossmatch WHERE match_state <> ? ORDER BY catalogue"
    rows = fetch(con, "crossmatch", sql, [MatchState.NOT_QUERIED.value])
    return [str(name) for name in rows["catalogue"]]


def list_catalogues(con: Connection) -> pd.DataFrame:
    """Return the external catalogues with what was searched, found and found by chance."""
    sql = """SELECT catalogue_title, access, match_radius, coverage_rule, n_matched, n_ambiguous,
          n_no_match, n_not_covered, n_service_error, n_not_queried, chance_rate, query_date,
          acknowledgement
        FROM catalogues ORDER BY access = 'none', catalogue_title"""
    return fetch(con, "catalogues", sql)


def find_matches(con: Connection, targetid: int) -> pa.Table:
    """Return what external catalogues hold of an object, nearest counterpart first."""
    condition, values = locate(con, targetid)
    sql = f"""SELECT catalogue, match_state, match_id, separation, normalised_separation,
        chance_probability, attributes, service_error
        FROM crossmatch WHERE {condition} ORDER BY catalogue, match_rank"""
    return fetch_arrow(con, "crossmatch", sql, values)
