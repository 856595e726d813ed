"""Measures streaming DR1's redshift catalogue into candidates: rows per second, memory, bytes.

Usage: python benchmarks/stream_catalogue.py [--rows 500000 2000000] [--remote-rows 200000 600000]

Writes catalogues with DR1's 136 columns (787 bytes a row) and its shares of quasars, galaxies,
stars and sky in a temporary folder. Each reader selects the same candidates in a process of its
own: the stage's reader, from the folder and from an S3 server on the loopback interface; astropy,
the whole table and memory-mapped columns; fitsio's columns where it can be imported; and from S3
the common way, boto3 to a file and then astropy.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from loopback_s3 import serve_bucket
from side_by_side import read_peak

from catalog_schema.waist import SHARD_KEY
from pipeline.spectra.desi.redshift_catalogue import OPTIONAL, REQUIRED
from pipeline.spectra.mock.columns import ZCATALOG, parse
from pipeline.spectra.mock.identity import draw_positions

NAMES = [*SHARD_KEY, *REQUIRED, *OPTIONAL]
BUCKET = "desidata"
PATH = "spectro/redux/iron/zcatalog/v1/zall-pix-iron.fits"
BLOCK_ROWS = 100_000
_DTYPES = {"K": ">i8", "J": ">i4", "I": ">i2", "B": "u1", "E": ">f4", "D": ">f8", "L": "S1"}


def write_catalogue(path: Path, n_rows: int) -> None:
    """Write ZCATALOG in blocks, so that size costs no memory."""
    from astropy.io import fits

    layout = []
    for name, code, _ in parse(ZCATALOG):
        repeat, letter = code[:-1], code[-1]
        kind = f"S{repeat}" if letter == "A" else _DTYPES[letter]
        layout.append((name, kind, (int(repeat),)) if repeat and letter != "A" else (name, kind))
    definitions = [fits.Column(name, code) for name, code, _ in parse(ZCATALOG)]
    hdu = fits.BinTableHDU.from_columns(definitions, nrows=1, name="ZCATALOG")
    hdu.header["NAXIS2"] = n_rows
    rng = np.random.default_rng(1)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as handle:
        handle.write(fits.PrimaryHDU().header.tostring().encode())
        handle.write(hdu.header.tostring().encode())
        for first in range(0, n_rows, BLOCK_ROWS):
            n = min(BLOCK_ROWS, n_rows - first)
            handle.write(draw_rows(rng, np.zeros(n, layout), first).tobytes())
        handle.write(bytes(-handle.tell() % 2880))


def draw_rows(rng: np.random.Generator, rows: np.ndarray, first: int) -> np.ndarray:
    """Fill the columns that decide what is kept; pixels come in order, as in DR1."""
    n = len(rows)
    kind = rng.choice(4, n, p=(0.06, 0.60, 0.25, 0.09))
    number = first + np.arange(n)
    rows["TARGETID"] = 39627000000000000 + number
    rows["SURVEY"], rows["PROGRAM"], rows["HEALPIX"] = b"main", b"dark", number // 2000
    rows["SPECTYPE"] = np.array([b"QSO", b"GALAXY", b"STAR", b"GALAXY"])[kind]
    rows["OBJTYPE"] = np.where(kind == 3, b"SKY", b"TGT")
    rows["Z"] = rng.uniform(0.0, 4.0, n)
    rows["ZWARN"] = np.where(rng.random(n) < 0.15, 4, 0)
    rows["DESI_TARGET"] = np.where((kind == 0) | (rng.random(n) < 0.04), 1 << 2, 1 << 1)
    rows["TARGET_RA"], rows["TARGET_DEC"] = draw_positions(rng, number // 2000)
    rows["ZCAT_PRIMARY"] = np.where(rng.random(n) < 0.97, b"T", b"F")
    rows["DESINAME"] = b"DESI J123.4567+01.2345"
    return rows


def select(rows: dict[str, np.ndarray]) -> int:
    """Select the candidates of columns that are in memory."""
    from pipeline.settings.spectra import TargetSettings
    from pipeline.spectra.candidates import select_candidates
    from pipeline.spectra.desi.selection import choose_blocks

    native = {
        name: np.char.strip(np.asarray(values).astype(str))
        if np.asarray(values).dtype.kind in "SU"
        else np.asarray(values).astype(values.dtype.newbyteorder("="))
        for name, values in rows.items()
    }
    settings = TargetSettings()
    return select_candidates(choose_blocks([native], settings), settings)[0].num_rows


def read_ours(location: str) -> tuple[int, int]:
    """Stream the catalogue as the stage `target` does."""
    from pipeline.settings.spectra import TargetSettings
    from pipeline.settings.transport import AcquireSettings
    from pipeline.spectra.candidates import select_candidates
    from pipeline.spectra.desi.redshift_catalogue import read_catalogue
    from pipeline.spectra.desi.selection import choose_blocks
    from pipeline.spectra.desi.tree import HealpixTree
    from pipeline.transport.sources import open_source

    source = open_source(location, AcquireSettings())
    settings = TargetSettings()
    rows = read_catalogue(HealpixTree(source), {})
    candidates, _ = select_candidates(choose_blocks(rows, settings), settings)
    return candidates.num_rows, source.counts.n_bytes


def read_astropy_table(location: str) -> tuple[int, int]:
    """Read the whole table, then choose columns."""
    from astropy.table import Table

    path = Path(location, PATH)
    table = Table.read(path, hdu="ZCATALOG")
    return select({name: table[name].data for name in NAMES}), path.stat().st_size


def read_astropy_columns(location: str) -> tuple[int, int]:
    """Read columns of the memory-mapped table."""
    from astropy.io import fits

    path = Path(location, PATH)
    with fits.open(path, memmap=True) as hdus:
        data = hdus["ZCATALOG"].data
        return select({name: np.array(data[name]) for name in NAMES}), path.stat().st_size


def read_fitsio(location: str) -> tuple[int, int]:
    """Read columns."""
    import fitsio

    path = Path(location, PATH)
    table = fitsio.read(path, "ZCATALOG", columns=NAMES)
    return select({name: table[name] for name in NAMES}), path.stat().st_size


def read_after_download(location: str) -> tuple[int, int]:
    """Download the file with boto3, then read columns of the memory-mapped table."""
    import boto3
    from botocore import UNSIGNED
    from botocore.config import Config

    prefix = location.removeprefix(f"s3://{BUCKET}/")
    client = boto3.client("s3", region_name="us-east-1", config=Config(signature_version=UNSIGNED))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, PATH)
        path.parent.mkdir(parents=True)
        client.download_file(BUCKET, f"{prefix}/{PATH}", str(path))
        return read_astropy_columns(folder)


LOCAL: dict[str, Callable[[str], tuple[int, int]]] = {
    "ours": read_ours,
    "astropy Table.read": read_astropy_table,
    "astropy, mapped columns": read_astropy_columns,
}
if find_spec("fitsio"):
    LOCAL["fitsio columns"] = read_fitsio
REMOTE = {"ours": read_ours, "boto3 file, then astropy": read_after_download}


def measure(reader: str, location: str) -> None:
    """Run one reader and print what it took, as JSON."""
    read = REMOTE[reader] if location.startswith("s3://") else LOCAL[reader]
    # The imports of a run belong to no reader.
    read_ours(os.environ["WARM_UP"])
    base = read_peak()
    begin, cpu = time.perf_counter(), time.process_time()
    n_kept, n_bytes = read(location)
    figures = {
        "kept": n_kept,
        "bytes": n_bytes,
        "wall": time.perf_counter() - begin,
        "cpu": time.process_time() - cpu,
        "base": base,
        "peak": read_peak(),
    }
    print(json.dumps(figures))


def report(place: str, readers: dict, locations: dict[int, str], environment: dict) -> None:
    """Print a line per reader and size."""
    for n_rows, location in locations.items():
        for reader in readers:
            command = [sys.executable, __file__, "--measure", reader, location]
            done = subprocess.run(
                command, env=environment, capture_output=True, text=True, check=False
            )
            if done.returncode:
                sys.exit(done.stderr)
            f = json.loads(done.stdout)
            print(
                f"{place:7}{reader:26}{n_rows / 1e6:6.2f}{f['kept'] / 1e3:9.1f}"
                f"{n_rows / f['cpu'] / 1e3:9.0f}{n_rows / f['wall'] / 1e3:9.0f}"
                f"{f['peak']:9.0f}{f['peak'] - f['base']:9.0f}{f['bytes'] / 1e6:9.0f}"
            )


def store(folder: Path, sizes: list[int]) -> None:
    """Store the catalogues in the bucket."""
    import boto3

    client = boto3.client("s3")
    for n_rows in sizes:
        with (folder / str(n_rows) / PATH).open("rb") as body:
            key = f"{n_rows}/{PATH}"
            client.put_object(Bucket=BUCKET, Key=key, Body=body, ACL="public-read")


def main() -> None:
    """Write the catalogues and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[500_000, 2_000_000])
    parser.add_argument("--remote-rows", type=int, nargs="*", default=[200_000, 600_000])
    parser.add_argument("--measure", nargs=2, metavar=("READER", "LOCATION"))
    options = parser.parse_args()
    if options.measure:
        measure(*options.measure)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for n_rows in {1000, *options.rows, *options.remote_rows}:
            write_catalogue(folder / str(n_rows) / PATH, n_rows)
        environment = {**os.environ, "WARM_UP": str(folder / "1000")}
        print(
            f"{'source':7}{'reader':26}{'Mrows':>6}{'kept, k':>9}{'k/s, CPU':>9}{'k/s':>9}"
            f"{'peak MB':>9}{'rise MB':>9}{'read MB':>9}"
        )
        report("folder", LOCAL, {n: str(folder / str(n)) for n in options.rows}, environment)
        if options.remote_rows:
            with serve_bucket(BUCKET) as endpoint:
                store(folder, options.remote_rows)
                remote = {**environment, "AWS_ENDPOINT_URL": endpoint}
                places = {n: f"s3://{BUCKET}/{n}" for n in options.remote_rows}
                report("S3", REMOTE, places, remote)


if __name__ == "__main__":
    main()
