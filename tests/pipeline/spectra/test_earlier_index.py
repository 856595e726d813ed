"""The index of earlier spectra: rows that are whole, each file once, pairs within the radius."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.coordinates import SkyCoord
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import UserError
from pipeline.settings.spectra import EarlierSettings
from pipeline.spectra.earlier_index import EarlierSpectra, match_spectra, read_index

SETTINGS = EarlierSettings()
ROWS = {
    "ra": [10.0, 20.0, 30.0, 40.0],
    "dec": [-5.0, 0.0, 5.0, 89.0],
    "mjd": [52000.0, 53000.5, 54000.0, 55000.0],
    "file": ["a.fits", "b.fits", "c.fits", "d/e.fits"],
}


def write(folder: Path, **columns: object) -> Path:
    path = folder / "index.parquet"
    pq.write_table(pa.table({**ROWS, **columns}), path)
    return path


def read(folder: Path, **columns: object) -> EarlierSpectra:
    return read_index(write(folder, **columns), SETTINGS)


def test_rows_come_in_the_order_of_the_index(tmp_path: Path) -> None:
    found = read(tmp_path)
    assert found.ra.tolist() == ROWS["ra"]
    assert found.dec.tolist() == ROWS["dec"]
    assert found.mjd.tolist() == ROWS["mjd"]
    assert found.file.tolist() == ROWS["file"]
    assert found.notes == ()


def test_columns_have_the_names_that_are_set(tmp_path: Path) -> None:
    path = tmp_path / "other.csv"
    path.write_text("plug_ra;plug_dec;day;name\n10,5;-5;52000,25;a.fits\n")
    settings = EarlierSettings(ra="plug_ra", dec="plug_dec", mjd="day", file="name")
    path.write_text(path.read_text().replace(",", ".").replace(";", ","))
    found = read_index(path, settings)
    assert (found.ra[0], found.mjd[0], found.file[0]) == (10.5, 52000.25, "a.fits")


@pytest.mark.parametrize(
    ("name", "value"),
    [("ra", None), ("dec", 91.0), ("mjd", None), ("file", None), ("file", ""), ("mjd", np.nan)],
)
def test_a_row_that_lacks_something_is_left_out_and_counted(
    tmp_path: Path, name: str, value: object
) -> None:
    values = list(ROWS[name])
    values[1] = value
    found = read(tmp_path, **{name: values})
    assert found.file.tolist() == ["a.fits", "c.fits", "d/e.fits"]
    assert found.ra.tolist() == [10.0, 30.0, 40.0]
    assert found.notes == ("index.parquet: 1 rows have no position, date or file",)


def test_of_rows_with_one_file_the_first_counts(tmp_path: Path) -> None:
    found = read(tmp_path, file=["b.fits", "a.fits", "b.fits", "a.fits"])
    assert found.file.tolist() == ["b.fits", "a.fits"]
    assert found.mjd.tolist() == [52000.0, 53000.5]
    assert found.notes == ("index.parquet: 2 rows repeat the file of another one",)


def test_a_row_that_is_left_out_repeats_nothing(tmp_path: Path) -> None:
    """The first whole row of a file counts."""
    found = read(tmp_path, file=["a.fits"] * 4, mjd=[None, 53000.0, 54000.0, 55000.0])
    assert found.mjd.tolist() == [53000.0]
    assert found.notes == (
        "index.parquet: 1 rows have no position, date or file",
        "index.parquet: 2 rows repeat the file of another one",
    )


def test_an_index_without_rows_is_said(tmp_path: Path) -> None:
    found = read(tmp_path, **{name: pa.array(values)[:0] for name, values in ROWS.items()})
    assert len(found.ra) == len(found.file) == 0
    assert found.notes == ("index.parquet: the index has no rows",)


@pytest.mark.parametrize("row", range(4))
def test_a_single_absolute_path_is_refused(tmp_path: Path, row: int) -> None:
    names = list(ROWS["file"])
    names[row] = "/data/" + names[row]
    with pytest.raises(UserError, match="file holds absolute paths; give paths") as caught:
        read(tmp_path, file=names)
    assert "\n" not in str(caught.value)


def make_index(ra: np.ndarray, dec: np.ndarray) -> EarlierSpectra:
    names = np.array([f"{k}.fits" for k in range(len(ra))], object)
    return EarlierSpectra(ra, dec, 50_000.0 + np.arange(len(ra)), names, ())


def make_objects(ra: list, dec: list) -> pa.Table:
    positions = (pa.array(values, pa.float64()) for values in (ra, dec))
    columns = dict(zip(("TARGET_RA", "TARGET_DEC"), positions, strict=True))
    columns["TARGETID"] = list(range(len(ra)))
    return pa.table(columns | {"word": [f"w{k}" for k in range(len(ra))]})


@given(seed=st.integers(0, 99), dec=st.sampled_from([0.0, 45.0, -80.0, 89.99]))
def test_pairs_are_those_within_the_radius(seed: int, dec: float) -> None:
    rng = np.random.default_rng(seed)
    step = 1 / 3600
    ra = (rng.uniform(-3, 3, 12) * step / np.cos(np.radians(dec))) % 360
    height = dec + rng.uniform(-3, 3, 12) * step
    objects = make_objects(ra[:5].tolist(), height[:5].tolist())
    found = match_spectra(objects, make_index(ra[5:], height[5:]), 2.0)
    places = SkyCoord(ra, height, unit="deg")
    wanted = {
        (i, f"{j}.fits"): places[i].separation(places[5 + j]).arcsec
        for i in range(5)
        for j in range(7)
    }
    wanted = {pair: separation for pair, separation in wanted.items() if separation <= 2.0}
    pairs = zip(found["TARGETID"].to_pylist(), found["earlier_file"].to_pylist(), strict=True)
    separations = dict(zip(pairs, found["separation"].to_pylist(), strict=True))
    assert separations == pytest.approx(wanted, abs=1e-6)


def test_a_pair_has_the_columns_of_both(tmp_path: Path) -> None:
    objects = make_objects([30.0, 10.0, 10.0], [5.0, -5.0, -6.0])
    found = match_spectra(objects, read(tmp_path), 1.0)
    rows = {row["TARGETID"]: row for row in found.to_pylist()}
    assert rows.keys() == {0, 1}
    assert (rows[0]["earlier_file"], rows[0]["earlier_mjd"], rows[0]["word"]) == (
        "c.fits",
        54000.0,
        "w0",
    )
    assert (rows[1]["earlier_file"], rows[1]["earlier_mjd"]) == ("a.fits", 52000.0)


def test_an_object_without_a_position_has_no_pair_and_moves_no_other() -> None:
    index = make_index(np.array([0.0, 7.0]), np.array([0.0, 7.0]))
    objects = make_objects([None, 7.0, np.nan, 0.0], [0.0, 7.0, 0.0, None])
    found = match_spectra(objects, index, 1.0)
    assert found["TARGETID"].to_pylist() == [1]
    assert found["earlier_file"].to_pylist() == ["1.fits"]


@pytest.mark.parametrize("n_earlier", [0, 2])
def test_nothing_to_pair_is_a_table_without_rows(n_earlier: int) -> None:
    index = make_index(np.full(n_earlier, 100.0), np.zeros(n_earlier))
    for ra in ([], [10.0]):
        found = match_spectra(make_objects(ra, ra), index, 1.0)
        assert found.num_rows == 0
        assert {"earlier_file", "earlier_mjd", "separation"} <= set(found.column_names)
