"""The FITS table holds the graded rows, value by value, and verifies."""

import warnings
from pathlib import Path

import polars as pl
from astropy.io import fits
from astropy.table import Table
from graded_rows import assert_same

from catalog_schema.tables import QUASARS


def test_fits(released: Path, anomalies: pl.DataFrame) -> None:
    path = released / "vo" / "anomalies.fits"
    with warnings.catch_warnings():
        warnings.simplefilter("error", fits.verify.VerifyWarning)
        with fits.open(path, checksum=True) as hdus:
            hdus.verify("exception")
            header = hdus[1].header
    assert_same(Table.read(path), anomalies)
    assert header["TCOMM4"] == QUASARS.columns[3].description
    assert header["TUCD4"] == QUASARS.columns[3].ucd
