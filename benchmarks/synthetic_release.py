"""Writes a release of survey size for the benchmarks of the portal: random values, real schema."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from catalog_schema import kinds, tables
from catalog_schema.column import Column, Table, arrow_schema
from catalog_schema.desi import WAVE_SIZE

FIRST_ID = 39627000000000000
BLOCK_ROWS = 100_000
LATENT = 16
N_CELLS = 49_152
TIERS = {"gold": 0.0003, "silver": 0.001, "bronze": 0.003}
N_CATALOGUES = 23
N_SPECTRA = 300
N_NULL = 20_000
_PATHS = {table.name: path for path, table in reversed(kinds.SPECTRA.files.items())}


def write_catalogue(root: Path, n_rows: int) -> None:
    """Write manifest and catalogue in blocks, so that size costs no memory."""
    from cdshealpix.nested import healpix_to_lonlat

    rng = np.random.default_rng(1)
    cells = np.sort(rng.choice(N_CELLS // 3, n_rows) + N_CELLS // 3)
    ids = FIRST_ID + rng.permutation(n_rows)
    schema = arrow_schema(tables.QUASARS, latent=LATENT)
    (root / "catalog").mkdir(parents=True)
    with pq.ParquetWriter(root / "catalog/quasars.parquet", schema, compression="zstd") as writer:
        for first in range(0, n_rows, BLOCK_ROWS):
            part = slice(first, min(first + BLOCK_ROWS, n_rows))
            n = part.stop - part.start
            lon, lat = healpix_to_lonlat(cells[part], 6)
            tiers = draw_tiers(rng, n)
            is_graded = tiers != "none"
            # What is graded is what a list begins with, as in a release.
            odds = np.where(is_graded, rng.uniform(-9, -4, n), np.log10(rng.uniform(1e-4, 1, n)))
            spread = rng.uniform(-0.4, 0.4, (2, n))
            given = {
                "TARGETID": ids[part],
                "HEALPIX": cells[part],
                "SURVEY": np.full(n, "main"),
                "PROGRAM": np.full(n, "dark"),
                "TARGET_RA": (lon.deg + spread[0]) % 360,
                "TARGET_DEC": lat.deg + spread[1],
                "tier": tiers,
                "finding_p_value": 10**odds,
                "anomaly_score": rng.gumbel(0, 1, n),
                "Z": rng.gamma(6, 0.3, n),
                "snr": rng.lognormal(0.8, 0.8, n),
                "COADD_FIBERSTATUS": np.zeros(n),
                **{f"coverage_{arm}": rng.uniform(0.8, 1, n) for arm in "brz"},
            }
            arrays = [draw_column(rng, column, n, given) for column in tables.QUASARS.columns]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema), BLOCK_ROWS)
    (root / "manifest.json").write_text(json.dumps({"version": root.name, "source": {}}))


def draw_tiers(rng: np.random.Generator, n: int) -> np.ndarray:
    words = np.array([*TIERS, "none"])
    return rng.choice(words, n, p=[*TIERS.values(), 1 - sum(TIERS.values())])


def draw_column(
    rng: np.random.Generator, column: Column, n: int, given: dict[str, np.ndarray]
) -> pa.Array:
    if column.array is not None:
        size = column.size or LATENT
        flat = pa.array(rng.standard_normal(n * size, dtype=np.float32))
        return pa.FixedSizeListArray.from_arrays(
            flat, type=pa.list_(pa.field("element", pa.float32(), nullable=False), size)
        )
    if column.name in given:
        return pa.array(given[column.name]).cast(column.type, safe=False)
    if column.vocabulary:
        return pa.array(rng.choice(np.array(column.vocabulary), n))
    if pa.types.is_string(column.type):
        return pc.binary_join_element_wise(
            "DESI", pa.array(rng.integers(0, 10**8, n)).cast("string"), " "
        )
    if pa.types.is_integer(column.type):
        return pa.array(rng.integers(0, 100, n)).cast(column.type)
    return pa.array(rng.random(n)).cast(column.type, safe=False)


def write_rest(root: Path) -> None:
    """Write what the pages ask beside the catalogue: cross-match, spectra, null, evidence."""
    names = ["SURVEY", "PROGRAM", "HEALPIX", "TARGETID", "tier", "finding_p_value"]
    keys = pq.read_table(root / _PATHS["quasars"], columns=names)
    graded = keys.filter(pc.not_equal(keys["tier"], "none"))
    rng = np.random.default_rng(3)
    # Those with which the list begins, in the order of the catalogue.
    strangest = pc.rank(graded["finding_p_value"])
    shown = graded.filter(pc.less_equal(strangest, N_SPECTRA))
    keys = keys.drop_columns(["finding_p_value"])
    _write(
        root,
        tables.SPECTRA,
        _draw_rows(rng, tables.SPECTRA, shown, _draw_spectra(rng, shown.num_rows)),
    )
    for table, rows in ((tables.EVIDENCE, graded), (tables.NULL, keys.slice(0, N_NULL))):
        _write(root, table, _draw_rows(rng, table, rows, {}))
    schema = arrow_schema(tables.MATCHES)
    with pq.ParquetWriter(root / _PATHS["matches"], schema, compression="zstd") as writer:
        for part in keys.to_batches(BLOCK_ROWS // N_CATALOGUES):
            writer.write_table(_match(part, schema))


def list_shown(root: Path) -> list[int]:
    """Return the TARGETIDs of the objects with a spectrum that the pages list by default."""
    shown = pq.read_table(root / _PATHS["spectra"], columns=["TARGETID"])["TARGETID"]
    listed = (pc.field("anomaly_class") != "artefact") & pc.field("TARGETID").isin(shown)
    rows = pq.read_table(root / _PATHS["quasars"], columns=["TARGETID"], filters=listed)
    found: list[int] = rows["TARGETID"].to_pylist()
    return found


def _draw_spectra(rng: np.random.Generator, n: int) -> dict[str, np.ndarray]:
    """Draw noise about a slope, with a few runs of bad pixels in each spectrum."""
    shape = (n, WAVE_SIZE)
    ivar = rng.gamma(4, 0.5, shape).astype(np.float32)
    model = np.broadcast_to(np.linspace(4, 2, WAVE_SIZE, dtype=np.float32), shape)
    flux = model + rng.standard_normal(shape, dtype=np.float32) / np.sqrt(ivar)
    mask = np.zeros(shape, np.int32)
    for first in rng.integers(0, WAVE_SIZE - 5, 20):
        mask[:, first : first + 5] = 1
    return {"flux": flux, "ivar": np.where(mask, 0, ivar), "mask": mask, "model": model}


def _match(keys: pa.RecordBatch, schema: pa.Schema) -> pa.Table:
    """Return a row for each object in each external catalogue; the first one has them all."""
    n = keys.num_rows
    rows = pa.array(np.repeat(np.arange(n), N_CATALOGUES))
    found = np.tile(np.arange(N_CATALOGUES) == 0, n)
    given = {name: keys[name].take(rows) for name in keys.schema.names}
    given |= {
        "catalogue": pa.array([f"catalogue {number}" for number in range(N_CATALOGUES)] * n),
        "match_state": pa.array(np.where(found, "matched", "no_match")),
        "match_rank": pa.array(np.ones(len(rows))),
        "separation": pa.array(np.full(len(rows), 0.5), mask=~found),
    }
    arrays = [
        given[field.name].cast(field.type)
        if field.name in given
        # What the schema forbids to be null is 0 or no text.
        else pa.nulls(len(rows), field.type)
        if field.nullable
        else pa.repeat(
            pa.scalar("" if pa.types.is_string(field.type) else 0, field.type), len(rows)
        )
        for field in schema
    ]
    return pa.Table.from_arrays(arrays, schema=schema)


def _draw_rows(
    rng: np.random.Generator, table: Table, keys: pa.Table, given: dict[str, np.ndarray]
) -> pa.Table:
    """Return rows of a table with the keys of some objects; what is not given is drawn."""
    columns = {}
    for column in table.columns:
        if column.name in keys.column_names:
            columns[column.name] = keys[column.name]
        elif column.name in given:
            columns[column.name] = pa.FixedSizeListArray.from_arrays(
                pa.array(given[column.name].ravel()), given[column.name].shape[1]
            )
        else:
            columns[column.name] = draw_column(rng, column, keys.num_rows, {})
    return pa.table(columns)


def _write(root: Path, table: Table, rows: pa.Table) -> None:
    path = root / _PATHS[table.name]
    path.parent.mkdir(parents=True, exist_ok=True)
    size = 64 if table is tables.SPECTRA else BLOCK_ROWS
    pq.write_table(rows, path, compression="zstd", row_group_size=size)
