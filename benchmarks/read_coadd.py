"""Measures reading the quasars of one coadd file: bytes, requests, seconds, side by side.

Usage: [QAD_BENCH_PYTHON=PYTHON] python benchmarks/read_coadd.py [--targets 500] [--quasars 60]

Makes a coadd of DESI's layout in a temporary folder. Prints bytes and requests of whole-HDU and
row mode against the whole file, the planner's choice against the best fixed rule under three link
models, and the CPU time of reading the rows from the local file against astropy, bare preads,
fitsio and desispec.
"""

import argparse
import os
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from astropy.io import fits
from side_by_side import time_in_turns, time_peers
from synthetic import FIRST_TARGETID, write_coadd

from catalog_schema.desi import ARM_PIXELS
from pipeline.settings.transport import AcquireSettings
from pipeline.spectra.desi.coadd_file import (
    CoaddFile,
    check_coadd,
    open_coadd,
    plan_arms,
    read_arms,
    read_tables,
)
from pipeline.transport.ranges import Link
from pipeline.transport.sources import local_file

KINDS = ("FLUX", "IVAR", "MASK")
NAMES = [f"{arm.upper()}_{kind}" for arm in ARM_PIXELS for kind in KINDS]
GAP = 16 * 1024
# Seconds to the first byte, bytes per second, requests at a time, seconds of work per request.
LINKS = {
    "same region (30 ms, 1.2 GB/s)": Link(0.03, 1.2e9, 16, 3e-4),
    "campus (60 ms, 1 Gb/s)": Link(0.06, 1.25e8, 16, 1e-3),
    "home (150 ms, 50 Mb/s)": Link(0.15, 6.25e6, 8, 1e-3),
}


def report_bytes(coadd: CoaddFile, rows: np.ndarray) -> None:
    """Print what each mode fetches per quasar."""
    payload = len(rows) * 4 * 3 * sum(last - first for first, last in ARM_PIXELS.values())
    whole = coadd.index.size
    print(f"{'mode':24}{'kB/quasar':>12}{'requests':>10}{'of file':>10}{'of payload':>12}")
    print(f"{'whole file':24}{whole / len(rows) / 1e3:12.1f}{1:10}{1:10.3f}{whole / payload:12.2f}")
    for mode, gap in (("hdus", GAP), ("rows", 0), ("rows", GAP), ("rows", 2**16)):
        plan = plan_arms(coadd, rows, AcquireSettings(mode=mode, gap=gap))
        name = f"{mode}, gap {gap // 1024} KiB"
        print(
            f"{name:24}{plan.n_bytes / len(rows) / 1e3:12.1f}{len(plan.ranges):10}"
            f"{plan.n_bytes / whole:10.3f}{plan.n_bytes / payload:12.2f}"
        )


def report_links(coadd: CoaddFile, rows: np.ndarray) -> None:
    """Print the planner's choice and the best fixed rule under each model of a link."""
    fixed = {
        f"{mode}, gap {gap // 1024} KiB": AcquireSettings(mode=mode, gap=gap)
        for mode in ("hdus", "rows")
        for gap in (0, GAP, 2**16, 2**20)
    }
    print(
        f"\n{'link':32}{'chosen':>22}{'s/file':>8}  {'best fixed rule':20}{'s/file':>8}{'ratio':>7}"
    )
    for name, link in LINKS.items():
        plan = plan_arms(coadd, rows, AcquireSettings(), link)
        costs = {rule: plan_arms(coadd, rows, s, link).cost(link) for rule, s in fixed.items()}
        costs["whole file"] = link.cost(coadd.index.size, 1)
        best = min(costs, key=lambda rule: costs[rule])
        chosen = f"{plan.mode}, {len(plan.ranges)} gets, {plan.n_bytes / 1e6:.1f} MB"
        ratio = plan.cost(link) / costs[best]
        print(
            f"{name:32}{chosen:>22}{plan.cost(link):8.3f}  {best:20}{costs[best]:8.3f}{ratio:7.2f}"
        )


