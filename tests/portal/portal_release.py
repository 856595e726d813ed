"""A small synthetic release, built from the schema: a few hundred rows, spectra with lines."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from catalog_schema import tables
from catalog_schema.column import Column, Table, arrow_schema
from catalog_schema.desi import ARM_PIXELS, WAVE_SIZE, WAVE_START, WAVE_STEP

N_ROWS = 400
FIRST_ID = 39627000000000001
TIERS = ["gold"] * 4 + ["silver"] * 8 + ["bronze"] * 16 + ["none"] * (N_ROWS - 28)
FINDINGS = ["named", "unexplained", "unexplained", "named"] * (N_ROWS // 4)
LEVELS = {"gold": 0.001, "silver": 0.01, "bronze": 0.05}
N_REFERENCE = 6
LATENT = 6
SIZES = {"wave": WAVE_SIZE, "latent": LATENT}
VERSION = "1.2.0"


def row_id(row: int) -> int:
    """TARGETID of a row; odd numbers above 2^53 do not survive a double."""
    return FIRST_ID + 2 * row


def write_release(root: Path) -> None:
    """Write every file of the contract."""
    rng = np.random.default_rng(20)
    catalogue = _make_catalogue(rng)
    _write(root / "catalog/quasars.parquet", catalogue)
    _write(root / "spectra/spectra.parquet", _make_spectra(rng, catalogue))
    _write(root / "catalog/crossmatch.parquet", _make_matches(rng, catalogue))
    _write(root / "calibration/null.parquet", _fill(rng, tables.NULL, 50, {}))
    completeness, gates = _make_ledger(rng)
    _write(root / "completeness/completeness.parquet", completeness)
    _write(root / "completeness/gates.parquet", gates)
    _write(root / "catalog/catalogues.parquet", _fill(rng, tables.CATALOGUES, 2, {}))
    counts = {tier: TIERS.count(tier) for tier in dict.fromkeys(TIERS)}
    manifest = {
        "version": root.name,
        "title": "DESI-QAD catalogue of anomalous quasars",
        "schema_version": tables.SCHEMA_VERSION,
        "source": {"kind": "local", "specprod": "iron"},
        "code": {"version": "0.1.0", "commit": "0123abc"},
        "model": {"id": "vae-7"},
        "config": {},
        "counts": {
            "quasars": N_ROWS,
            "population": 999,
            "tiers": counts,
            "findings": {
                finding: {
                    tier: sum(pair == (finding, tier) for pair in zip(FINDINGS, TIERS, strict=True))
                    for tier in counts
                }
                for finding in set(FINDINGS)
            },
            "expected_false": {"named": {"gold": 0.002}},
            "spectra": 28 + N_REFERENCE,
            "gates": {},
        },
        "tiers": LEVELS,
        "surplus": ["a key that a later version may add"],
    }
    (root / "manifest.json").write_text(json.dumps(manifest))
    (root / "README.md").write_text("# A synthetic release\n")
    (root / "CITATION.cff").write_text("cff-version: 1.2.0\ntitle: A synthetic release\n")
    (root / "ACKNOWLEDGEMENTS.md").write_text("# DESI\n\nI'oligam Du'ag.\n")
    # Names no file, so that tests may change them.
    (root / "SHA256SUMS").write_text("")


def seal(root: Path) -> None:
    """List the checksums of all files, as a release does."""
    files = sorted(path for path in root.rglob("*") if path.is_file() and path.name != "SHA256SUMS")
    lines = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(root)}\n"
        for path in files
    ]
    (root / "SHA256SUMS").write_text("".join(lines))


def _make_catalogue(rng: np.random.Generator) -> pa.Table:
    strength = -np.sort(-rng.exponential(1.0, N_ROWS))
    sky = rng.normal([150.0, 20.0], [25.0, 12.0], (N_ROWS, 2))
    sky[0] = [0.0005, 10.0]
    sky[1] = [359.9995, 10.0]
    sky[2] = [17.0, 89.9999]
    sky[3] = [197.0, 89.9999]
    snr = rng.lognormal(0.8, 0.8, N_ROWS).astype("f4").tolist()
    snr[-1] = None
    position = [None if row == N_ROWS - 2 else float(ra) for row, ra in enumerate(sky[:, 0])]
    pixels = rng.integers(0, 3000, N_ROWS)
    return _fill(
        rng,
        tables.QUASARS,
        N_ROWS,
        {
            "TARGETID": [row_id(row) for row in range(N_ROWS)],
            "SURVEY": ["main"] * N_ROWS,
            "PROGRAM": ["dark"] * N_ROWS,
            "HEALPIX": pixels.tolist(),
            "_healpix_29": (pixels << 46).tolist(),
            "DESINAME": [f"DESI J{row:06d}.00+010000.0" for row in range(N_ROWS)],
            "TARGET_RA": position,
            "TARGET_DEC": [
                None if ra is None else float(y) for ra, y in zip(position, sky[:, 1], strict=True)
            ],
            "Z": np.clip(rng.gamma(6, 0.3, N_ROWS), 0.1, 6).tolist(),
            "snr": snr,
            "tier": TIERS,
            "COADD_FIBERSTATUS": [0] * N_ROWS,
            **{f"coverage_{arm}": [0.9] * N_ROWS for arm in "brz"},
            "anomaly_score": (3 * strength).tolist(),
            **dict.fromkeys(
                ("p_value", "joint_p_value", "finding_p_value"),
                (p_value := np.clip(10.0**-strength, 1e-9, 1)).tolist(),
            ),
            "p_value_low": (0.9 * p_value).tolist(),
            "p_value_high": np.minimum(1.1 * p_value, 1).tolist(),
            "finding": FINDINGS,
            "q_value": [LEVELS.get(tier, 1.0) * 0.9 for tier in TIERS],
            "artefact_probability": [None] * N_ROWS,
            "anomaly_class": [None] * N_ROWS,
            "review_status": ["unreviewed"] * N_ROWS,
        },
    )


def _make_matches(rng: np.random.Generator, catalogue: pa.Table) -> pa.Table:
    """Two catalogues: one where the first object is found and the others not, one not searched."""
    n = 2 * N_ROWS
    found = [row == 0 for row in range(N_ROWS)] + [False] * N_ROWS
    twice: dict[str, Any] = {
        name: 2 * catalogue[name].to_pylist()
        for name in ("SURVEY", "PROGRAM", "HEALPIX", "TARGETID")
    }
    states = ["matched", *["no_match"] * (N_ROWS - 1), *["not_queried"] * N_ROWS]
    given = twice | {
        "catalogue": ["xray"] * N_ROWS + ["radio"] * N_ROWS,
        "match_state": states,
        "match_rank": [1] * n,
        "match_id": ["X1" if is_found else None for is_found in found],
        "separation": [0.5 if is_found else None for is_found in found],
    }
    return _fill(rng, tables.MATCHES, n, given)


def _make_spectra(rng: np.random.Generator, catalogue: pa.Table) -> pa.Table:
    rows = catalogue.slice(0, 28 + N_REFERENCE)
    wave = WAVE_START + WAVE_STEP * np.arange(WAVE_SIZE)
    models = np.array([_shine(wave, z) for z in rows["Z"].to_pylist()])
    ivar = rng.uniform(3, 8, models.shape)
    flux = models + rng.normal(size=models.shape) / np.sqrt(ivar)
    flux[:, 4000:4012] += 4
    mask = np.zeros(models.shape, dtype=np.int32)
    mask[:, 300:330] = 1 << 4
    mask[:, slice(*ARM_PIXELS["z"])][:, -60:] = 1 << 8
    ivar[mask != 0] = 0
    ivar[:, 1000:1010] = 0
    names = ["SURVEY", "PROGRAM", "HEALPIX", "TARGETID", "tier"]
    given: dict[str, Any] = {name: rows[name].to_pylist() for name in names}
    given |= {"flux": list(flux), "ivar": list(ivar), "mask": list(mask), "model": list(models)}
    return _fill(rng, tables.SPECTRA, rows.num_rows, given)


def _shine(wave: np.ndarray, z: float) -> np.ndarray:
    continuum = 3 * (wave / 5000.0) ** -1.2
    lines = [(1215.67, 40, 6), (1549.06, 35, 4), (1908.73, 45, 2), (2798.75, 40, 2)]
    bumps = [
        height * np.exp(-0.5 * ((wave / (1 + z) - centre) / (width / 2)) ** 2)
        for centre, width, height in lines
    ]
    return continuum + np.sum(bumps, axis=0)


def _make_ledger(rng: np.random.Generator) -> tuple[pa.Table, pa.Table]:
    places = {"SURVEY": ["main"] * 4, "PROGRAM": ["dark"] * 4, "HEALPIX": [10, 11] * 2}
    stages = {"stage": ["extract"] * 2 + ["preprocess"] * 2}
    counts = {"n_expected": [250, 210, 240, 205], "n_made": [240, 205, 200, 200]}
    state = {"state": ["done"] * 4, "error": [None] * 4}
    completeness = _fill(rng, tables.COMPLETENESS, 4, places | stages | counts | state)
    dropped = {"gate": ["no_signal", "no_signal", "short_window", "short_window"]}
    dropped |= {"n_dropped": [10, 5, 40, 5]}
    return completeness, _fill(rng, tables.GATES, 4, places | stages | dropped)


def _fill(rng: np.random.Generator, table: Table, n_rows: int, given: dict[str, Any]) -> pa.Table:
    schema = arrow_schema(table, **SIZES)
    columns = [
        pa.array(given.get(column.name, _draw(rng, column, n_rows)), schema.field(column.name).type)
        for column in table.columns
    ]
    return pa.Table.from_arrays(columns, schema=schema)


def _draw(rng: np.random.Generator, column: Column, n_rows: int) -> list[Any]:
    if column.array is not None:
        size = column.size or SIZES.get(column.array, LATENT)
        return list(rng.normal(size=(n_rows, size)).astype("f4"))
    if column.vocabulary:
        return [column.vocabulary[index % len(column.vocabulary)] for index in range(n_rows)]
    if pa.types.is_boolean(column.type):
        return [True] * n_rows
    if pa.types.is_string(column.type):
        return ["QSO"] * n_rows
    if pa.types.is_integer(column.type):
        return list(range(n_rows))
    low, high = column.bounds or (0.0, 5.0)
    return rng.uniform(low, min(high, 10.0), n_rows).tolist()


def _write(path: Path, data: pa.Table) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(data, path, compression="zstd", row_group_size=64)
