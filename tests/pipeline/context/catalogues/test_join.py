"""The index and the join: equal to brute force, and honest about bad rows."""

import gzip
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.table import MaskedColumn, Table
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.context.catalogues.index import IndexFacts, build_index
from pipeline.context.catalogues.join import find_pairs, read_sources
from pipeline.context.science.match import measure_separations, offset
from pipeline.errors import UserError
from pipeline.settings.context import CatalogueSettings

EPOCH = 2015.5


def index(path: Path | list[Path], **settings: object) -> tuple[Path, IndexFacts]:
    paths = path if isinstance(path, list) else [path]
    out = paths[0].with_name("index.parquet")
    out.unlink(missing_ok=True)
    return out, build_index(paths, CatalogueSettings(**settings), EPOCH, 500, out)


def write(folder: Path, **columns: object) -> Path:
    path = folder / "catalogue.parquet"
    pq.write_table(pa.table(columns), path)
    return path


def read(path: Path) -> list[dict]:
    return pq.read_table(path).sort_by("row").to_pylist()


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    radius=st.sampled_from([0.1, 2.0, 5.0, 40.0, 180.0]),
    centre=st.sampled_from(
        [
            (0.0, 0.0),
            (359.9999, 30.0),
            (12.0, 90.0),
            (77.0, -90.0),
            (45.0, 41.8103148957786),
            (90.0, 0.0),
            (180.0, -41.8103148957786),
        ]
    ),
)
def test_pairs_are_those_of_brute_force(
    seed: int, radius: float, centre: tuple, tmp_path_factory: pytest.TempPathFactory
) -> None:
    rng = np.random.default_rng(seed)
    # Crowded around one point of the sky, so that most distances are near the radius.
    places = [
        offset(
            np.full(60, centre[0]),
            np.full(60, centre[1]),
            2 * radius * np.sqrt(rng.random(60)) / 3600,
            rng.uniform(0, 7, 60),
        )
        for _ in range(2)
    ]
    (ra, dec), (other_ra, other_dec) = places
    path = write(tmp_path_factory.mktemp("sky"), ra=other_ra, dec=other_dec)
    out, facts = index(path)
    pairs = find_pairs(out, ra, dec, radius)
    names = read_sources(out, pairs.source, ["row"])["row"].to_pylist()
    found = set(zip(pairs.position.tolist(), names, strict=True))
    first, second = np.divmod(np.arange(3600), 60)
    gap = measure_separations(ra[first], dec[first], other_ra[second], other_dec[second])
    inside = gap <= radius
    assert facts.n_sources == 60
    assert found == set(zip(first[inside].tolist(), second[inside].tolist(), strict=True))
    assert len(found) == len(pairs.position)
    assert np.all(np.diff(pairs.position) >= 0)


def test_a_crowded_field_loses_no_pair(tmp_path: Path) -> None:
    # More pairs than are measured at a time, in one cell.
    ra, dec = np.full(1500, 10.0), np.linspace(0, 1e-6, 1500)
    out, _ = index(write(tmp_path, ra=ra, dec=dec))
    pairs = find_pairs(out, ra, dec, 1.0)
    assert np.array_equal(np.bincount(pairs.position), np.full(1500, 1500))
    assert np.array_equal(np.bincount(pairs.source), np.full(1500, 1500))
    assert len(find_pairs(out, ra - 1, dec, 1.0).position) == 0


def test_bad_positions_and_repeated_rows_are_counted(tmp_path: Path) -> None:
    ra = [10.0, np.nan, 20.0, 20.0, 20.0, 400.0, None, -5.0]
    dec = [0.0, 1.0, 5.0, 5.0, 5.0, 0.0, 2.0, 91.0]
    path = write(tmp_path, ra=ra, dec=dec, name=["a", "b", "c", "c", "d", "e", "f", "g"])
    out, facts = index(path, id="name")
    assert (facts.n_sources, facts.n_bad_positions, facts.n_duplicates) == (3, 4, 1)
    assert [row["match_id"] for row in read(out)] == ["a", "c", "d"]


def test_rows_without_identifier_are_named_by_number(tmp_path: Path) -> None:
    out, _ = index(write(tmp_path, ra=[10.0, -1.0], dec=[0.0, 0.0]))
    assert [(row["match_id"], row["ra"]) for row in read(out)] == [
        ("row 1", 10.0),
        ("row 2", 359.0),
    ]


def test_degrees_and_sexagesimal_angles_as_text_are_read(tmp_path: Path) -> None:
    path = write(tmp_path, ra=["10.5 ", "", " 11"], dec=["-3", "4", " +5e0"])
    out, facts = index(path)
    assert [(row["ra"], row["dec"]) for row in read(out)] == [(10.5, -3.0), (11.0, 5.0)]
    assert facts.n_bad_positions == 1
    out, _ = index(write(tmp_path, ra=["10", "12:30:00"], dec=["1", "-00:30:00"]))
    assert [(row["ra"], row["dec"]) for row in read(out)] == [(10.0, 1.0), (187.5, -0.5)]
    for values, fault in ((["1", "+-2"], "is no number"), ([[1.0], [2.0]], "holds arrays")):
        with pytest.raises(UserError, match=f"column dec.* {fault}"):
            index(write(tmp_path, ra=[1.0, 2.0], dec=values))


def test_nothing_valid_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="none of 2 rows has a valid position in ra and dec"):
        index(write(tmp_path, ra=[720.0, 1e9], dec=[100.0, 0.0]))


