"""Quasar spectra of a tile as Parquet: what is kept, what is counted, what is made again."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from astropy.io import fits
from desi_tree import WAVE, make_quasars, write_coadd, write_table

from catalog_schema.grids import read_sampling
from pipeline.errors import DataError, UserError
from pipeline.lake.store import to_matrix
from pipeline.spectra.loose import tile_extraction
from pipeline.spectra.loose.tile_extraction import TILES, extract_qso_tile_to_parquet
from pipeline.spectra.loose.tiles import read_tiles

NIGHT = "20210204"
Z = np.array([1.5, 1.6, 1.7, 0.3])
# Of the last a galaxy is known.
KINDS = np.array(["QSO", "QSO", "QSO", "GALAXY"])


def write_petal(folder: Path, petal: int, first_id: int = 1) -> Path:
    """Write a petal of a tile, coadd and redrock, with a dead spectrum and one with a gap."""
    ids = np.arange(first_id, first_id + len(Z))
    flux, ivar = make_quasars(Z, first_id)
    ivar[1] = 0
    ivar[2, (WAVE > 5000) & (WAVE < 6000)] = 0
    name = f"{petal}-80693-thru{folder.name}.fits"
    fibres = {"TARGETID": ids, "TARGET_RA": 10.0 + ids / 100, "TARGET_DEC": ids / 100}
    write_table(
        folder / f"redrock-{name}",
        REDSHIFTS={"TARGETID": ids, "Z": Z, "ZWARN": np.zeros(len(Z), int), "SPECTYPE": KINDS},
    )
    return write_coadd(folder / f"coadd-{name}", ids, flux, ivar, fibermap=fibres)


@pytest.fixture
def tile(tmp_path: Path) -> Path:
    """A tile of two nights, of which the second has two petals."""
    write_petal(tmp_path / "80693" / "20210203", 0)
    for petal in (0, 1):
        write_petal(tmp_path / "80693" / NIGHT, petal, 10 * petal + 1)
    return tmp_path / "80693"


def test_rows_are_the_quasars_of_the_latest_night(tile: Path, tmp_path: Path) -> None:
    done = extract_qso_tile_to_parquet(tile, tmp_path / "out", 4000, 9000)
    names = [path.relative_to(tmp_path / "out").as_posix() for path in done.paths]
    assert names == [f"{NIGHT}/coadd-{petal}-80693-thru{NIGHT}.parquet" for petal in (0, 1)]
    assert (done.n_spectra, done.n_done, done.failed) == (4, 0, {})
    assert done.dropped == {"dead": 2, "not_quasar": 2}
    rows = pq.read_table(done.paths[0])
    assert rows.column_names == TILES.names
    assert rows["TARGETID"].to_pylist() == [1, 3]
    assert rows["Z"].to_pylist() == [1.5, 1.7]
    np.testing.assert_allclose(rows["TARGET_RA"].to_numpy(), [10.01, 10.03])


def test_pixels_are_those_of_the_coadd(tile: Path, tmp_path: Path) -> None:
    done = extract_qso_tile_to_parquet(tile, tmp_path / "out", 4000, 9000)
    rows = pq.read_table(done.paths[0])
    sampling = read_sampling(rows.schema.metadata)
    assert sampling is not None
    is_kept = (WAVE >= 4000 - 1e-6) & (WAVE <= 9000 + 1e-6)
    np.testing.assert_allclose(sampling.grid.wave, WAVE[is_kept])
    assert [arm.name for arm in sampling.arms] == ["b", "r", "z"]
    assert (sampling.arms[0].first, sampling.arms[-1].last) == (0, sampling.grid.size)
    assert b"start + step * arange(size)" in rows.schema.metadata[b"wavelength"]
    flux, _ = make_quasars(Z, 1)
    np.testing.assert_allclose(to_matrix(rows["flux"])[0], flux[0, is_kept], rtol=1e-6)
    ivar = to_matrix(rows["ivar"])[1]
    gap = (sampling.grid.wave > 5000) & (sampling.grid.wave < 6000)
    assert (ivar[gap] == 0).all()
    assert (ivar[~gap] > 0).all()


def test_spectrum_without_a_pixel_in_the_range_is_counted(tile: Path, tmp_path: Path) -> None:
    done = extract_qso_tile_to_parquet(tile, tmp_path / "out", 5100, 5900)
    assert done.n_spectra == 2
    assert done.dropped == {"dead": 2, "not_quasar": 2, "no_good_pixel_in_range": 2}


def test_what_is_done_is_left_alone(tile: Path, tmp_path: Path, monkeypatch) -> None:
    out = tmp_path / "out"
    read = tile_extraction.read_chosen

    def stop(path: Path, *arguments):
        if path.name.startswith("coadd-1"):
            raise KeyboardInterrupt
        return read(path, *arguments)

    monkeypatch.setattr(tile_extraction, "read_chosen", stop)
    with pytest.raises(KeyboardInterrupt):
        extract_qso_tile_to_parquet(tile, out)
    [first] = out.rglob("*.parquet")
    written = first.stat().st_mtime_ns
    monkeypatch.setattr(tile_extraction, "read_chosen", read)
    done = extract_qso_tile_to_parquet(tile, out)
    assert (done.n_done, len(done.paths), done.n_spectra) == (1, 2, 4)
    assert done.dropped == {"dead": 2, "not_quasar": 2}
    assert first.stat().st_mtime_ns == written
    # Other wavelengths are other files.
    assert extract_qso_tile_to_parquet(tile, out, 4000).n_done == 0
    write_petal(tile / NIGHT, 1, 21)
    assert extract_qso_tile_to_parquet(tile, out, 4000).n_done == 1


def test_catalogue_of_quasars_counts_before_redrock(tile: Path, tmp_path: Path) -> None:
    ids = np.array([1, 4, 11])
    rows = {"TARGETID": ids, "Z": np.array([1.5, 0.31, 1.5])}
    write_table(tile / NIGHT / "QSO_cat_test.fits", QSO_CAT=rows)
    done = extract_qso_tile_to_parquet(tile / NIGHT, tmp_path / "out")
    found = read_tiles(done.paths).rows
    assert found["TARGETID"].to_pylist() == [1, 4, 11]
    assert done.dropped == {"dead": 2, "no_redshift": 3}
    table = tmp_path / "mine.csv"
    table.write_text("TARGETID,Z\n3,1.7\n")
    done = extract_qso_tile_to_parquet(tile / NIGHT, tmp_path / "out", redshifts=table)
    assert read_tiles(tmp_path / "out").rows["TARGETID"].to_pylist() == [3]
    write_table(tile / NIGHT / "QSO_cat_other.fits", QSO_CAT=rows)
    with pytest.raises(UserError, match="several quasar catalogues"):
        extract_qso_tile_to_parquet(tile / NIGHT, tmp_path / "out")


def test_damaged_coadd_is_named_and_the_others_go_on(tile: Path, tmp_path: Path) -> None:
    bad = tile / NIGHT / f"coadd-0-80693-thru{NIGHT}.fits"
    bad.write_bytes(bad.read_bytes()[:100_000])
    done = extract_qso_tile_to_parquet(tile, tmp_path / "out")
    assert list(done.failed) == [bad]
    assert len(done.paths) == 1
    other = tile / NIGHT / f"coadd-1-80693-thru{NIGHT}.fits"
    other.write_bytes(b"no FITS file")
    with pytest.raises(DataError, match="none of 2 coadd files can be read"):
        extract_qso_tile_to_parquet(tile, tmp_path / "new")


@pytest.mark.parametrize("fault", ["cut", "text", "empty", "column"])
def test_damaged_redrock_fails_its_coadd_alone(tile: Path, tmp_path: Path, fault: str) -> None:
    bad = tile / NIGHT / f"redrock-0-80693-thru{NIGHT}.fits"
    if fault == "column":
        write_table(bad, REDSHIFTS={"NUMBER": np.arange(4), "Z": Z})
    else:
        whole = bad.read_bytes()
        bad.write_bytes({"cut": whole[:4000], "text": b"no FITS file", "empty": b""}[fault])
    done = extract_qso_tile_to_parquet(tile, tmp_path / "out")
    assert list(done.failed) == [tile / NIGHT / f"coadd-0-80693-thru{NIGHT}.fits"]
    assert str(bad) in next(iter(done.failed.values()))
    assert (len(done.paths), done.n_spectra) == (1, 2)


def test_every_row_of_a_tree_is_kept_or_counted(mock_survey: Path, tmp_path: Path) -> None:
    done = extract_qso_tile_to_parquet(mock_survey, tmp_path / "out", 4000, 9000)
    n_rows = sum(len(fits.getdata(p, "FIBERMAP")) for p in mock_survey.rglob("coadd-*.fits"))
    assert done.failed == {}
    assert done.n_spectra + sum(done.dropped.values()) == n_rows
    assert done.n_spectra == read_tiles(tmp_path / "out").rows.num_rows > 0
    assert done.dropped["not_quasar"] > 0


@pytest.mark.parametrize(
    ("low", "high", "message"),
    [
        (5000, 5000, "no range"),
        (9000, 4000, "no range"),
        (np.nan, 4000, "no range"),
        (4000.1, 4000.2, "no pixel between"),
        (100, 200, "no pixel between"),
    ],
)
def test_bad_wavelengths(tile: Path, tmp_path: Path, low, high, message: str) -> None:
    with pytest.raises(UserError, match=message):
        extract_qso_tile_to_parquet(tile, tmp_path / "out", low, high)


def test_bad_folders(tile: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such folder"):
        extract_qso_tile_to_parquet(tile / "elsewhere", tmp_path / "out")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"no file coadd-\*\.fits"):
        extract_qso_tile_to_parquet(tmp_path / "empty", tmp_path / "out")
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write"):
        extract_qso_tile_to_parquet(tile, tmp_path / "file" / "out")


def test_real_coadd(real_data: Path, tmp_path: Path) -> None:
    done = extract_qso_tile_to_parquet(real_data / "desi", tmp_path / "out", 3700, 9000)
    assert (len(done.paths), done.n_spectra) == (3, 5)
    assert sum(done.dropped.values()) == 6


def test_tiles_that_are_none(tile: Path, tmp_path: Path) -> None:
    done = extract_qso_tile_to_parquet(tile, tmp_path / "out", 4000, 9000)
    other = extract_qso_tile_to_parquet(tile, tmp_path / "other", 4100, 9000)
    with pytest.raises(UserError, match="over the same wavelengths"):
        read_tiles([done.paths[0], other.paths[0]])
    with pytest.raises(UserError, match="no such file or folder"):
        read_tiles(tmp_path / "nowhere")
    (tmp_path / "none").mkdir()
    with pytest.raises(UserError, match="no Parquet file"):
        read_tiles(tmp_path / "none")
    data = bytearray(done.paths[0].read_bytes())
    data[len(data) // 2] ^= 1
    done.paths[0].write_bytes(data)
    with pytest.raises(DataError, match="damaged"):
        read_tiles(tmp_path / "out")
