"""Where a catalogue covers the sky: limits, a MOC, all of them together, and the rule in words."""

from pathlib import Path

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from hypothesis import given
from hypothesis import strategies as st
from mocpy import MOC

from pipeline.context.catalogues.coverage import describe_coverage, find_covered
from pipeline.errors import UserError
from pipeline.science.sky import find_cells
from pipeline.settings.context import CatalogueSettings

RNG = np.random.default_rng(0)
RA, DEC = RNG.uniform(0, 360, 300), np.degrees(np.arcsin(RNG.uniform(-1, 1, 300)))
GALACTIC = SkyCoord(RA, DEC, unit="deg").galactic
LON, LAT = GALACTIC.l.deg, GALACTIC.b.deg


@given(
    dec=st.tuples(st.floats(-90, 90), st.floats(-90, 90)).map(sorted),
    lat=st.floats(0, 80),
    low=st.floats(0, 360),
    high=st.floats(0, 360),
)
def test_limits_hold_together_and_longitudes_may_cross_zero(
    dec: list, lat: float, low: float, high: float
) -> None:
    settings = CatalogueSettings(
        dec_min=dec[0],
        dec_max=dec[1],
        galactic_latitude_min=lat,
        galactic_longitude_min=low,
        galactic_longitude_max=high,
    )
    for ra_, dec_, lon, b, found in zip(
        RA, DEC, LON, LAT, find_covered(RA, DEC, settings, None), strict=True
    ):
        turned = (lon - low) % 360 <= (high - low) % 360 or (low, high) == (0, 360)
        assert found == (dec[0] <= dec_ <= dec[1] and abs(b) >= lat and turned), (ra_, dec_)


@pytest.mark.parametrize("suffix", ["fits", "json"])
def test_a_moc_covers_its_cells_and_nothing_else(tmp_path: Path, suffix: str) -> None:
    cells = find_cells(RA, DEC, 3)
    kept = np.unique(cells)[::3]
    path = tmp_path / f"a.{suffix}"
    moc = MOC.from_healpix_cells(kept.astype(np.uint64), np.full(len(kept), 3, np.uint8), 3)
    moc.save(path, format=suffix)
    found = find_covered(RA, DEC, CatalogueSettings(), path)
    np.testing.assert_array_equal(found, np.isin(cells, kept))
    limited = find_covered(RA, DEC, CatalogueSettings(dec_min=0), path)
    np.testing.assert_array_equal(limited, found & (DEC >= 0))


def test_what_is_no_moc_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.fits").write_text("no MOC")
    with pytest.raises(UserError, match=r"a\.fits: cannot be read .* give a MOC in FITS or JSON"):
        find_covered(RA, DEC, CatalogueSettings(), tmp_path / "a.fits")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "whole sky"),
        ({"dec_min": -30}, "declination -30 to 90 deg"),
        ({"dec_max": 20.5}, "declination -90 to 20.5 deg"),
        ({"galactic_latitude_min": 10}, "|b| from 10 deg"),
        ({"galactic_longitude_max": 180}, "Galactic longitude 0 to 180 deg"),
        (
            {"moc": "/somewhere/a.fits", "dec_min": 0, "galactic_longitude_min": 300},
            "inside the MOC a.fits, declination 0 to 90 deg, Galactic longitude 300 to 360 deg",
        ),
    ],
)
def test_the_rule_is_said_in_words(settings: dict, words: str) -> None:
    assert describe_coverage(CatalogueSettings(**settings)) == words
