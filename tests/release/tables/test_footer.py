"""Every reader that the README names opens every table, with its units and descriptions."""

import json
import warnings
from pathlib import Path

import astropy.units as u
import duckdb
import polars as pl
import pyarrow.parquet as pq
import pytest
from astropy.io.votable import ucd
from astropy.table import Table

from catalog_schema import kinds

FILES = kinds.SPECTRA.files

PATHS = pytest.mark.parametrize("name", FILES)


def read_votable(path: Path) -> Table:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", u.UnitsWarning)
        return Table.read(path, format="parquet.votable")


@PATHS
def test_astropy(released: Path, name: str) -> None:
    rows = read_votable(released / name)
    assert rows.colnames == FILES[name].names
    assert len(rows) == pq.read_metadata(released / name).num_rows
    for column in FILES[name].columns:
        assert rows[column.name].description == column.description
        assert rows[column.name].meta["ucd"] == column.ucd
        assert bool(rows[column.name].unit) == bool(column.unit)
        assert ucd.check_ucd(column.ucd, check_controlled_vocabulary=True)


def test_units_are_the_right_ones(released: Path) -> None:
    quasars = read_votable(released / "catalog" / "quasars.parquet")
    assert quasars["TARGET_RA"].unit == u.deg
    assert quasars["flux_g"].unit == u.nJy
    assert quasars["norm"].unit == 1e-17 * u.erg / u.s / u.cm**2 / u.AA


def test_strings_are_whole(released: Path) -> None:
    rows = read_votable(released / "catalog" / "quasars.parquet")
    names = pl.read_parquet(released / "catalog" / "quasars.parquet")
    assert list(rows["PROGRAM"]) == names["PROGRAM"].to_list()
    assert list(rows["SPECTYPE"]) == [str(value) for value in names["SPECTYPE"]]


@PATHS
def test_duckdb_and_polars(released: Path, name: str) -> None:
    path = released / name
    rows = pl.read_parquet(path)
    with duckdb.connect() as connection:
        count, columns = (
            connection.sql(f"FROM '{path}'").count("*"),
            FILES[name].names,
        )
        assert count.fetchall() == [(rows.height,)]
        assert connection.sql(f"FROM '{path}'").columns == columns
    assert rows.columns == columns


def test_fields_carry_metadata(released: Path) -> None:
    schema = pq.read_schema(released / "catalog" / "quasars.parquet")
    field = schema.field("TARGET_RA")
    assert field.metadata[b"unit"] == b"deg"
    assert not schema.field("TARGETID").nullable
    assert b"Tohono O\xe2\x80\x99odham" in schema.metadata[b"acknowledgement"]


def test_latent_keeps_its_size(released: Path) -> None:
    schema = pq.read_schema(released / "catalog" / "quasars.parquet")
    assert schema.field("latent").type.list_size == 5


def test_spectra_layout(released: Path) -> None:
    file = pq.ParquetFile(released / "spectra" / "spectra.parquet")
    assert file.metadata.row_group(0).num_rows <= 64
    wavelength = json.loads(file.schema_arrow.metadata[b"wavelength"])
    assert (wavelength["start"], wavelength["step"], wavelength["size"]) == (3600.0, 0.8, 7781)
