"""Measures the release generator: the build of a survey, its faces, and its way to a bucket.

Usage: [QAD_BENCH_PYTHON=PYTHON] python benchmarks/build_release.py [--shards 2000] [--rows 800]
       [--graded 4400] [--root FOLDER]

Makes a lake of shards x rows spectra (kept where --root names a folder), builds its release in a
process of its own and prints seconds and peak memory; the size of the catalogue against plain
Parquet; HATS written against hats-import; the time to open each face; the throughput of publishing
a small release to a moto server against ``aws s3 sync``. Others' tools come from QAD_BENCH_PYTHON.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
from loopback_s3 import serve_bucket
from side_by_side import PEERS_VARIABLE, read_peak, time_in_turns
from synthetic_lake import write_lake

from pipeline.config import load_config
from pipeline.flow.root import Root
from release.build import build
from release.checks.validate import validate
from release.faces import hats_collection
from release.manifest import MANIFEST, read_json
from release.places.remote import Parcel
from release.sealing import list_files

VERSION = "0.1.0"
SMALL = (20, 800, 200)
LAYOUTS: dict[str, dict[str, Any]] = {
    "pyarrow's defaults (snappy)": {},
    "uncompressed": {"compression": "none"},
    "zstd 15": {"compression": "zstd", "compression_level": 15},
}


def run_build(root: Path) -> None:
    build(Root(root), load_config(source="mock"), VERSION)


def run_validate(root: Path) -> None:
    failed = [result for result in validate(root / "releases" / VERSION) if not result.passed]
    if failed:
        raise SystemExit(f"not valid: {failed[0]}")


def run_hats(root: Path) -> None:
    release = root / "releases" / VERSION
    (root / "hats" / "catalog").mkdir(parents=True)
    source = root / "hats" / "catalog" / "quasars.parquet"
    source.symlink_to((release / "catalog" / "quasars.parquet").resolve())
    hats_collection.write(root / "hats", read_json(release / MANIFEST))


STEPS: dict[str, Callable[[Path], None]] = {
    "build": run_build,
    "validate": run_validate,
    "hats": run_hats,
}


def measure(step: str, root: Path) -> dict[str, float]:
    """Run a step in a process of its own; return its wall and CPU seconds and peak MB."""
    command = [sys.executable, __file__, "--step", step, "--root", str(root)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    print(f"{step:28}{found['wall']:8.0f} s wall{found['cpu']:8.0f} s CPU{found['peak']:8.0f} MB")
    return found


def report_sizes(release: Path) -> None:
    """Print the size of the catalogue against the same rows written otherwise."""
    path = release / "catalog" / "quasars.parquet"
    ours = path.stat().st_size
    print(f"\n{'quasars.parquet':46}{ours / 1e6:10.0f} MB")
    rows = pq.read_table(path)
    with tempfile.TemporaryDirectory() as folder:
        for name, options in LAYOUTS.items():
            other = Path(folder) / "other.parquet"
            begin = time.process_time()
            pq.write_table(rows, other, **options)
            seconds, size = time.process_time() - begin, other.stat().st_size
            print(f"{name:46}{size / 1e6:10.0f} MB, {size / ours:.2f} of ours{seconds:8.0f} s CPU")
    for name in (
        "catalog",
        hats_collection.COLLECTION,
        "hats_spectra",
        "spectra",
        "site",
        "vo",
        "cds",
    ):
        files = [file for file in (release / name).rglob("*") if file.is_file()]
        size = sum(file.stat().st_size for file in files)
        print(f"{name + '/':46}{size / 1e6:10.0f} MB in {len(files):,} files")


def report_hats(root: Path) -> None:
    """Print the cost of the HATS collection and that of hats-import."""
    print()
    shutil.rmtree(root / "hats", ignore_errors=True)
    ours = measure("hats", root)
    python = os.environ.get(PEERS_VARIABLE)
    if not python:
        print(f"skipped: hats-import; set {PEERS_VARIABLE} to a python that has it")
        return
    source = root / "releases" / VERSION / "catalog" / "quasars.parquet"
    with tempfile.TemporaryDirectory(dir=root) as folder:
        command = [python, str(Path(__file__).with_name("hats_peer.py")), str(source), folder]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    peer: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    print(
        f"{'hats-import, one worker':28}{peer['wall']:8.0f} s wall{peer['cpu']:8.0f} s CPU"
        f"{peer['peak']:8.0f} MB, {peer['cpu'] / ours['cpu']:.1f} of ours"
    )


def report_opening(release: Path) -> None:
    """Print the CPU milliseconds in which each face gives its first answer."""
    from astropy.io import ascii as tables
    from astropy.table import Table

    quasars, graded = (release / "catalog" / f"{n}.parquet" for n in ("quasars", "anomalies"))
    row = pq.read_table(graded, columns=["TARGETID", "TARGET_RA", "TARGET_DEC"]).to_pylist()[0]
    position = f"{row['TARGET_RA']}, {row['TARGET_DEC']}"
    macros = (release / "sql" / "catalog.sql").read_text()
    os.chdir(release)

    def query(text: str) -> Callable[[], object]:
        def run() -> object:
            with duckdb.connect() as connection:
                connection.execute("SET threads = 1")
                connection.execute(macros)
                return connection.sql(text).fetchall()

        return run

    readers: dict[str, Callable[[], object]] = {
        "DuckDB, rows by tier": query("SELECT tier, count(*) FROM quasars GROUP BY tier"),
        "DuckDB, cone of 60 arcsec": query(f"SELECT TARGETID FROM cone({position}, 60)"),
        "DuckDB, ten strangest": query("FROM top_anomalies(10)"),
        "DuckDB, one spectrum": query(f"FROM spectra WHERE TARGETID = {row['TARGETID']}"),
        "astropy, anomalies.parquet": lambda: Table.read(graded, format="parquet.votable"),
        "astropy, anomalies.vot": lambda: Table.read("vo/anomalies.vot"),
        "astropy, anomalies.fits": lambda: Table.read("vo/anomalies.fits"),
        "astropy, cds": lambda: tables.read("cds/anomalies.dat", format="cds", readme="cds/ReadMe"),
        "pyarrow, all columns": lambda: pq.read_table(quasars, use_threads=False),
        **_list_lsdb(row),
    }
    print()
    for name, seconds in time_in_turns(readers, 2).items():
        print(f"{name:46}{1e3 * seconds:10.0f} ms CPU")


def _list_lsdb(row: dict[str, Any]) -> dict[str, Callable[[], object]]:
    try:
        import dask
        import lsdb
    except ImportError:
        print("skipped: lsdb, which is not installed")
        return {}
    dask.config.set(scheduler="synchronous")

    def open_collection() -> lsdb.Catalog:
        return lsdb.open_catalog(hats_collection.COLLECTION)

    position = (row["TARGET_RA"], row["TARGET_DEC"])
    ids = {"TARGETID": row["TARGETID"]}
    return {
        "LSDB, open": open_collection,
        "LSDB, cone of 60 arcsec": lambda: open_collection().cone_search(*position, 60).compute(),
        "LSDB, one TARGETID": lambda: open_collection().id_search(values=ids).compute(),
    }


def report_publishing(folder: Path) -> None:
    """Print MB/s to a bucket on the loopback interface, one release of many files."""
    from release.places.bucket import Bucket
    from release.places.publish import publish

    config = load_config(source="mock")
    path = build(write_lake(folder, *SMALL, config), config, VERSION).path
    size = sum((path / name).stat().st_size for name in list_files(path)) / 1e6
    print(f"\n{size:.0f} MB in {len(list_files(path))} files to a loopback S3")
    with serve_bucket("vac"):
        address = "s3://vac"
        parcel, bucket = Parcel(path, VERSION), Bucket(f"{address}/sent", True)
        works: dict[str, Callable[[], object]] = {
            "ours, immutable puts": lambda: bucket.send(
                parcel, bucket.find_missing(parcel), lambda _: None
            ),
            "ours, whole: checks, puts, read back, latest": lambda: publish(
                path, [Bucket(f"{address}/published", True)]
            ),
        }
        aws = Path(os.environ.get(PEERS_VARIABLE, "")).parent / "aws"
        if aws.is_file():
            command = [str(aws), "s3", "sync", "--only-show-errors", str(path), f"{address}/aws"]
            works["aws s3 sync"] = lambda: subprocess.run(command, check=True)
        else:
            print(f"skipped: aws s3 sync; set {PEERS_VARIABLE} to a python with awscli beside it")
        for name, work in works.items():
            begin = time.perf_counter()
            work()
            seconds = time.perf_counter() - begin
            print(f"{name:46}{seconds:8.1f} s wall{size / seconds:8.1f} MB/s")


def run_step(name: str, root: Path) -> None:
    """Do one step and print what it took."""
    begin, used = time.perf_counter(), time.process_time()
    STEPS[name](root)
    cpu, wall = time.process_time() - used, time.perf_counter() - begin
    print(json.dumps({"wall": wall, "cpu": cpu, "peak": read_peak()}))


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shards", type=int, default=2000)
    parser.add_argument("--rows", type=int, default=800)
    parser.add_argument("--graded", type=int, default=4400)
    parser.add_argument("--root", type=Path)
    parser.add_argument("--step", choices=list(STEPS), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        run_step(options.step, options.root)
        return
    with tempfile.TemporaryDirectory() as scratch:
        root = options.root or Path(scratch) / "root"
        if not root.exists():
            config = load_config(source="mock")
            write_lake(root, options.shards, options.rows, options.graded, config)
        shutil.rmtree(root / "releases", ignore_errors=True)
        print(f"{options.shards * options.rows:,} rows, {options.graded:,} graded")
        measure("build", root)
        measure("validate", root)
        release = root / "releases" / VERSION
        report_sizes(release)
        report_hats(root)
        report_publishing(Path(scratch) / "small")
        report_opening(release.resolve())


if __name__ == "__main__":
    main()
