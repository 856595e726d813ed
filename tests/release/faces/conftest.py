"""What the tests of several faces use."""

import warnings
from pathlib import Path

import astropy.units as u
import polars as pl
import pytest


@pytest.fixture(autouse=True)
def _desi_units() -> None:
    """Let astropy read units that its standards do not have."""
    warnings.simplefilter("ignore", u.UnitsWarning)


@pytest.fixture
def anomalies(released: Path) -> pl.DataFrame:
    """Return the graded rows of the release."""
    return pl.read_parquet(released / "catalog" / "anomalies.parquet")
