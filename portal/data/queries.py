"""Every question that a page asks of a release.

Values reach SQL as bound parameters; names of columns come from fixed tuples.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pyarrow as pa

from catalog_schema import tables
from catalog_schema.contents import QUASARS, SPECTRA, STRANGEST_FIRST
from catalog_schema.desi import HEALPIX_ORDER, WAVE_SIZE
from catalog_schema.vocabulary import MatchState, Tier
from portal.data.conditions import (
    DISTANCE,
    HIDDEN,
    WHY_HIDDEN,
    Condition,
    Filters,
    inside,
    where,
)
from portal.data.database import Connection, Values, fetch, fetch_arrow, fetch_first
from portal.data.evidence import Evidence
from portal.data.index import ARRAYS
from portal.data.releases import ANOMALOUS, CHECK_ADVICE, MISSING, ReleaseError
from portal.data.search import Cone
from portal.data.spectrum import Spectrum
from portal.data.texts import MAX_LENGTH

# What a cone search returns.
IN_CONE = (
    "TARGETID",
    "TARGET_RA",
    "TARGET_DEC",
    "Z",
    "snr",
    "anomaly_score",
    "p_value",
    "joint_p_value",
    "q_value",
    "tier",
    "reason",
    "anomaly_class",
    "artefact_probability",
    "SURVEY",
    "PROGRAM",
)
SORTABLE = (
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
# The strange have small ones.
SMALLEST_FIRST = ("joint_p_value", "p_value", "q_value")
LISTED = (
    "TARGETID",
    "tier",
    "joint_p_value",
    "p_value",
    "q_value",
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
# Squared distance in redshift and SNR, in which calibration finds spectra alike.
_UNLIKENESS = """pow(ln(1 + q.Z) - ln(1 + me.Z), 2)
    + pow(log10(greatest(q.snr, 0.1)) - log10(greatest(me.snr, 0.1)), 2)"""
_PLACES = "SURVEY, PROGRAM, HEALPIX"


@dataclass(frozen=True)
class Ranking:
    """An order of rows by one column; ties go by TARGETID and nulls rank last."""

    sort: str = "joint_p_value"
    descending: bool = False

    def __post_init__(self) -> None:
        if self.sort not in SORTABLE:
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


@dataclass(frozen=True)
class Place:
    """An object's rank from 1 and the TARGETIDs beside it, as text."""

    rank: int
    total: int
    previous: str | None
    following: str | None


def list_words(con: Connection, columns: tuple[str, ...]) -> dict[str, list[str]]:
    """Return the words that occur in each column, in the order of the vocabulary."""
    sets = ", ".join(f"list(DISTINCT {name}) AS {name}" for name in columns)
    row = fetch_arrow(con, "quasars", f"SELECT {sets} FROM rows", []).to_pylist()[0]
    return {
        name: sorted(filter(None, row[name] or []), key=_rank_word(tables.QUASARS[name].vocabulary))
        for name in columns
    }


def list_searched(con: Connection) -> list[str]:
    """Return the external catalogues that were searched."""
    sql = "SELECT DISTINCT catalogue FROM crossmatch WHERE match_state <> ? ORDER BY catalogue"
    rows = fetch(con, "crossmatch", sql, [MatchState.NOT_QUERIED.value])
    return [str(name) for name in rows["catalogue"]]


def count_kinds(con: Connection, filters: Filters) -> pd.DataFrame:
    """Count rows by tier and by what hides them: columns tier, hidden (reason or null), n.

    Also those that `Filters.clean` leaves out.
    """
    condition, values = where(replace(filters, clean=False))
    sql = f"SELECT tier, hidden, count(*) AS n FROM rows WHERE {condition} GROUP BY tier, hidden"
    counts = fetch(con, "quasars", sql, values)
    return counts.assign(hidden=counts["hidden"].map(dict(enumerate(HIDDEN))))


def count_rows(con: Connection, filters: Filters) -> int:
    """Count the rows that pass."""
    condition, values = where(filters)
    sql = f"SELECT count(*) AS n FROM rows WHERE {condition}"
    return int(fetch(con, "quasars", sql, values)["n"].iloc[0])


