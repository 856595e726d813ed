"""Writes coadd files with DESI's HDUs, and trees of them, for the benchmarks."""

from pathlib import Path

import numpy as np
from astropy.io import fits

from catalog_schema.desi import ARM_PIXELS, WAVE_START, WAVE_STEP
from pipeline.lake.layout import Shard
from pipeline.settings.transport import AcquireSettings
from pipeline.spectra.desi.tree import REDUCTION, HealpixTree
from pipeline.spectra.mock.identity import draw_positions
from pipeline.transport.sources import open_source

FIRST_TARGETID = 39627000000000000


def write_coadd(
    path: Path, n_targets: int, first: int = FIRST_TARGETID, resolution: bool = True
) -> None:
    """Write a coadd of noise about a slope; some pixels per thousand are masked."""
    rng = np.random.default_rng(first % 2**32)
    table = np.zeros(n_targets, [("TARGETID", ">i8"), *((f"C{i}", ">f4") for i in range(80))])
    table["TARGETID"] = first + np.arange(n_targets)
    hdus = [fits.PrimaryHDU(), fits.BinTableHDU(table, name="FIBERMAP")]
    hdus.append(fits.BinTableHDU(make_exposures(table["TARGETID"]), name="EXP_FIBERMAP"))
    for arm, (start, stop) in ARM_PIXELS.items():
        shape = (n_targets, stop - start)
        ivar = rng.gamma(4, 0.5, shape).astype(np.float32)
        noise = rng.standard_normal(shape, dtype=np.float32) / np.sqrt(ivar)
        wave = WAVE_START + WAVE_STEP * np.arange(start, stop)
        values = {
            "WAVELENGTH": wave,
            "FLUX": (2 + 4 * wave[0] / wave + noise).astype(np.float32),
            "IVAR": ivar,
            "MASK": (rng.random(shape) < 0.003).astype(np.uint32),
        }
        if resolution:
            values["RESOLUTION"] = rng.random((n_targets, 11, stop - start), dtype=np.float32)
        hdus += [fits.ImageHDU(data, name=f"{arm.upper()}_{kind}") for kind, data in values.items()]
    for hdu in hdus:
        hdu.add_checksum()
    path.parent.mkdir(parents=True, exist_ok=True)
    fits.HDUList([*hdus, fits.BinTableHDU(table, name="SCORES")]).writeto(path)


def make_exposures(targetid: np.ndarray) -> np.ndarray:
    """Return three exposures of each target, with as many bytes a row as DESI's."""
    places = (("NIGHT", ">i4"), ("PETAL_LOC", ">i2"), ("FIBER", ">i4"), ("EXPTIME", ">f8"))
    others = ((f"C{i}", ">f8") for i in range(17))
    fields = [("TARGETID", ">i8"), *places, ("FIBERSTATUS", ">i4"), *others]
    table = np.zeros(3 * len(targetid), fields)
    table["TARGETID"] = np.repeat(targetid, 3)
    table["NIGHT"] = 20210401 + np.arange(len(table)) % 3
    table["FIBER"] = np.repeat(np.arange(len(targetid)) % 5000, 3)
    table["PETAL_LOC"] = table["FIBER"] // 500
    table["EXPTIME"] = 900
    return table


def write_tree(
    root: Path, n_files: int, n_targets: int, n_quasars: int, resolution: bool = True
) -> list[Path]:
    """Write a tree in the DR1 layout whose files have some quasars each; return the coadds."""
    (root / REDUCTION).mkdir(parents=True)
    tree = HealpixTree(open_source(str(root), AcquireSettings()))
    rng = np.random.default_rng(2)
    chosen, paths = [], []
    for pixel in range(n_files):
        first = FIRST_TARGETID + 100_000 * pixel
        path = root / tree.file("coadd", Shard("main", "dark", pixel)).path
        write_coadd(path, n_targets, first, resolution)
        paths.append(path)
        rows = np.sort(rng.choice(n_targets, n_quasars, replace=False))
        chosen += [(pixel, first + row) for row in rows]
    n = len(chosen)
    ra, dec = draw_positions(rng, np.array([pixel for pixel, _ in chosen]))
    columns = {
        "HEALPIX": ("K", [pixel for pixel, _ in chosen]),
        "TARGETID": ("K", [targetid for _, targetid in chosen]),
        "SURVEY": ("7A", ["main"] * n),
        "PROGRAM": ("6A", ["dark"] * n),
        "SPECTYPE": ("6A", ["QSO"] * n),
        "OBJTYPE": ("3A", ["TGT"] * n),
        "Z": ("D", rng.uniform(0.3, 3.8, n)),
        "ZWARN": ("K", np.zeros(n)),
        "TARGET_RA": ("D", ra),
        "TARGET_DEC": ("D", dec),
        "EBV": ("E", rng.uniform(0, 0.1, n)),
        "COADD_FIBERSTATUS": ("J", np.zeros(n)),
        "ZCAT_PRIMARY": ("L", np.ones(n, bool)),
    }
    fields = [fits.Column(name, form, array=values) for name, (form, values) in columns.items()]
    catalogue = root / tree.redshift_catalogue.path
    catalogue.parent.mkdir(parents=True)
    fits.BinTableHDU.from_columns(fields, name="ZCATALOG").writeto(catalogue)
    return paths
