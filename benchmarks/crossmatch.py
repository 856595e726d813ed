"""Measures the cross-match of positions with a large catalogue, side by side with other tools.

Usage: python benchmarks/crossmatch.py [--objects 10000 1000000] [--sources 10000000] [--repeats 3]
           [--methods ours …] [--folder FOLDER]

Makes a catalogue over a third of the sky in which half of the objects have a counterpart at about
0.3 arcsec, as Parquet, and from it what each tool reads: our index, LSDB's HATS catalogue with its
margin, a FITS table for STILTS; astropy reads the Parquet file. Prints, for each tool in a process
of its own, the CPU seconds of the fastest repeat, catalogue rows per CPU second, the peak memory,
and whether the pairs within the radius are the same ones. One thread each; reading the catalogue
counts, making what is read is told apart. Tools that are not installed are left out.
"""

import argparse
import hashlib
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from side_by_side import read_peak

from pipeline.context.catalogues.index import build_index
from pipeline.context.catalogues.join import find_pairs, read_sources
from pipeline.settings.context import CatalogueSettings, CrossmatchSettings

RADIUS = 2.0
# More sources than this are never within the radius of an object.
MOST_NEIGHBOURS = 10
REFERENCE = "astropy search_around_sky"
NEAREST_ONLY = "astropy match_to_catalog_sky"
Pairs = tuple[np.ndarray, np.ndarray]