def list_rows(
    con: Connection,
    filters: Filters,
    ranking: Ranking,
    page: int,
    page_size: int,
    names: tuple[str, ...] = LISTED,
) -> pd.DataFrame:
    """Return one page of a ranking, pages counted from 1.

    Raises
    ------
    ValueError
        If a column is not one of the catalogue's.
    """
    condition, values = where(filters)
    known = set(tables.QUASARS.names)
    if not known.issuperset(names):
        raise ValueError("a column is not one of the catalogue's")
    columns = ", ".join(_as_text(name) for name in names)
    source, order = _choose_source(filters), ranking.order()
    # The narrow inner query sorts all rows; the wide one reads only those of the page.
    sql = f"""SELECT {columns} FROM {source} q WHERE q.TARGETID IN (
        SELECT TARGETID FROM {source} q WHERE {condition} ORDER BY {order} LIMIT ? OFFSET ?)
        ORDER BY {order}"""
    return fetch(con, "quasars", sql, [*values, page_size, (page - 1) * page_size])


def find_place(con: Connection, filters: Filters, ranking: Ranking, targetid: int) -> Place | None:
    """Return where an object stands in a ranking, or None if it is not part of it."""
    condition, values = where(filters)
    # By itself a TARGETID is looked up; with other conditions all rows would be read.
    sql = f"""WITH me AS MATERIALIZED (FROM rows WHERE TARGETID = ?)
        SELECT {ranking.sort}::DOUBLE AS key FROM me WHERE {condition}"""
    me = fetch_first(con, "quasars", sql, [targetid, *values])
    if me is None:
        return None
    key = me["key"]
    ahead, ahead_values = ranking.ahead(key, targetid)
    behind, behind_values = ranking.behind(key, targetid)
    last: Condition = ("true", []) if key is not None else ("TARGETID > ?", [targetid])
    source = f"FROM {_choose_source(filters)} q WHERE {condition}"
    sql = f"""SELECT (SELECT count(*) {source}) AS total,
        (SELECT count(*) {source} AND {ahead}) + 1 AS rank,
        (SELECT TARGETID {source} AND {ahead}
         ORDER BY {ranking.order(backwards=True)} LIMIT 1)::VARCHAR AS previous,
        coalesce((SELECT TARGETID {source} AND {behind} ORDER BY {ranking.order()} LIMIT 1),
          (SELECT min(TARGETID) {source} AND {ranking.sort} IS NULL AND {last[0]}))::VARCHAR
        AS following"""
    of_parts: tuple[Values, ...] = ([], ahead_values, ahead_values, behind_values, last[1])
    given = [value for more in of_parts for value in (*values, *more)]
    row = fetch_first(con, "quasars", sql, given)
    return Place(**row) if row else None


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
        odd AS (SELECT {pix}, count(*) AS n_found FROM {_choose_source(found)}
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


def find_cone(con: Connection, cone: Cone, n: int) -> pa.Table:
    """Return up to `n` objects of a circle, nearest first, with their separation in arcsec."""
    if cone.radius == 0:
        return fetch_arrow(con, "quasars", f"SELECT {', '.join(IN_CONE)} FROM rows LIMIT 0", [])
    condition, values = inside(cone)
    distance = DISTANCE.format(ra=cone.ra, dec=f"({cone.dec})")
    sql = f"""SELECT 3600 * {distance} AS separation, {", ".join(IN_CONE)} FROM rows
        WHERE {condition} ORDER BY separation, TARGETID LIMIT ?"""
    return fetch_arrow(con, "quasars", sql, [*values, n])


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


def find_spectrum(con: Connection, targetid: int) -> Spectrum | None:
    """Return an object's published spectrum, or None."""
    condition, values = _place(con, targetid)
    sql = f"SELECT flux, ivar, mask, model FROM spectra WHERE {condition}"
    return next(iter(_make_spectra(fetch_arrow(con, "spectra", sql, values))), None)


def find_evidence(con: Connection, targetid: int) -> Evidence | None:
    """Return where and why an object is strange, or None where the release does not say."""
    sql = f"SELECT {', '.join(ARRAYS)} FROM "
    row = fetch_first(con, "quasars", f"{sql} graded_arrays WHERE TARGETID = ?", [targetid])
    if row is None:
        condition, values = _place(con, targetid)
        row = fetch_first(con, "quasars", f"{sql} quasars WHERE {condition}", values)
    if row is None or row["departures"] is None:
        return None
    return Evidence(*(np.array(values or [], dtype=np.float64) for values in row.values()))


def find_class_evidence(con: Connection, targetid: int) -> pd.DataFrame:
    """Return the features that decided an object's class, or nothing where none are published."""
    return _find_rows(con, "evidence", targetid)


def find_changes(con: Connection, targetid: int) -> pd.DataFrame:
    """Return what has changed since each earlier spectrum of an object, or nothing without any."""
    return _find_rows(con, "changes", targetid)


def _find_rows(con: Connection, dataset: str, targetid: int) -> pd.DataFrame:
    """Return an object's rows of a table that older releases lack, without their keys."""
    sql = "SELECT fault FROM faults WHERE dataset = ?"
    if con.cursor().execute(sql, [dataset]).fetchall() == [(MISSING,)]:
        return pd.DataFrame()
    sql = f"""SELECT * EXCLUDE (SURVEY, PROGRAM, HEALPIX, TARGETID) FROM {dataset}
        WHERE TARGETID = ?"""
    return fetch(con, dataset, sql, [targetid])


def find_normals(con: Connection, targetid: int, n: int) -> list[tuple[str, float, Spectrum]]:
    """Return published ungraded spectra that are most alike in redshift and SNR.

    Returns
    -------
    list of (str, float, Spectrum)
        TARGETID as text, redshift, spectrum; nearest first.
    """
    sql = f"""WITH me AS (SELECT Z, snr FROM rows WHERE TARGETID = ?),
        near AS (
          SELECT q.TARGETID, q.Z, {_UNLIKENESS} AS unlikeness
          FROM rows q, me WHERE q.tier = 'none' AND q.TARGETID <> ?
            AND q.TARGETID IN (SELECT TARGETID FROM spectra)
          ORDER BY unlikeness NULLS LAST LIMIT ?)
        SELECT near.TARGETID::VARCHAR AS id, near.Z, s.flux, s.ivar, s.mask, s.model
        FROM near JOIN spectra s USING (TARGETID) ORDER BY unlikeness"""
    fetch(con, "quasars", "FROM quasars LIMIT 0")
    rows = fetch_arrow(con, "spectra", sql, [targetid, targetid, n])
    spectra = _make_spectra(rows.select(["flux", "ivar", "mask", "model"]))
    return list(zip(rows["id"].to_pylist(), rows["Z"].to_pylist(), spectra, strict=True))


def find_null_scores(con: Connection, targetid: int, n: int) -> pd.Series:
    """Return the scores of the reference spectra that are most alike in redshift and SNR."""
    sql = f"""WITH me AS (SELECT Z, snr FROM rows WHERE TARGETID = ?),
        q AS (SELECT anomaly_score, Z, pow(10, log_snr) AS snr FROM "null")
        SELECT q.anomaly_score FROM q, me ORDER BY {_UNLIKENESS} NULLS LAST LIMIT ?"""
    return fetch(con, "null", sql, [targetid, n])["anomaly_score"]


def find_neighbours(con: Connection, targetid: int, n: int) -> pd.DataFrame:
    """Return the objects nearest in latent space; empty where the release has no latents."""
    sql = """WITH me AS (SELECT latent FROM latents WHERE TARGETID = ?),
        near AS (
          SELECT l.TARGETID, array_distance(l.latent, me.latent) AS latent_distance
          FROM latents l, me WHERE l.TARGETID <> ? ORDER BY latent_distance, l.TARGETID LIMIT ?)
        SELECT q.TARGETID::VARCHAR AS TARGETID, tier, anomaly_score, Z, snr, reason, latent_distance
        FROM rows q JOIN near USING (TARGETID) ORDER BY latent_distance, q.TARGETID"""
    return fetch(con, "quasars", sql, [targetid, targetid, n])


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


def find_matches(con: Connection, targetid: int) -> pa.Table:
    """Return what external catalogues hold of an object, nearest counterpart first."""
    condition, values = _place(con, targetid)
    sql = f"""SELECT catalogue, match_state, match_id, separation, normalised_separation,
        chance_probability, attributes, service_error
        FROM crossmatch WHERE {condition} ORDER BY catalogue, match_rank"""
    return fetch_arrow(con, "crossmatch", sql, values)


def list_catalogues(con: Connection) -> pd.DataFrame:
    """Return the external catalogues with what was searched, found and found by chance."""
    sql = """SELECT catalogue_title, access, match_radius, coverage_rule, n_matched, n_ambiguous,
          n_no_match, n_not_covered, n_service_error, n_not_queried, chance_rate, query_date,
          acknowledgement
        FROM catalogues ORDER BY access = 'none', catalogue_title"""
    return fetch(con, "catalogues", sql)


def list_graded(con: Connection) -> pd.DataFrame:
    """Return TARGETID (text), tier and score of every graded object, strangest first."""
    sql = f"""SELECT TARGETID::VARCHAR AS TARGETID, tier, anomaly_score FROM rows
        WHERE tier <> 'none' ORDER BY {STRANGEST_FIRST}"""
    return fetch(con, "quasars", sql)


def list_shuffled(con: Connection, filters: Filters, n: int) -> list[int]:
    """Return up to `n` TARGETIDs that pass, in an order that tells nothing of the score."""
    condition, values = where(filters)
    sql = f"SELECT TARGETID FROM rows WHERE {condition} ORDER BY hash(TARGETID) LIMIT ?"
    found: list[int] = fetch(con, "quasars", sql, [*values, n])["TARGETID"].tolist()
    return found


def list_spectra(con: Connection) -> set[int]:
    """Return the TARGETIDs of the published spectra."""
    return set(fetch(con, "spectra", "SELECT TARGETID FROM spectra")["TARGETID"])


def sum_gates(con: Connection) -> pd.DataFrame:
    """Sum the dropped rows by stage and gate, largest first: columns stage, gate, n_dropped."""
    sql = """SELECT stage, gate, sum(n_dropped)::BIGINT AS n_dropped FROM gates
        GROUP BY ALL ORDER BY n_dropped DESC, stage, gate"""
    return fetch(con, "gates", sql)


def select_rows(filters: Filters) -> Condition:
    """Return the question for every column of the filtered rows, strangest first."""
    condition, values = where(filters)
    # The values of its own are given, so that the question has some always.
    sql = f"""SELECT * EXCLUDE (hidden) FROM (SELECT *, {WHY_HIDDEN} AS hidden FROM quasars)
        WHERE ? AND {condition} ORDER BY {STRANGEST_FIRST}"""
    return sql, [True, *values]


def _first(values: pa.ChunkedArray) -> object:
    return values[0].as_py()


def _make_spectra(rows: pa.Table) -> list[Spectrum]:
    """Return spectra of rows of flux, ivar, mask and model, without copying what Arrow holds."""
    if not rows.num_rows:
        return []
    arrays = [values.combine_chunks().flatten().to_numpy() for values in rows.columns]
    if any(len(array) != rows.num_rows * WAVE_SIZE for array in arrays):
        raise ReleaseError(
            f"`{SPECTRA}` holds spectra that are not of {WAVE_SIZE:,} pixels. {CHECK_ADVICE}"
        )
    spectra = zip(*(array.reshape(rows.num_rows, -1) for array in arrays), strict=True)
    return [Spectrum(*row) for row in spectra]


def _place(con: Connection, targetid: int) -> tuple[str, list[object]]:
    """Return the condition of an object's rows; its pixel spares most of a file in their order."""
    sql = "SELECT HEALPIX FROM rows WHERE TARGETID = ?"
    pixels = fetch(con, "quasars", sql, [targetid])["HEALPIX"].tolist()
    return "TARGETID = ? AND HEALPIX = ?", [targetid, *(pixels or [None])]


def _choose_source(filters: Filters) -> str:
    """Return the smaller relation that holds all rows that pass."""
    tiers = filters.get_words("tier")
    return "graded" if tiers and Tier.NONE.value not in tiers else "rows"


def _rank_word(vocabulary: tuple[str, ...] | None) -> Callable[[str], tuple[int, str]]:
    places = {word: place for place, word in enumerate(vocabulary or ())}
    return lambda word: (places.get(word, len(places)), word)


def _as_text(name: str) -> str:
    # A browser holds numbers as doubles and would round identifiers above 2^53.
    if name == "TARGETID":
        return "q.TARGETID::VARCHAR AS TARGETID"
    is_text = pa.types.is_string(tables.QUASARS[name].type)
    return f"left({name}, {MAX_LENGTH}) AS {name}" if is_text else name
