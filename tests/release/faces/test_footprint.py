"""The footprint is the pixels of the catalogue, and its check finds any other."""

from collections.abc import Callable
from pathlib import Path

import astropy.units as u
import numpy as np
import polars as pl
import pytest
from mocpy import MOC

from release.faces import footprint


def test_footprint(released: Path) -> None:
    rows = pl.read_parquet(released / "catalog" / "quasars.parquet")
    moc = MOC.from_fits(released / "vo" / "footprint.moc.fits")
    assert moc == MOC.load(released / "vo" / "footprint.moc.json", format="json")
    assert moc == MOC.from_lonlat(
        rows["TARGET_RA"].to_numpy() * u.deg, rows["TARGET_DEC"].to_numpy() * u.deg, max_norder=6
    )


@pytest.mark.parametrize("name", footprint.FACE.files)
@pytest.mark.parametrize("change", [lambda cells: cells[1:], lambda cells: [*cells, 7]])
def test_other_pixels_are_found(released: Path, name: str, change: Callable[..., object]) -> None:
    assert footprint.find_faults(released) == []
    rows = pl.read_parquet(released / "catalog" / "quasars.parquet")
    pixels = np.unique(rows["_healpix_29"].to_numpy() >> 46)
    cells = np.array(change(pixels), dtype=np.uint64)
    order = np.uint8(6)
    (released / name).unlink()
    other = MOC.from_healpix_cells(cells, order, max_depth=order)
    other.save(released / name, format=Path(name).suffix[1:])
    assert footprint.find_faults(released) == [f"{name} has other pixels than the catalogue"]