def test_missing_column_names_the_nearest(tmp_path: Path) -> None:
    path = write(tmp_path, RA_J2000=[1.0], dec=[1.0])
    with pytest.raises(UserError, match=r"no column 'RAJ2000'; did you mean 'RA_J2000'"):
        index(path, ra="RAJ2000")


@pytest.mark.parametrize("suffix", ["fits", "vot", "csv", "csv.gz", "parquet"])
def test_formats_give_the_same_index(tmp_path: Path, suffix: str) -> None:
    table = Table(
        {
            "name": ["one", "two", "three"],
            "ra": [1.0, 2.0, 3.0],
            "dec": [4.0, 5.0, 6.0],
            "mag": np.array([20.5, np.nan, 19.0]),
            "n": [1, 2, 3],
        }
    )
    path = tmp_path / f"catalogue.{suffix}"
    if suffix == "parquet":
        pq.write_table(pa.table({name: list(table[name]) for name in table.colnames}), path)
    elif suffix.startswith("csv"):
        text = "name,ra,dec,mag,n\none,1,4,20.5,1\ntwo,2,5,,2\nthree,3,6,19.0,3\n"
        path.write_bytes(gzip.compress(text.encode()) if suffix.endswith("gz") else text.encode())
    else:
        table["ra"].unit = table["dec"].unit = "deg"
        table.write(path, format="votable" if suffix == "vot" else "fits")
    out, facts = index(path, id="name", keep=["mag", "n"])
    rows = [(row["match_id"], row["ra"], json.loads(row["attributes"])) for row in read(out)]
    assert rows == [
        ("one", 1.0, {"mag": 20.5, "n": 1}),
        ("two", 2.0, {"n": 2}),
        ("three", 3.0, {"mag": 19.0, "n": 3}),
    ]
    assert facts.notes == ()


def test_units_of_the_file_count_and_their_absence_is_told(tmp_path: Path) -> None:
    table = Table({"ra": [0.5], "dec": [0.25]})
    table.write(tmp_path / "bare.fits")
    out, facts = index(tmp_path / "bare.fits")
    assert "column ra has no unit: taken as degrees" in facts.notes[0]
    out, facts = index(tmp_path / "bare.fits", position_unit="rad")
    assert np.isclose(read(out)[0]["ra"], np.degrees(0.5))
    table["ra"].unit, table["dec"].unit = "deg", "Jy"
    table.write(tmp_path / "wrong.fits")
    with pytest.raises(UserError, match="column dec is in 'Jy', which is no angle"):
        index(tmp_path / "wrong.fits")


def test_masked_values_are_missing(tmp_path: Path) -> None:
    table = Table({"ra": [1.0, 2.0], "dec": [1.0, 2.0]})
    table["n"] = MaskedColumn([7, 8], mask=[False, True])
    for name, kind in (("a.fits", "fits"), ("a.vot", "votable")):
        table.write(tmp_path / name, format=kind)
        out, _ = index(tmp_path / name, keep=["n"], position_unit="deg")
        assert [json.loads(row["attributes"]) for row in read(out)] == [{"n": 7}, {}]


def test_moving_stars_are_indexed_where_they_will_be(tmp_path: Path) -> None:
    path = write(tmp_path, ra=[10.0, 20.0], dec=[60.0, 0.0], pmra=[1000.0, None], pmdec=[0.0, None])
    out, _ = index(path, pm_ra="pmra", pm_dec="pmdec", epoch=2005.5)
    moved, still = read(out)
    assert np.isclose(moved["ra"], 10 + 10 / 3600 / np.cos(np.radians(60)), atol=1e-7)
    assert (still["ra"], still["dec"]) == (20.0, 0.0)


def test_lists_are_joined_and_the_preferred_row_survives(tmp_path: Path) -> None:
    first, second = tmp_path / "a.csv", tmp_path / "b.csv"
    first.write_text("id,ra,dec\na1,10,0\na2,20,0\n")
    second.write_text("id,ra,dec\nb1,10.001,0\nb2,30,0\n")
    out, facts = index([first, second], id="id")
    rows = {row["match_id"]: json.loads(row["attributes"] or "{}") for row in read(out)}
    assert rows == {"a1": {"same_position": ["b1"]}, "a2": {}, "b2": {}}
    assert facts.n_duplicates == 1
    _, facts = index([first, second], id="id", duplicate_radius=3.0)
    assert facts.n_sources == 4


def test_folder_of_parquet_is_read_whole(tmp_path: Path) -> None:
    folder = tmp_path / "hats" / "dataset" / "Norder=0"
    folder.mkdir(parents=True)
    for number in range(3):
        pq.write_table(
            pa.table({"ra": [float(number)], "dec": [0.0]}), folder / f"{number}.parquet"
        )
    pq.write_table(pa.table({"other": [1]}), folder.parent / "_metadata.parquet")
    _, facts = index(tmp_path / "hats")
    assert facts.n_sources == 3


@pytest.mark.parametrize("name", ["a.fits", "a.vot", "a.parquet", "a.csv", "a.dat"])
def test_damaged_file_is_one_line(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"\x00garbage")
    with pytest.raises(UserError, match=f"catalogue .*{name}"):
        index(tmp_path / name)
    assert not list(tmp_path.glob("*index*"))


def test_index_is_made_once(tmp_path: Path) -> None:
    path = write(tmp_path, ra=[1.0], dec=[1.0])
    out, facts = index(path)
    path.unlink()
    assert build_index([path], CatalogueSettings(), EPOCH, 500, out) == facts
