"""The faces for astronomers' programs hold the graded rows, value by value, and lint clean."""

import io
import shutil
import subprocess
import warnings
from pathlib import Path

import astropy.units as u
import numpy as np
import polars as pl
import pytest
from astropy.io import ascii as tables
from astropy.io import fits, votable
from astropy.table import Table

from catalog_schema.tables import QUASARS
from release.faces.cds import write_cds
from release.faces.votable import to_ascii, write_vo
from release.manifest import read_json


@pytest.fixture(autouse=True)
def _desi_units() -> None:
    warnings.simplefilter("ignore", u.UnitsWarning)


@pytest.fixture
def anomalies(released: Path) -> pl.DataFrame:
    return pl.read_parquet(released / "catalog" / "anomalies.parquet")


def assert_same(found: Table, rows: pl.DataFrame) -> None:
    """Every value and every null of the scalar columns."""
    for column in QUASARS.scalars:
        values, expected = np.ma.asarray(found[column.name]), rows[column.name]
        is_null = expected.is_null().to_numpy()
        if expected.dtype == pl.String:
            texts = [str(text).strip() for text in values.filled("")]
            assert texts == [to_ascii(text) for text in expected.to_list()], column.name
            continue
        known = values[~is_null]
        assert not np.ma.getmaskarray(known).any(), column.name
        filled = np.asarray(known).astype(expected.to_numpy().dtype)
        assert np.array_equal(filled, expected.drop_nulls().to_numpy()), column.name
        assert np.ma.getmaskarray(np.ma.masked_invalid(values))[is_null].all(), column.name


def test_votable(released: Path, anomalies: pl.DataFrame) -> None:
    path = released / "vo" / "anomalies.vot"
    report = io.StringIO()
    votable.validate(str(path), output=report)
    parsed = votable.parse_single_table(path, verify="exception")
    rows = parsed.to_table()
    assert_same(rows, anomalies)
    assert "E0" not in report.getvalue()
    assert [field.ucd for field in parsed.fields] == [column.ucd for column in QUASARS.columns]
    assert rows["TARGET_RA"].unit == u.deg
    assert np.array_equal(rows["latent"], np.stack(anomalies["latent"].to_list()))


@pytest.mark.skipif(not shutil.which("stilts"), reason="Debian: apt-get install stilts")
@pytest.mark.parametrize(
    "command", [["stilts", "votlint", "vo/anomalies.vot"], ["sh", "examples/open_stilts.sh"]]
)
def test_stilts(released: Path, anomalies: pl.DataFrame, command: list[str]) -> None:
    done = subprocess.run(command, cwd=released, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    is_linted = command[1] == "votlint"
    assert (done.stdout == "") == is_linted
    assert is_linted or str(anomalies["TARGETID"][0]) in done.stdout


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


def test_strange_text_and_numbers(released: Path, tmp_path: Path) -> None:
    rows = pl.read_parquet(released / "catalog" / "anomalies.parquet")
    names = ['<b>Ünïcode</b>\nnew line\tand "quotes"', *[""] * (rows.height - 1)]
    scores = [1e-30, 3.4e38, *rows["anomaly_score"].to_list()[2:]]
    rows = rows.with_columns(
        pl.Series("DESINAME", names),
        pl.Series("anomaly_score", scores, pl.Float32),
        pl.lit(None, pl.Int64).alias("ZWARN"),
    )
    (tmp_path / "catalog").mkdir()
    rows.write_parquet(tmp_path / "catalog" / "anomalies.parquet")
    manifest = read_json(released / "manifest.json")
    write_vo(tmp_path, manifest)
    write_cds(tmp_path, manifest)
    folder = tmp_path / "cds"
    read = tables.read(folder / "anomalies.dat", format="cds", readme=str(folder / "ReadMe"))
    assert_same(read, rows)
    assert_same(Table.read(tmp_path / "vo" / "anomalies.fits"), rows)
    whole = votable.parse_single_table(tmp_path / "vo" / "anomalies.vot").to_table()
    assert str(whole["DESINAME"][0]) == names[0]


def test_nothing_graded(released: Path, tmp_path: Path) -> None:
    (tmp_path / "catalog").mkdir()
    rows = pl.read_parquet(released / "catalog" / "anomalies.parquet").clear()
    rows.write_parquet(tmp_path / "catalog" / "anomalies.parquet")
    manifest = read_json(released / "manifest.json")
    write_vo(tmp_path, manifest)
    write_cds(tmp_path, manifest)
    assert len(Table.read(tmp_path / "vo" / "anomalies.fits")) == 0
    assert (tmp_path / "cds" / "anomalies.dat").read_text() == ""
