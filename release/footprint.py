"""The footprint of a release: a MOC of the pixels that hold published objects."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

# Order of the pixels by which DESI groups its spectra (nside 64, NESTED, ICRS).
_ORDER = 6


def write_footprint(folder: Path) -> None:
    """Write vo/footprint.moc.fits and .json (MOC 2.0) from catalog/quasars.parquet.

    Parameters
    ----------
    folder : Path
        The release.
    """
    from mocpy import MOC

    pixels = pq.read_table(folder / "catalog" / "quasars.parquet", columns=["HEALPIX"])["HEALPIX"]
    cells = np.unique(pixels.to_numpy()).astype(np.uint64)
    moc = MOC.from_healpix_cells(cells, np.uint8(_ORDER), max_depth=np.uint8(_ORDER))
    (folder / "vo").mkdir(exist_ok=True)
    moc.save(folder / "vo" / "footprint.moc.fits", format="fits")
    moc.save(folder / "vo" / "footprint.moc.json", format="json")
