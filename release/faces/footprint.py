"""The footprint of a release: a MOC of the pixels that hold published objects."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from catalog_schema import contents
from catalog_schema.desi import HEALPIX_ORDER


def write_footprint(folder: Path) -> None:
    """Write vo/footprint.moc.fits and .json (MOC 2.0) from catalog/quasars.parquet.

    Parameters
    ----------
    folder : Path
        The release.
    """
    from mocpy import MOC

    pixels = pq.read_table(folder / contents.QUASARS, columns=["HEALPIX"])["HEALPIX"]
    cells = np.unique(pixels.to_numpy()).astype(np.uint64)
    order = np.uint8(HEALPIX_ORDER)
    moc = MOC.from_healpix_cells(cells, order, max_depth=order)
    (folder / "vo").mkdir(exist_ok=True)
    moc.save(folder / "vo" / "footprint.moc.fits", format="fits")
    moc.save(folder / "vo" / "footprint.moc.json", format="json")
