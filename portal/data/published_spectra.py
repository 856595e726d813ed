"""Questions about published spectra: an object's own, those like it, why it is strange."""

import numpy as np
import pandas as pd
import pyarrow as pa

from catalog_schema.contents import SPECTRA
from catalog_schema.grids import Sampling
from portal.data.database import MAIN, Connection, fetch, fetch_arrow, fetch_first
from portal.data.evidence import Evidence
from portal.data.index import ARRAYS
from portal.data.objects import locate
from portal.data.releases import CHECK_ADVICE, ReleaseError
from portal.data.spectrum import Spectrum

# Squared distance in redshift and SNR, in which calibration finds spectra alike.
_UNLIKENESS = """pow(ln(1 + q.Z) - ln(1 + me.Z), 2)
    + pow(log10(greatest(q.snr, 0.1)) - log10(greatest(me.snr, 0.1)), 2)"""


def find_spectrum(con: Connection, targetid: int) -> Spectrum | None:
    """Return an object's published spectrum, or None."""
    condition, values = locate(con, targetid)
    sql = f"SELECT flux, ivar, mask, model FROM spectra WHERE {condition}"
    return next(iter(_make_spectra(con.sampling, fetch_arrow(con, "spectra", sql, values))), None)


def find_evidence(con: Connection, targetid: int) -> Evidence | None:
    """Return where and why an object is strange, or None where the release does not say."""
    sql = f"SELECT {', '.join(ARRAYS)} FROM "
    row = fetch_first(con, MAIN, f"{sql} graded_arrays WHERE TARGETID = ?", [targetid])
    if row is None:
        condition, values = locate(con, targetid)
        row = fetch_first(con, MAIN, f"{sql} {MAIN} WHERE {condition}", values)
    if row is None or row["departures"] is None:
        return None
    return Evidence(*(np.array(values or [], dtype=np.float64) for values in row.values()))


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
    fetch(con, MAIN, f"FROM {MAIN} LIMIT 0")
    rows = fetch_arrow(con, "spectra", sql, [targetid, targetid, n])
    spectra = _make_spectra(con.sampling, rows.select(["flux", "ivar", "mask", "model"]))
    return list(zip(rows["id"].to_pylist(), rows["Z"].to_pylist(), spectra, strict=True))


def find_null_scores(con: Connection, targetid: int, n: int) -> pd.Series:
    """Return the scores of the reference spectra that are most alike in redshift and SNR."""
    sql = f"""WITH me AS (SELECT Z, snr FROM rows WHERE TARGETID = ?),
        q AS (SELECT anomaly_score, Z, pow(10, log_snr) AS snr FROM "null")
        SELECT q.anomaly_score FROM q, me ORDER BY {_UNLIKENESS} NULLS LAST LIMIT ?"""
    return fetch(con, "null", sql, [targetid, n])["anomaly_score"]


def list_spectra(con: Connection) -> set[int]:
    """Return the TARGETIDs of the published spectra."""
    return set(fetch(con, "spectra", "SELECT TARGETID FROM spectra")["TARGETID"])


def _make_spectra(sampling: Sampling, rows: pa.Table) -> list[Spectrum]:
    """Return spectra of rows of flux, ivar, mask and model, without copying what Arrow holds."""
    if not rows.num_rows:
        return []
    arrays = [values.combine_chunks().flatten().to_numpy() for values in rows.columns]
    size = sampling.grid.size
    if any(len(array) != rows.num_rows * size for array in arrays):
        raise ReleaseError(
            f"`{SPECTRA}` holds spectra that are not of {size:,} pixels. {CHECK_ADVICE}"
        )
    spectra = zip(*(array.reshape(rows.num_rows, -1) for array in arrays), strict=True)
    wave = sampling.grid.wave
    return [Spectrum(wave, f, i, m, model, sampling) for f, i, m, model in spectra]
