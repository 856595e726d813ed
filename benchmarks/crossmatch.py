"""Measures the cross-match of positions with a large catalogue, side by side with astropy.

Usage: python benchmarks/crossmatch.py [--objects 10000 1000000] [--sources 10000000] [--repeats 3]

Makes a catalogue over a third of the sky in which half of the objects have a counterpart at about
0.3 arcsec, as Parquet and as our index. Prints, for each method in a process of its own, the CPU
seconds of the fastest repeat, catalogue rows per CPU second, the process's peak memory, and whether
the pairs within the radius are the same ones. One thread each; reading the Parquet file counts.
"""

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from side_by_side import read_peak

from pipeline.catalogues.index import build_index
from pipeline.catalogues.join import find_pairs, read_sources
from pipeline.config import CatalogueSettings

RADIUS = 2.0
METHODS = ("ours", "astropy search_around_sky", "astropy match_to_catalog_sky")
Pairs = tuple[np.ndarray, np.ndarray]


def draw_sky(rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    return rng.uniform(0, 360, count), np.degrees(np.arcsin(rng.uniform(0.0, 2 / 3, count)))


def write_inputs(folder: Path, n_objects: int, n_sources: int) -> None:
    """Write objects.parquet, and the catalogue and its index where they are not there yet."""
    rng = np.random.default_rng(5)
    ra, dec = draw_sky(rng, n_sources)
    catalogue = folder / f"sources-{n_sources}.parquet"
    if not catalogue.exists():
        pq.write_table(pa.table({"ra": ra, "dec": dec, "id": np.arange(n_sources)}), catalogue)
        start = time.process_time()
        settings = CatalogueSettings(id="id")
        build_index([catalogue], settings, 2015.5, 1000, folder / f"index-{n_sources}.parquet")
        print(f"index of {n_sources:,} rows: {time.process_time() - start:.1f} s CPU, once")
    true = rng.choice(n_sources, n_objects // 2, replace=False)
    shift = rng.normal(0, 0.2 / 3600, (2, len(true)))
    alone = draw_sky(rng, n_objects - len(true))
    objects = {
        "ra": np.mod(np.r_[ra[true] + shift[0] / np.cos(np.radians(dec[true])), alone[0]], 360),
        "dec": np.r_[dec[true] + shift[1], alone[1]],
    }
    pq.write_table(pa.table(objects), folder / "objects.parquet")


def match_ours(folder: Path, n_sources: int, ra: np.ndarray, dec: np.ndarray) -> Pairs:
    pairs = find_pairs(folder / f"index-{n_sources}.parquet", ra, dec, RADIUS)
    return pairs.position, pairs.source


def match_astropy(
    method: str, folder: Path, n_sources: int, ra: np.ndarray, dec: np.ndarray
) -> Pairs:
    from astropy import units
    from astropy.coordinates import SkyCoord, search_around_sky

    rows = pq.read_table(folder / f"sources-{n_sources}.parquet", columns=["ra", "dec"])
    sources = SkyCoord(rows["ra"].to_numpy(), rows["dec"].to_numpy(), unit="deg")
    objects = SkyCoord(ra, dec, unit="deg")
    if method.endswith("search_around_sky"):
        first, second, _, _ = search_around_sky(objects, sources, RADIUS * units.arcsec)
        return first, second
    second, separation, _ = objects.match_to_catalog_sky(sources)
    near = np.flatnonzero(separation <= RADIUS * units.arcsec)
    return near, second[near]


def run_method(method: str, folder: Path, n_sources: int, repeats: int) -> dict[str, object]:
    """Measure one method in this process."""
    objects = pq.read_table(folder / "objects.parquet")
    ra, dec = objects["ra"].to_numpy(), objects["dec"].to_numpy()
    seconds = []
    for _ in range(repeats):
        start = time.process_time()
        if method == "ours":
            position, source = match_ours(folder, n_sources, ra, dec)
        else:
            position, source = match_astropy(method, folder, n_sources, ra, dec)
        seconds.append(time.process_time() - start)
    peak = read_peak()
    if method == "ours":
        names = read_sources(folder / f"index-{n_sources}.parquet", source)["match_id"]
        source = names.cast(pa.int64()).to_numpy()
    pairs = np.unique(np.column_stack([position, source]).astype(np.int64), axis=0)
    digest = hashlib.sha256(pairs.tobytes()).hexdigest()
    return {"seconds": min(seconds), "peak": peak, "pairs": len(pairs), "digest": digest}


def compare(folder: Path, n_objects: int, n_sources: int, repeats: int) -> None:
    write_inputs(folder, n_objects, n_sources)
    print(f"\n{n_objects:,} objects, {n_sources:,} sources, {RADIUS:g} arcsec")
    print(f"{'method':32}{'CPU s':>8}{'ratio':>8}{'M rows/s':>10}{'peak MB':>9}{'pairs':>10}  same")
    results = {}
    for method in METHODS:
        command = [sys.executable, __file__, "--method", method, "--folder", str(folder),
                   "--sources", str(n_sources), "--repeats", str(repeats)]  # fmt: skip
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        results[method] = json.loads(done.stdout)
    ours, reference = results["ours"], results["astropy search_around_sky"]
    for method, result in results.items():
        same = "yes" if result["digest"] == reference["digest"] else "no"
        # The nearest neighbour alone is not every pair.
        same = "nearest only" if method.endswith("catalog_sky") else same
        print(
            f"{method:32}{result['seconds']:8.2f}{result['seconds'] / ours['seconds']:8.1f}"
            f"{n_sources / result['seconds'] / 1e6:10.1f}{result['peak']:9.0f}"
            f"{result['pairs']:10,}  {same}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--objects", type=int, nargs="+", default=[10_000, 1_000_000])
    parser.add_argument("--sources", type=int, default=10_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="Keep the catalogue and its index here.")
    parser.add_argument("--method", choices=METHODS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.method:
        result = run_method(
            arguments.method, arguments.folder, arguments.sources, arguments.repeats
        )
        print(json.dumps(result))
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.folder or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        for n_objects in arguments.objects:
            compare(folder, n_objects, arguments.sources, arguments.repeats)


if __name__ == "__main__":
    main()