def read_ours(path: Path, rows: np.ndarray) -> None:
    """Walk the headers, check the grid, list targets and exposures, and read the rows."""
    coadd = open_coadd(local_file(path))
    check_coadd(coadd)
    read_tables(coadd)
    read_arms(coadd, rows, AcquireSettings())


def read_ours_indexed(path: Path, rows: np.ndarray) -> None:
    """Read as `extract` does: the headers are known."""
    coadd = open_coadd(
        local_file(path), path.with_suffix(".json"), local_file(path).stat().identity
    )
    read_tables(coadd)
    read_arms(coadd, rows, AcquireSettings())


def read_astropy_memmap(path: Path, rows: np.ndarray) -> None:
    """Index memory-mapped images; MASK cannot be mapped without this option."""
    with fits.open(path, do_not_scale_image_data=True) as hdus:
        np.asarray(hdus["FIBERMAP"].data["TARGETID"])
        for name in NAMES:
            data = hdus[name].data[rows]
            data.astype(data.dtype.newbyteorder("="))


def read_astropy_section(path: Path, rows: np.ndarray) -> None:
    """Read a section that spans the rows, as this project did before."""
    with fits.open(path, memmap=False) as hdus:
        np.asarray(hdus["FIBERMAP"].data["TARGETID"])
        for name in NAMES:
            data = hdus[name].section[int(rows.min()) : int(rows.max()) + 1][rows - rows.min()]
            data.astype(data.dtype.newbyteorder("="))


def make_pread(coadd: CoaddFile) -> Callable[[Path, np.ndarray], None]:
    """Return the least that anybody can do: one pread per row at offsets known beforehand."""
    places = [(hdu.data, 4 * hdu.shape[1]) for hdu in coadd.images()]

    def read_pread(path: Path, rows: np.ndarray) -> None:
        descriptor = os.open(path, os.O_RDONLY)
        for start, width in places:
            parts = [os.pread(descriptor, width, start + int(row) * width) for row in rows]
            np.frombuffer(b"".join(parts), ">u4").astype("u4")
        os.close(descriptor)

    return read_pread


def report_times(path: Path, coadd: CoaddFile, rows: np.ndarray, repeats: int) -> None:
    """Print the CPU time of each reader, and its ratio to ours as `extract` reads."""
    readers: dict[str, Callable[[Path, np.ndarray], None]] = {
        "ours, from nothing": read_ours,
        "ours, headers known": read_ours_indexed,
        "bare pread": make_pread(coadd),
        "astropy, memory map": read_astropy_memmap,
        "astropy, section": read_astropy_section,
    }
    works = {name: partial(read, path, rows) for name, read in readers.items()}
    seconds = time_in_turns(works, repeats)
    seconds |= time_peers(
        "read", max(1, repeats // 3), paths=[str(path)], targetid=FIRST_TARGETID + rows
    )
    ours = seconds["ours, headers known"]
    print(f"\n{'reader (page cache warm)':28}{'CPU ms':>10}{'ratio to ours':>16}")
    for name, value in seconds.items():
        print(f"{name:28}{1e3 * value:10.1f}{value / ours:16.2f}")


def main() -> None:
    """Make the file and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--targets", type=int, default=500)
    parser.add_argument("--quasars", type=int, default=60)
    parser.add_argument("--repeats", type=int, default=9)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "coadd-main-dark-10000.fits"
        write_coadd(path, options.targets)
        rng = np.random.default_rng(2)
        rows = np.sort(rng.choice(options.targets, options.quasars, replace=False))
        coadd = open_coadd(local_file(path))
        print(
            f"{options.quasars} of {options.targets} rows, file {coadd.index.size / 1e6:.1f} MB\n"
        )
        report_bytes(coadd, rows)
        report_links(coadd, rows)
        report_times(path, coadd, rows, options.repeats)


if __name__ == "__main__":
    main()
