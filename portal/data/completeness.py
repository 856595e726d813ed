"""Questions to the ledger that a release carries: rows given, made and dropped."""

import pandas as pd

from portal.data.database import Connection, fetch

_PLACES = "SURVEY, PROGRAM, HEALPIX"


def sum_completeness(con: Connection) -> pd.DataFrame:
    """Sum the ledger by stage.

    Returns
    -------
    pandas.DataFrame
        stage, n_shards, n_failed, n_expected, n_made, n_dropped and n_open, the number of shards
        whose rows do not add up.
    """
    sql = f"""WITH dropped AS (
          SELECT {_PLACES}, stage, sum(n_dropped) AS n_dropped FROM gates GROUP BY ALL),
        shard AS (
          SELECT c.*, coalesce(d.n_dropped, 0) AS n_dropped
          FROM completeness c LEFT JOIN dropped d USING ({_PLACES}, stage))
        SELECT stage, count(*) AS n_shards, count(*) FILTER (state = 'failed') AS n_failed,
          sum(n_expected)::BIGINT AS n_expected, sum(n_made)::BIGINT AS n_made,
          sum(n_dropped)::BIGINT AS n_dropped,
          count(*) FILTER (n_expected <> n_made + n_dropped) AS n_open
        FROM shard GROUP BY stage ORDER BY n_expected DESC, stage"""
    fetch(con, "gates", "FROM gates LIMIT 0")
    return fetch(con, "completeness", sql)


def sum_gates(con: Connection) -> pd.DataFrame:
    """Sum the dropped rows by stage and gate, largest first: columns stage, gate, n_dropped."""
    sql = """SELECT stage, gate, sum(n_dropped)::BIGINT AS n_dropped FROM gates
        GROUP BY ALL ORDER BY n_dropped DESC, stage, gate"""
    return fetch(con, "gates", sql)
