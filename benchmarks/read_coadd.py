"""Measures reading the quasars of one coadd file: bytes, requests, seconds, side by side.

Usage: python benchmarks/read_coadd.py [--targets 500] [--quasars 60] [--repeats 9]

Makes a coadd of DESI's layout in a temporary folder. Prints bytes and requests of whole-HDU and
row mode against the whole file, the planner's choice against the best fixed rule under three link
models, and the time of reading the rows from the local file against astropy, bare preads, and
fitsio and desispec where they can be imported.
"""

import argparse
import gc
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from astropy.io import fits

from catalog_schema.desi import ARM_PIXELS, WAVE_START, WAVE_STEP
from pipeline.coadd_file import (
    CoaddFile,
    check_coadd,
    open_coadd,
    plan_arms,
    read_arms,
    read_targetids,
)
from pipeline.config import AcquireSettings
from pipeline.ranges import Link
from pipeline.sources import local_file

KINDS = ("FLUX", "IVAR", "MASK")
NAMES = [f"{arm.upper()}_{kind}" for arm in ARM_PIXELS for kind in KINDS]
GAP = 16 * 1024
# Seconds to the first byte, bytes per second, requests at a time, seconds of work per request.
LINKS = {
    "same region (30 ms, 1.2 GB/s)": Link(0.03, 1.2e9, 16, 3e-4),
    "campus (60 ms, 1 Gb/s)": Link(0.06, 1.25e8, 16, 1e-3),
    "home (150 ms, 50 Mb/s)": Link(0.15, 6.25e6, 8, 1e-3),
}


def write_coadd(path: Path, n_targets: int) -> None:
    """Write a coadd with DESI's HDUs and noise in them."""
    rng = np.random.default_rng(1)
    table = np.zeros(n_targets, [("TARGETID", ">i8"), *((f"C{i}", ">f4") for i in range(80))])
    table["TARGETID"] = 39627000000000000 + np.arange(n_targets)
    hdus = [fits.PrimaryHDU(), fits.BinTableHDU(table, name="FIBERMAP")]
    hdus.append(fits.BinTableHDU(table, name="EXP_FIBERMAP"))
    for arm, (first, last) in ARM_PIXELS.items():
        shape = (n_targets, last - first)
        values = {
            "WAVELENGTH": WAVE_START + WAVE_STEP * np.arange(first, last),
            "FLUX": rng.normal(size=shape).astype(np.float32),
            "IVAR": rng.gamma(4, size=shape).astype(np.float32),
            "MASK": (rng.random(shape) < 0.003).astype(np.uint32),
            "RESOLUTION": rng.random((n_targets, 11, last - first), dtype=np.float32),
        }
        hdus += [fits.ImageHDU(data, name=f"{arm.upper()}_{kind}") for kind, data in values.items()]
    for hdu in hdus:
        hdu.add_checksum()
    fits.HDUList([*hdus, fits.BinTableHDU(table, name="SCORES")]).writeto(path)


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
    """Walk the headers, check the grid, list the targets and read the rows."""
    coadd = open_coadd(local_file(path))
    check_coadd(coadd)
    read_targetids(coadd)
    read_arms(coadd, rows, AcquireSettings())


def read_ours_indexed(path: Path, rows: np.ndarray) -> None:
    """Read as `extract` does: the headers are known."""
    kept = path.with_suffix(".json")
    coadd = open_coadd(local_file(path), kept)
    read_targetids(coadd)
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


def read_fitsio(path: Path, rows: np.ndarray) -> None:
    """Read one slice per row."""
    import fitsio

    with fitsio.FITS(path) as hdus:
        hdus["FIBERMAP"].read(columns=["TARGETID"])
        for name in NAMES:
            np.concatenate([hdus[name][int(row) : int(row) + 1, :] for row in rows])


def read_desispec(path: Path, rows: np.ndarray) -> None:
    """Read by TARGETID without what is not needed."""
    from desispec.io import read_spectra

    targetids = 39627000000000000 + rows
    read_spectra(path, targetids=targetids, skip_hdus=("RESOLUTION", "EXP_FIBERMAP", "SCORES"))


def report_times(path: Path, coadd: CoaddFile, rows: np.ndarray, repeats: int) -> None:
    """Print the median time of each reader in turns, and its ratio to ours."""
    readers: dict[str, Callable[[Path, np.ndarray], None]] = {
        "ours, from nothing": read_ours,
        "ours, headers known": read_ours_indexed,
        "bare pread": make_pread(coadd),
        "astropy, memory map": read_astropy_memmap,
        "astropy, section": read_astropy_section,
    }
    if find_spec("fitsio"):
        readers["fitsio, row slices"] = read_fitsio
    if find_spec("desispec"):
        os.environ.setdefault("DESI_LOGLEVEL", "ERROR")
        readers["desispec read_spectra"] = read_desispec
    times: dict[str, list[float]] = {name: [] for name in readers}
    for turn in range(repeats + 1):
        for name, read in readers.items():
            gc.collect()
            begin = time.perf_counter()
            read(path, rows)
            if turn:
                times[name].append(1e3 * (time.perf_counter() - begin))
    ours = statistics.median(times["ours, from nothing"])
    print(f"\n{'reader (page cache warm)':28}{'ms':>10}{'ratio to ours':>16}")
    for name, values in times.items():
        middle = statistics.median(values)
        print(f"{name:28}{middle:10.1f}{middle / ours:16.2f}")


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