def draw_sky(rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    return rng.uniform(0, 360, count), np.degrees(np.arcsin(rng.uniform(0.0, 2 / 3, count)))


def write_sources(folder: Path, n_objects: int, n_sources: int) -> None:
    """Write objects.parquet, and sources.parquet where it is not there yet."""
    rng = np.random.default_rng(5)
    ra, dec = draw_sky(rng, n_sources)
    if not (folder / "sources.parquet").exists():
        columns = {"ra": ra, "dec": dec, "id": np.arange(n_sources)}
        pq.write_table(pa.table(columns), folder / "sources.parquet")
    true = rng.choice(n_sources, n_objects // 2, replace=False)
    shift = rng.normal(0, 0.2 / 3600, (2, len(true)))
    alone = draw_sky(rng, n_objects - len(true))
    objects = {
        "ra": np.mod(np.r_[ra[true] + shift[0] / np.cos(np.radians(dec[true])), alone[0]], 360),
        "dec": np.r_[dec[true] + shift[1], alone[1]],
        "position": np.arange(n_objects),
    }
    pq.write_table(pa.table(objects), folder / "objects.parquet")


def read_objects(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    rows = pq.read_table(folder / "objects.parquet")
    return rows["ra"].to_numpy(), rows["dec"].to_numpy()


def prepare_ours(folder: Path) -> None:
    memory = CrossmatchSettings().memory_mb
    files, out = [folder / "sources.parquet"], folder / "index.parquet"
    build_index(files, CatalogueSettings(id="id"), 2015.5, memory, out)


def match_ours(folder: Path) -> Pairs:
    index = folder / "index.parquet"
    pairs = find_pairs(index, *read_objects(folder), RADIUS)
    names = read_sources(index, pairs.source, ["match_id"])["match_id"]
    return pairs.position, names.cast(pa.int64()).to_numpy()


def match_around(folder: Path) -> Pairs:
    from astropy import units
    from astropy.coordinates import SkyCoord, search_around_sky

    objects = SkyCoord(*read_objects(folder), unit="deg")
    first, second, _, _ = search_around_sky(objects, read_sky(folder), RADIUS * units.arcsec)
    return first, second


def match_nearest(folder: Path) -> Pairs:
    from astropy import units
    from astropy.coordinates import SkyCoord

    objects = SkyCoord(*read_objects(folder), unit="deg")
    second, separation, _ = objects.match_to_catalog_sky(read_sky(folder))
    near = np.flatnonzero(separation <= RADIUS * units.arcsec)
    return near, second[near]


def read_sky(folder: Path):
    from astropy.coordinates import SkyCoord

    rows = pq.read_table(folder / "sources.parquet", columns=["ra", "dec"])
    return SkyCoord(rows["ra"].to_numpy(), rows["dec"].to_numpy(), unit="deg")


def prepare_lsdb(folder: Path) -> None:
    import lsdb

    rows = pq.read_table(folder / "sources.parquet").to_pandas()
    catalogue = lsdb.from_dataframe(rows, ra_column="ra", dec_column="dec", catalog_name="sources")
    catalogue.write_catalog(folder / "sources_hats", catalog_name="sources", progress_bar=False)


def match_lsdb(folder: Path) -> Pairs:
    import dask
    import lsdb

    sources = lsdb.open_catalog(folder / "sources_hats")
    rows = pq.read_table(folder / "objects.parquet").to_pandas()
    objects = lsdb.from_dataframe(
        rows, ra_column="ra", dec_column="dec", margin_threshold=None, catalog_name="objects"
    )
    found = objects.crossmatch(
        sources,
        radius_arcsec=RADIUS,
        n_neighbors=MOST_NEIGHBOURS,
        require_right_margin=True,
        suffixes=("_object", "_source"),
        suffix_method="all_columns",
    )
    with dask.config.set(scheduler="synchronous"):
        pairs = found[["position_object", "id_source"]].compute(progress_bar=False)
    return pairs["position_object"].to_numpy(np.int64), pairs["id_source"].to_numpy(np.int64)


def prepare_stilts(folder: Path) -> None:
    from astropy.table import Table

    rows = pq.read_table(folder / "sources.parquet")
    columns = {name: rows[name].to_numpy() for name in rows.column_names}
    Table(columns, copy=False).write(folder / "sources.fits")


def match_stilts(folder: Path) -> Pairs:
    from astropy.io import fits
    from astropy.table import Table

    rows = pq.read_table(folder / "objects.parquet")
    Table({name: rows[name].to_numpy() for name in rows.column_names}).write(
        folder / "objects.fits", overwrite=True
    )
    words = {
        "in1": folder / "objects.fits",
        "in2": folder / "sources.fits",
        "matcher": "sky",
        "params": RADIUS,
        "values1": "ra dec",
        "values2": "ra dec",
        "find": "all",
        "join": "1and2",
        "ocmd": "keepcols 'position id'",
        "out": folder / "pairs.fits",
        "runner": "sequential",
        "progress": "none",
    }
    java = ["-Xmx6g", "-XX:+UseSerialGC", "-XX:ActiveProcessorCount=1"]
    subprocess.run(
        ["stilts", *java, "tmatch2", *(f"{name}={value}" for name, value in words.items())],
        check=True,
        capture_output=True,
    )
    with fits.open(folder / "pairs.fits") as hdus:
        pairs = hdus[1].data
        return np.array(pairs["position"], np.int64), np.array(pairs["id"], np.int64)


# What makes the tool's own form of the catalogue, and what matches.
METHODS: dict[str, tuple[Callable[[Path], None] | None, Callable[[Path], Pairs]]] = {
    "ours": (prepare_ours, match_ours),
    REFERENCE: (None, match_around),
    NEAREST_ONLY: (None, match_nearest),
    "LSDB crossmatch": (prepare_lsdb, match_lsdb),
    "STILTS tmatch2": (prepare_stilts, match_stilts),
}


def find_missing() -> set[str]:
    """Return the methods whose tools are not installed."""
    has = {"LSDB crossmatch": find_spec("lsdb"), "STILTS tmatch2": shutil.which("stilts")}
    return {name for name, found in has.items() if not found}


def read_cpu() -> float:
    """Return CPU seconds of this process and of the children that have ended."""
    return sum(os.times()[:4])


def read_largest_peak() -> float:
    """Return the peak memory of this process, or of its largest child where that took more, MB."""
    n_kib = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return max(read_peak(), n_kib * 1024 / 1e6)


def run_alone(method: str, folder: Path, repeats: int) -> dict[str, object]:
    """Measure one method in this process; without repeats, the making of its catalogue."""
    prepare, match = METHODS[method]
    seconds, pairs = [], np.zeros((0, 2), np.int64)
    for _ in range(repeats):
        start = read_cpu()
        position, source = match(folder)
        seconds.append(read_cpu() - start)
        pairs = np.unique(np.column_stack([position, source]).astype(np.int64), axis=0)
    if not repeats and prepare:
        start = read_cpu()
        prepare(folder)
        seconds.append(read_cpu() - start)
    digest = hashlib.sha256(pairs.tobytes()).hexdigest()
    peak = read_largest_peak()
    return {"seconds": min(seconds), "peak": peak, "pairs": len(pairs), "digest": digest}


def measure(method: str, folder: Path, repeats: int) -> dict:
    command = [sys.executable, __file__, "--method", method, "--folder", str(folder)]
    command += ["--repeats", str(repeats)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def compare(folder: Path, methods: list[str], n_objects: int, n_sources: int, repeats: int) -> None:
    print(f"\n{n_objects:,} objects, {n_sources:,} sources, {RADIUS:g} arcsec")
    print(f"{'method':32}{'CPU s':>8}{'ratio':>8}{'M rows/s':>10}{'peak MB':>9}{'pairs':>10}  same")
    results = {method: measure(method, folder, repeats) for method in methods}
    ours, reference = results[methods[0]], results.get(REFERENCE, results[methods[0]])
    for method, result in results.items():
        same = "yes" if result["digest"] == reference["digest"] else "no"
        # The nearest neighbour alone is not every pair.
        same = "nearest only" if method == NEAREST_ONLY else same
        print(
            f"{method:32}{result['seconds']:8.2f}{result['seconds'] / ours['seconds']:8.1f}"
            f"{n_sources / result['seconds'] / 1e6:10.1f}{result['peak']:9.0f}"
            f"{result['pairs']:10,}  {same}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--objects", type=int, nargs="+", default=[10_000, 1_000_000])
    parser.add_argument("--sources", type=int, default=10_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--folder", type=Path, help="Work here; default: a temporary folder.")
    parser.add_argument("--method", choices=METHODS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.method:
        print(json.dumps(run_alone(arguments.method, arguments.folder, arguments.repeats)))
        return
    missing = find_missing()
    methods = [name for name in arguments.methods if name not in missing]
    with tempfile.TemporaryDirectory(dir=arguments.folder) as scratch:
        folder = Path(scratch)
        write_sources(folder, arguments.objects[0], arguments.sources)
        for method in methods:
            if METHODS[method][0]:
                made = measure(method, folder, 0)
                print(
                    f"catalogue for {method}: {made['seconds']:.1f} s CPU once, peak "
                    f"{made['peak']:.0f} MB",
                    flush=True,
                )
        for n_objects in arguments.objects:
            write_sources(folder, n_objects, arguments.sources)
            compare(folder, methods, n_objects, arguments.sources, arguments.repeats)


if __name__ == "__main__":
    main()
