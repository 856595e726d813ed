"""Writes one set of spectra in every layout of DESI's tree."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from desi_tree import Rows, write_coadd, write_table
from numpy.typing import NDArray

from pipeline.lake.layout import Shard
from pipeline.science.sky import find_cells
from pipeline.settings.transport import AcquireSettings
from pipeline.spectra.desi.tree import DesiTree, HealpixTree, TileTree, UniqpixTree
from pipeline.transport.sources import open_source

TILE, NIGHT = 80605, "20210205"
# Columns of a redshift catalogue of version 2 that are in files of their own.
_APART = {
    "ZCATALOG_IMAGING": ("EBV", "FLUX_G"),
    "ZCATALOG_EXTRA": ("Z", "ZERR", "ZWARN", "SPECTYPE", "DELTACHI2"),
}
Write = Callable[[Path, NDArray, NDArray, NDArray], Path]


def open_tree(tree: type[DesiTree], root: Path, specprod: str) -> DesiTree:
    return tree(open_source(str(root), AcquireSettings()), specprod)


def find_uniqpix(rows: Rows) -> NDArray[np.int64]:
    """Return pixels of nside 128 where Dec is high, else of nside 32, as UNIQPIX."""
    order = np.where(rows["TARGET_DEC"] > np.median(rows["TARGET_DEC"]), 7, 5)
    cells = [
        find_cells(rows["TARGET_RA"][k : k + 1], rows["TARGET_DEC"][k : k + 1], int(order[k]))[0]
        for k in range(len(order))
    ]
    return np.array(cells, np.int64) + 4 * 4**order


def write_exposures(path: Path, targetid: NDArray, flux: NDArray, ivar: NDArray) -> Path:
    """Write two exposures of each target, and a third by an unusable fibre, as a spectra file."""
    n = len(targetid)
    every = np.tile(np.arange(n), 3)
    exposure = np.repeat([11, 12, 13], n)
    shares = np.repeat([0.25, 0.75, 9.0], n)[:, None]
    noise = np.repeat([0.0, 0.0, 100.0], n)[:, None]
    fibermap = {
        "TARGETID": np.asarray(targetid, np.int64)[every],
        "EXPID": exposure,
        "FIBERSTATUS": np.repeat([0, 8, 1 << 16], n),
        "NIGHT": np.full(3 * n, 20210101),
        "PETAL_LOC": np.full(3 * n, 4),
        "FIBER": every,
        "EXPTIME": np.full(3 * n, 900.0),
    }
    path = path.with_name(path.name.replace("coadd-", "spectra-"))
    return write_coadd(path, targetid, flux[every] + noise, shares * ivar[every], fibermap=fibermap)


def write_healpix(root: Path, rows: Rows, flux: NDArray, ivar: NDArray, write: Write) -> DesiTree:
    """Write DR1's layout with DR2's catalogue: the reduction loa."""
    tree = open_tree(HealpixTree, root, "loa")
    _write_parts(tree, rows)
    return _write_files(tree, rows, rows["HEALPIX"], flux, ivar, write)


def write_iron(root: Path, rows: Rows, flux: NDArray, ivar: NDArray, write: Write) -> DesiTree:
    """Write DR1's layout."""
    tree = open_tree(HealpixTree, root, "iron")
    write_table(root / tree.redshift_catalogue.path, ZCATALOG=rows)
    return _write_files(tree, rows, rows["HEALPIX"], flux, ivar, write)


def write_uniqpix(root: Path, rows: Rows, flux: NDArray, ivar: NDArray, write: Write) -> DesiTree:
    """Write the layout of the reduction matterhorn."""
    tree = open_tree(UniqpixTree, root, "matterhorn")
    numbers = find_uniqpix(rows)
    _write_parts(tree, rows | {"UNIQPIX": numbers})
    return _write_files(tree, rows, numbers, flux, ivar, write)


def write_tiles(root: Path, rows: Rows, flux: NDArray, ivar: NDArray, write: Write) -> DesiTree:
    """Write two petals of one tile, whose files of an earlier last night are there, too."""
    tree = open_tree(TileTree, root, "loa")
    petal = np.arange(len(rows["TARGETID"])) % 2
    n = len(petal)
    _write_parts(tree, rows | {"TILEID": np.full(n, TILE), "PETAL_LOC": petal})
    tiles = {"TILEID": np.array([TILE]), "SURVEY": np.array(["main"])}
    path = root / tree.reduction / "tiles-loa.fits"
    write_table(path, TILE_COMPLETENESS=tiles | {"PROGRAM": np.array(["dark"])})
    for night in ("20201231", NIGHT):
        folder = root / tree.reduction / f"tiles/cumulative/{TILE}/{night}"
        folder.mkdir(parents=True)
        (folder / f"coadd-0-{TILE}-thru{night}.fits").touch()
    _write_files(tree, rows, 10 * TILE + petal, flux, ivar, write)
    for empty in root.rglob("coadd-*"):
        if not empty.stat().st_size:
            empty.unlink()
    return tree


LAYOUTS: dict[str, Callable[[Path, Rows, NDArray, NDArray, Write], DesiTree]] = {
    "iron": write_iron,
    "loa": write_healpix,
    "uniqpix": write_uniqpix,
    "tiles": write_tiles,
}
KINDS: dict[str, Write] = {"coadd": write_coadd, "spectra": write_exposures}


def _write_parts(tree: DesiTree, rows: Rows) -> None:
    parts = {name: {n: rows[n] for n in ("TARGETID", *names)} for name, names in _APART.items()}
    apart = {name for names in _APART.values() for name in names}
    parts["ZCATALOG"] = {name: values for name, values in rows.items() if name not in apart}
    for hdu, file in tree.catalogue_parts.items():
        write_table(Path(str(file)), **{hdu: parts[hdu]})


def _write_files(
    tree: DesiTree, rows: Rows, numbers: NDArray, flux: NDArray, ivar: NDArray, write: Write
) -> DesiTree:
    for number in np.unique(numbers).tolist():
        here = numbers == number
        path = Path(str(tree.file("coadd", Shard("main", "dark", number))))
        write(path, rows["TARGETID"][here], flux[here], ivar[here])
    return tree
