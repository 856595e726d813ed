"""The footprint of a release: a MOC of the pixels that hold published objects."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from catalog_schema.columns.sample import healpix_29
from catalog_schema.desi import FINE_ORDER, HEALPIX_ORDER
from release.faces.face import Face, Manifest
from release.manifest import read_kind

FITS, JSON = "vo/footprint.moc.fits", "vo/footprint.moc.json"


def write(folder: Path, _: Manifest) -> None:
    """Write ``vo/footprint.moc.fits`` and ``.json`` (MOC 2.0) from the catalogue's positions."""
    from mocpy import MOC

    cells = _read_pixels(folder)
    order = np.uint8(HEALPIX_ORDER)
    moc = MOC.from_healpix_cells(cells, order, max_depth=order)
    (folder / FITS).parent.mkdir(exist_ok=True)
    moc.save(folder / FITS, format="fits")
    moc.save(folder / JSON, format="json")


def find_faults(folder: Path) -> list[str]:
    """Compare the pixels with those of the catalogue."""
    from mocpy import MOC

    expected = _read_pixels(folder)
    return [
        f"{name} has other pixels than the catalogue"
        for name, kind in ((FITS, "fits"), (JSON, "json"))
        if not np.array_equal(np.sort(MOC.load(folder / name, format=kind).flatten()), expected)
    ]


def _read_pixels(folder: Path) -> np.ndarray:
    source = folder / read_kind(folder).main_file
    cells = pq.read_table(source, columns=[healpix_29.name])[healpix_29.name].to_numpy()
    return np.unique(cells >> 2 * (FINE_ORDER - HEALPIX_ORDER)).astype(np.uint64)


FACE = Face(
    name="footprint",
    files=(FITS, JSON),
    paragraph="MOC of the pixels that hold objects, order 6.",
    write=write,
    not_read="it holds pixels, and no rows",
    find_faults=find_faults,
)
