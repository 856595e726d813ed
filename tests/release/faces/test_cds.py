"""The fixed-width table and its ReadMe hold the graded rows, value by value."""

import warnings
from pathlib import Path

import astropy.units as u
import polars as pl
import pytest
from astropy.io import ascii as tables
from graded_rows import assert_same

from catalog_schema.tables import QUASARS
from release.faces import cds
from release.faces.astropy_table import to_ascii
from release.manifest import read_json


@pytest.fixture(autouse=True)
def _desi_units() -> None:
    warnings.simplefilter("ignore", u.UnitsWarning)


@pytest.fixture
def anomalies(released: Path) -> pl.DataFrame:
    return pl.read_parquet(released / "catalog" / "anomalies.parquet")


def test_cds(released: Path, anomalies: pl.DataFrame) -> None:
    folder = released / "cds"
    rows = tables.read(folder / "anomalies.dat", format="cds", readme=str(folder / "ReadMe"))
    assert rows.colnames == [column.name for column in QUASARS.scalars]
    assert_same(rows, anomalies)
    for column in QUASARS.scalars:
        found = " ".join(rows[column.name].description.split()).removeprefix("? ")
        assert found == to_ascii(column.description)
    assert rows["flux_g"].unit == u.nJy
    assert max(map(len, (folder / "ReadMe").read_text(encoding="ascii").splitlines())) <= 80


def test_nothing_graded_is_an_empty_file(released: Path, tmp_path: Path) -> None:
    (tmp_path / "catalog").mkdir()
    rows = pl.read_parquet(released / "catalog" / "anomalies.parquet").clear()
    rows.write_parquet(tmp_path / "catalog" / "anomalies.parquet")
    cds.write(tmp_path, read_json(released / "manifest.json"))
    assert (tmp_path / "cds" / "anomalies.dat").read_bytes() == b""
