"""Measures Parquet encodings of the coadds: bytes, writing, reading, one spectrum by TARGETID.

Usage: python benchmarks/lake_layout.py [--spectra 512] [--repeats 5]

Spectra are noise about a quasar-like continuum, a few per thousand of the pixels masked: a hard
case for compression. One thread, CPU time.
"""

import argparse
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from side_by_side import time_in_turns

from catalog_schema.desi import SAMPLING, WAVE_SIZE
from pipeline.lake.layout import Shard
from pipeline.lake.store import parquet_options
from pipeline.spectra.coadd_rows import spectra_to_table
from pipeline.spectra.science.coadd import Spectra

FLOATS = ("flux.list.element", "ivar.list.element")
SPLIT = dict.fromkeys(FLOATS, "BYTE_STREAM_SPLIT")
PLAIN = {"use_dictionary": False, "row_group_size": 64}


def make_table(n: int) -> pa.Table:
    """Return rows of `coadds`."""
    rng = np.random.default_rng(1)
    ivar = rng.gamma(4, 0.5, (n, WAVE_SIZE)).astype(np.float32)
    noise = rng.standard_normal(ivar.shape, dtype=np.float32) / np.sqrt(ivar)
    flux = np.linspace(6, 2, WAVE_SIZE, dtype=np.float32) + noise
    mask = (rng.random(ivar.shape) < 0.003).astype(np.int32)
    flux[mask > 0], ivar[mask > 0] = 0, 0
    return spectra_to_table(
        Shard("main", "dark", 1), Spectra(np.arange(n), flux, ivar, mask), SAMPLING
    )


def list_layouts(schema: pa.Schema) -> dict[str, dict[str, Any]]:
    """Return options of the Parquet writer by name; the first two are the project's choice."""
    split = {**PLAIN, "column_encoding": SPLIT, "write_statistics": ["TARGETID"]}
    zstd = {"compression": "zstd", "compression_level": 1}
    return {
        "this project, lake": parquet_options(schema, "lz4"),
        "this project, release": parquet_options(schema),
        "pyarrow's defaults": {},
        "plain": {**PLAIN, "compression": "none"},
        "plain, zstd 1": {**PLAIN, **zstd},
        "split": {**split, "compression": "none"},
        "split, zstd 1, statistics": {**split, **zstd, "write_statistics": True},
        "split, zstd 3": {**split, **zstd, "compression_level": 3},
        "split, zstd 1, groups of 16": {**split, **zstd, "row_group_size": 16},
        "split, zstd 1, groups of 256": {**split, **zstd, "row_group_size": 256},
    }


def read_one(path: Path, targetid: int) -> None:
    """Fetch one spectrum as a user does, with DuckDB."""
    query = "SELECT flux, ivar FROM read_parquet(?) WHERE TARGETID = ?"
    [_] = duckdb.execute(query, [str(path), targetid]).fetchall()


def main() -> None:
    """Write, read and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--spectra", type=int, default=512)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    pa.set_cpu_count(1)
    duckdb.execute("SET threads = 1")
    table = make_table(options.spectra)
    layouts = list_layouts(table.schema)
    raw = 3 * 4 * WAVE_SIZE * options.spectra
    with tempfile.TemporaryDirectory() as folder:
        paths = {name: Path(folder) / f"{at}.parquet" for at, name in enumerate(layouts)}
        write, read, one = (
            time_in_turns(works, options.repeats)
            for works in (
                {n: partial(pq.write_table, table, paths[n], **layouts[n]) for n in layouts},
                {n: partial(pq.read_table, paths[n], use_threads=False) for n in layouts},
                {n: partial(read_one, paths[n], options.spectra // 2) for n in layouts},
            )
        )
        print(
            f"{options.spectra} spectra, flux, ivar and mask: {raw / 1e6:.0f} MB\n\n"
            f"{'layout':30}{'size %':>8}{'write MB/s':>12}{'us/spectrum':>12}"
            f"{'read MB/s':>11}{'one, ms':>9}"
        )
        for name, path in paths.items():
            print(
                f"{name:30}{100 * path.stat().st_size / raw:8.1f}{raw / write[name] / 1e6:12.0f}"
                f"{1e6 * write[name] / options.spectra:12.0f}{raw / read[name] / 1e6:11.0f}"
                f"{1e3 * one[name]:9.1f}"
            )


if __name__ == "__main__":
    main()
