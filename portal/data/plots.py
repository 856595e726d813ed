"""What the plots of the catalogue show: counts in cells and bins, samples of its rows."""

from dataclasses import replace

import pandas as pd

from catalog_schema.desi import HEALPIX_ORDER
from portal.data.conditions import Filters, find_cell, where
from portal.data.database import MAIN, Connection, fetch, fetch_arrow
from portal.data.quoting import quote_name, quote_text
from portal.data.ranking import choose_source, list_sortable
from portal.data.releases import ANOMALOUS


def count_sky(con: Connection, filters: Filters, order: int) -> pd.DataFrame:
    """Count scored and anomalous objects in HEALPix cells.

    The rate is taken among the objects that pass the filters which do not depend on the score.

    Returns
    -------
    pandas.DataFrame
        pix, n (objects), n_found (of the chosen tiers), rate, ra, dec: the mean position of all
        objects in the cell, null where none has one.
    """
    condition, values = where(filters.population(), con.table)
    found = filters
    if not filters.get_words("tier"):
        found = replace(filters, words=(*filters.words, ("tier", ANOMALOUS)))
    chosen, chosen_values = where(found, con.table)
    pix = f"{find_cell(order)} AS pix"
    coarser = 2 * (HEALPIX_ORDER - order)
    # Two counts: the graded rows have a small table of their own.
    sql = f"""WITH cell AS (
        SELECT {pix}, count(*) AS n FROM rows WHERE {condition} GROUP BY pix),
        odd AS (SELECT {pix}, count(*) AS n_found FROM {choose_source(found)}
          WHERE {chosen} GROUP BY pix),
        place AS (SELECT cell >> {coarser} AS pix, sum(x) AS x, sum(y) AS y, sum(z) AS z
          FROM cells GROUP BY pix)
        SELECT pix, n, coalesce(n_found, 0) AS n_found, coalesce(n_found, 0) / n AS rate,
          (degrees(atan2(y, x)) + 360) % 360 AS ra,
          degrees(atan2(z, sqrt(x * x + y * y))) AS dec
        FROM cell LEFT JOIN odd USING (pix) JOIN place USING (pix) ORDER BY pix"""
    return fetch(con, MAIN, sql, [*values, *chosen_values])


def count_bins(con: Connection, filters: Filters, column: str, step: float) -> pd.DataFrame:
    """Count rows by tier in bins of a column: columns tier, low (edge), n; nulls are left out."""
    if column not in list_sortable(con.table):
        raise ValueError(f"rows cannot be binned by {column}")
    name = quote_name(column)
    condition, values = where(filters, con.table)
    sql = f"""SELECT tier, floor({name} / ?) * ? AS low, count(*) AS n FROM rows
        WHERE {condition} AND isfinite({name}) GROUP BY ALL ORDER BY ALL"""
    return fetch(con, MAIN, sql, [step, step, *values])


def sample_scores(
    con: Connection, filters: Filters, n_anomalous: int, n_normal: int
) -> pd.DataFrame:
    """Draw objects for a scatter plot, the same ones each time.

    Returns
    -------
    pandas.DataFrame
        TARGETID (text), snr, anomaly_score, tier, Z; at most `n_anomalous` graded rows and
        `n_normal` others.
    """
    condition, values = where(filters, con.table)
    part = f"""(SELECT TARGETID::VARCHAR AS TARGETID, snr, anomaly_score, tier, Z FROM rows
        WHERE snr > 0 AND {condition} AND (tier <> 'none') = ? ORDER BY hash(TARGETID) LIMIT ?)"""
    parameters = [*values, True, n_anomalous, *values, False, n_normal]
    return fetch(con, MAIN, f"{part} UNION ALL {part}", parameters)


def trace_scores(con: Connection, filters: Filters) -> pd.DataFrame:
    """Summarise the score in bins of 0.1 dex of SNR over every row.

    Returns
    -------
    pandas.DataFrame
        snr (bin centre), n, low, median, high: quantiles 0.16, 0.5 and 0.84 of the score.
    """
    condition, values = where(filters, con.table)
    sql = f"""WITH bin AS (
        SELECT floor(log10(snr) * 10) / 10 AS edge, count(*) AS n,
          approx_quantile(anomaly_score, [0.16, 0.5, 0.84]) AS q
        FROM rows WHERE snr > 0 AND {condition} GROUP BY edge)
        SELECT pow(10, edge + 0.05) AS snr, n, q[1] AS low, q[2] AS median, q[3] AS high
        FROM bin ORDER BY snr"""
    return fetch(con, MAIN, sql, values)


def sample_map(con: Connection, filters: Filters, n: int) -> pd.DataFrame:
    """Draw objects for the map of latents, graded ones first, the same ones each time.

    Returns
    -------
    pandas.DataFrame
        TARGETID (text), map_x, map_y, tier, anomaly_score, Z; empty where the release has no map.
    """
    condition, values = where(filters, con.table)
    sql = f"""SELECT TARGETID::VARCHAR AS TARGETID, map_x, map_y, tier, anomaly_score, Z
        FROM rows WHERE map_x IS NOT NULL AND {condition}
        ORDER BY tier = 'none', hash(TARGETID) LIMIT ?"""
    return fetch(con, MAIN, sql, [*values, n])


def correlate_scores(con: Connection, filters: Filters, one_in: int) -> float:
    """Return Spearman's rank correlation of score and SNR over one in so many rows, or NaN."""
    condition, values = where(filters, con.table)
    # A modulus of the hash's own type: any other one is reckoned in 128 bits, slowly.
    sql = f"""SELECT snr, anomaly_score FROM rows
        WHERE snr > 0 AND {condition} AND hash(TARGETID) % ?::UBIGINT = 0"""
    ranks = fetch(con, MAIN, sql, [*values, one_in]).rank()
    return float(ranks["snr"].corr(ranks["anomaly_score"]))


def measure_ranges(con: Connection, columns: tuple[str, ...]) -> dict[str, tuple[float, float]]:
    """Return the least and the greatest finite value of columns that have some."""
    if not columns:
        return {}
    ends = ", ".join(
        f"min({quote_name(name)}) FILTER (isfinite({quote_name(name)}::DOUBLE))::DOUBLE, "
        f"max({quote_name(name)}) FILTER (isfinite({quote_name(name)}::DOUBLE))::DOUBLE"
        for name in columns
    )
    (found,) = fetch_arrow(con, MAIN, f"SELECT [{ends}] AS ends FROM rows", []).to_pylist()
    pairs = zip(columns, found["ends"][::2], found["ends"][1::2], strict=True)
    return {name: (low, high) for name, low, high in pairs if low is not None}


def rank_values(con: Connection, targetid: int, columns: tuple[str, ...]) -> pd.DataFrame:
    """Say where an object's numbers stand among those of all objects.

    Returns
    -------
    pandas.DataFrame
        column, value, below: share of the objects with a smaller value; null without a value.
    """
    parts = " UNION ALL ".join(
        f"""SELECT {quote_text(name)} AS column, me.value,
            (SELECT avg((q.{quote_name(name)} < me.value)::INT) FROM rows q) AS below
            FROM (SELECT {quote_name(name)}::DOUBLE AS value FROM rows WHERE TARGETID = ?) me"""
        for name in columns
    )
    if not columns:
        return pd.DataFrame(columns=["column", "value", "below"])
    return fetch(con, MAIN, parts, [targetid] * len(columns))
