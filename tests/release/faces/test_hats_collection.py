"""The HATS collection is strict-valid, holds the catalogue's rows, and matches across edges."""

from pathlib import Path

import astropy.units as u
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.coordinates import Latitude, Longitude, SkyCoord
from cdshealpix.nested import lonlat_to_healpix
from hats.io.validation import is_valid_collection
from hats_partitions import read_partitions

from release.faces import hats_collection
from release.manifest import read_json

# Where four pixels of order 6 meet, and more around it.
CENTRE = SkyCoord(45.0, 1.0, unit="deg")
N_ROWS = 4000


def write_collection(released: Path, folder: Path, ra: np.ndarray, dec: np.ndarray) -> Path:
    """Write the collection of a release's rows moved to other places, some of them repeated."""
    rows = pq.read_table(released / "catalog" / "quasars.parquet")
    rows = rows.take(np.random.default_rng(4).integers(0, rows.num_rows, len(ra)))
    cells = lonlat_to_healpix(Longitude(ra, u.deg), Latitude(dec, u.deg), depth=29)
    values = {"TARGET_RA": ra, "TARGET_DEC": dec, "_healpix_29": cells.astype(np.int64)}
    values["TARGETID"] = np.arange(len(ra))
    for name, column in values.items():
        place = rows.column_names.index(name)
        rows = rows.set_column(place, rows.field(name), pa.array(column))
    (folder / "catalog").mkdir(parents=True)
    path = folder / "catalog" / "quasars.parquet"
    pq.write_table(rows.sort_by("_healpix_29"), path, row_group_size=700)
    hats_collection.write(folder, read_json(released / "manifest.json"))
    return folder


@pytest.fixture
def dense(released: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A collection of many rows in 2 x 2 degrees, cut into several partitions."""
    monkeypatch.setattr(hats_collection, "_PARTITION_ROWS", 500)
    monkeypatch.setattr(hats_collection, "_BATCH_ROWS", 300)
    ra, dec = np.random.default_rng(4).uniform(-1, 1, (2, N_ROWS))
    return write_collection(released, tmp_path / "dense", ra + CENTRE.ra.deg, dec + CENTRE.dec.deg)


def test_strict_validation(released: Path, dense: Path) -> None:
    assert is_valid_collection(released / "hats", strict=True)
    assert is_valid_collection(dense / "hats", strict=True)


@pytest.mark.parametrize("name", ["released", "dense"])
def test_partitions_are_the_catalogue(name: str, request: pytest.FixtureRequest) -> None:
    folder = request.getfixturevalue(name)
    rows = read_partitions(folder / "hats" / "quasars")
    assert rows.sort("_healpix_29").equals(pl.read_parquet(folder / "catalog" / "quasars.parquet"))


def test_partitions_are_the_pixels_they_are_called(dense: Path) -> None:
    paths = sorted((dense / "hats" / "quasars" / "dataset").rglob("Npix=*.parquet"))
    assert len(paths) > 6
    for path in paths:
        order, pixel = int(path.parents[1].name[7:]), int(path.stem[5:])
        cells = pq.read_table(path, columns=["_healpix_29"], partitioning=None)["_healpix_29"]
        assert set(cells.to_numpy() >> 2 * (29 - order)) == {pixel}


def test_margin_holds_the_neighbours(dense: Path) -> None:
    rows = pl.read_parquet(dense / "catalog" / "quasars.parquet")
    sky = SkyCoord(rows["TARGET_RA"].to_numpy(), rows["TARGET_DEC"].to_numpy(), unit="deg")
    for path in sorted((dense / "hats" / "quasars" / "dataset").rglob("Npix=*.parquet")):
        inside = pl.read_parquet(path, hive_partitioning=False)["TARGETID"].to_numpy()
        outside = np.setdiff1d(rows["TARGETID"].to_numpy(), inside)
        place = {targetid: number for number, targetid in enumerate(rows["TARGETID"])}
        ours, theirs = ([place[i] for i in ids] for ids in (inside, outside))
        near = sky[theirs].match_to_catalog_sky(sky[ours])[1] < 10 * u.arcsec
        relative = path.relative_to(dense / "hats" / "quasars")
        margin = pl.read_parquet(dense / "hats" / "quasars_10arcs" / relative, columns=["TARGETID"])
        assert set(outside[near]) <= set(margin["TARGETID"])
        assert not set(margin["TARGETID"]) & set(inside)


def test_no_margin_where_nothing_is_near_an_edge(released: Path, tmp_path: Path) -> None:
    # In the middle of two pixels of order 0.
    far = write_collection(released, tmp_path / "far", np.array([45.0, 0.0]), np.array([41.8, 0.0]))
    assert not (far / "hats" / "quasars_10arcs").exists()
    assert "margin" not in (far / "hats" / "collection.properties").read_text()


@pytest.mark.slow
def test_lsdb_matches_across_edges(dense: Path) -> None:
    lsdb = pytest.importorskip("lsdb")
    rows = pl.read_parquet(dense / "catalog" / "quasars.parquet")
    moved = rows.select("TARGETID", ra="TARGET_RA", dec=pl.col("TARGET_DEC") + 5 / 3600)
    left = lsdb.from_dataframe(moved.to_pandas(), ra_column="ra", dec_column="dec")
    right = lsdb.open_catalog(dense / "hats")
    found = left.crossmatch(right, radius_arcsec=6, n_neighbors=5).compute()
    names = [name for name in found.columns if name.startswith("TARGETID")]
    same = found[found[names[0]] == found[names[1]]]
    assert set(same[names[0]]) == set(range(N_ROWS))
    blind = lsdb.open_catalog(dense / "hats" / "quasars")
    missed = left.crossmatch(blind, radius_arcsec=6, n_neighbors=5, require_right_margin=False)
    partners = missed.compute()
    assert (partners[names[0]] == partners[names[1]]).sum() < N_ROWS
    one = right.id_search(values={"TARGETID": 17}).compute()
    assert one["TARGET_RA"].tolist() == rows.filter(pl.col("TARGETID") == 17)["TARGET_RA"].to_list()
