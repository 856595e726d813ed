"""What the plots of the catalogue show: counts in cells and bins, samples of its rows."""

from dataclasses import replace

import pandas as pd

from catalog_schema.desi import HEALPIX_ORDER
from portal.data.conditions import (
    Filters,
    where,
)
from portal.data.database import Connection, fetch
from portal.data.ranking import SORTABLE, choose_source
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
    condition, values = where(filters.population())
    found = filters
    if not filters.get_words("tier"):
        found = replace(filters, words=(*filters.words, ("tier", ANOMALOUS)))
    chosen, chosen_values = where(found)
    pix = f"HEALPIX >> {2 * (HEALPIX_ORDER - order)} AS pix"
    # Two counts: the graded rows have a small table of their own.
    sql = f"""WITH cell AS (
        SELECT {pix}, count(*) AS n FROM rows WHERE {condition} GROUP BY pix),
        odd AS (SELECT {pix}, count(*) AS n_found FROM {choose_source(found)}
          WHERE {chosen} GROUP BY pix),
        place AS (SELECT {pix}, sum(x) AS x, sum(y) AS y, sum(z) AS z FROM cells GROUP BY pix)
        SELECT pix, n, coalesce(n_found, 0) AS n_found, coalesce(n_found, 0) / n AS rate,
          (degrees(atan2(y, x)) + 360) % 360 AS ra,
          degrees(atan2(z, sqrt(x * x + y * y))) AS dec
        FROM cell LEFT JOIN odd USING (pix) JOIN place USING (pix) ORDER BY pix"""
    return fetch(con, "quasars", sql, [*values, *chosen_values])


def count_bins(con: Connection, filters: Filters, column: str, step: float) -> pd.DataFrame:
    """Count rows by tier in bins of a column: columns tier, low (edge), n; nulls are left out."""
    if column not in SORTABLE:
        raise ValueError(f"rows cannot be binned by {column}")
    condition, values = where(filters)
    sql = f"""SELECT tier, floor({column} / ?) * ? AS low, count(*) AS n FROM rows
        WHERE {condition} AND isfinite({column}) GROUP BY ALL ORDER BY ALL"""
    return fetch(con, "quasars", sql, [step, step, *values])


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
    condition, values = where(filters)
    part = f"""(SELECT TARGETID::VARCHAR AS TARGETID, snr, anomaly_score, tier, Z FROM rows
        WHERE snr > 0 AND {condition} AND (tier <> 'none') = ? ORDER BY hash(TARGETID) LIMIT ?)"""
    parameters = [*values, True, n_anomalous, *values, False, n_normal]
    return fetch(con, "quasars", f"{part} UNION ALL {part}", parameters)


def trace_scores(con: Connection, filters: Filters) -> pd.DataFrame:
    """Summarise the score in bins of 0.1 dex of SNR over every row.

    Returns
    -------
    pandas.DataFrame
        snr (bin centre), n, low, median, high: quantiles 0.16, 0.5 and 0.84 of the score.
    """
    condition, values = where(filters)
    sql = f"""WITH bin AS (
        SELECT floor(log10(snr) * 10) / 10 AS edge, count(*) AS n,
          approx_quantile(anomaly_score, [0.16, 0.5, 0.84]) AS q
        FROM rows WHERE snr > 0 AND {condition} GROUP BY edge)
        SELECT pow(10, edge + 0.05) AS snr, n, q[1] AS low, q[2] AS median, q[3] AS high
        FROM bin ORDER BY snr"""
    return fetch(con, "quasars", sql, values)


def sample_map(con: Connection, filters: Filters, n: int) -> pd.DataFrame:
    """Draw objects for the map of latents, graded ones first, the same ones each time.

    Returns
    -------
    pandas.DataFrame
        TARGETID (text), map_x, map_y, tier, anomaly_score, Z; empty where the release has no map.
    """
    condition, values = where(filters)
    sql = f"""SELECT TARGETID::VARCHAR AS TARGETID, map_x, map_y, tier, anomaly_score, Z
        FROM rows WHERE map_x IS NOT NULL AND {condition}
        ORDER BY tier = 'none', hash(TARGETID) LIMIT ?"""
    return fetch(con, "quasars", sql, [*values, n])


def correlate_scores(con: Connection, filters: Filters, one_in: int) -> float:
    """Return Spearman's rank correlation of score and SNR over one in so many rows, or NaN."""
    condition, values = where(filters)
    # A modulus of the hash's own type: any other one is reckoned in 128 bits, slowly.
    sql = f"""SELECT snr, anomaly_score FROM rows
        WHERE snr > 0 AND {condition} AND hash(TARGETID) % ?::UBIGINT = 0"""
    ranks = fetch(con, "quasars", sql, [*values, one_in]).rank()
    return float(ranks["snr"].corr(ranks["anomaly_score"]))
