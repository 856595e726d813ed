"""Where a catalogue covers the sky: a MOC and limits in declination and Galactic coordinates."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import UserError, first_line
from pipeline.settings.context import CatalogueSettings


def find_covered(
    ra: NDArray, dec: NDArray, catalogue: CatalogueSettings, moc: Path | None
) -> NDArray[np.bool_]:
    """Say which positions (ICRS, degrees, finite) the catalogue covers, shape (n,).

    Raises
    ------
    UserError
        If the MOC file cannot be read.
    """
    covered = (dec >= catalogue.dec_min) & (dec <= catalogue.dec_max)
    if _has_galactic_limit(catalogue):
        covered &= _find_inside_galactic(ra, dec, catalogue)
    if moc is not None:
        covered &= _find_inside_moc(ra, dec, moc)
    return covered


def describe_coverage(catalogue: CatalogueSettings) -> str:
    """Say the rule in words."""
    words = [f"inside the MOC {Path(catalogue.moc).name}"] if catalogue.moc else []
    if (catalogue.dec_min, catalogue.dec_max) != (-90, 90):
        words.append(f"declination {catalogue.dec_min:g} to {catalogue.dec_max:g} deg")
    if catalogue.galactic_latitude_min:
        words.append(f"|b| from {catalogue.galactic_latitude_min:g} deg")
    limits = catalogue.galactic_longitude_min, catalogue.galactic_longitude_max
    if limits != (0, 360):
        words.append(f"Galactic longitude {limits[0]:g} to {limits[1]:g} deg")
    return ", ".join(words) or "whole sky"


def _has_galactic_limit(catalogue: CatalogueSettings) -> bool:
    limits = catalogue.galactic_longitude_min, catalogue.galactic_longitude_max
    return bool(catalogue.galactic_latitude_min) or limits != (0, 360)


def _find_inside_galactic(
    ra: NDArray, dec: NDArray, catalogue: CatalogueSettings
) -> NDArray[np.bool_]:
    from astropy.coordinates import SkyCoord

    galactic = SkyCoord(ra, dec, unit="deg").galactic
    lon = galactic.l.deg
    inside = np.abs(galactic.b.deg) >= catalogue.galactic_latitude_min
    low, high = catalogue.galactic_longitude_min, catalogue.galactic_longitude_max
    # Limits that cross longitude 0 come in falling order.
    within = (lon >= low) & (lon <= high) if low <= high else (lon >= low) | (lon <= high)
    return inside & within


def _find_inside_moc(ra: NDArray, dec: NDArray, path: Path) -> NDArray[np.bool_]:
    from astropy.coordinates import Latitude, Longitude
    from mocpy import MOC

    try:
        moc = MOC.load(path, format="json" if path.suffix == ".json" else "fits")
    # The reader raises errors of several libraries, some of its own making.
    except Exception as error:
        raise UserError(
            f"MOC {path}: cannot be read ({first_line(error)}); give a MOC in FITS or JSON"
        ) from None
    return moc.contains_lonlat(Longitude(ra, "deg"), Latitude(dec, "deg"))
