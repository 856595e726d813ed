"""Spectra from outside: coadd files, tables, and the redshifts that come with them."""

import gzip
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.io import fits
from desi_tree import WAVE, make_quasars, write_coadd, write_table
from lake_runs import ingest_files, read_all, run_one

from pipeline.config import Config
from pipeline.errors import UserError
from pipeline.lake.store import Store, to_matrix
from pipeline.ledger.books import Ledger
from pipeline.spectra.loose.redshift_table import read_redshifts

IDS = np.array([11, 12, 13])
Z = np.array([1.5, 1.6, 1.7])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with one coadd of three quasars."""
    (tmp_path / "in").mkdir()
    write_coadd(tmp_path / "in" / "coadd-one.fits", IDS, *make_quasars(Z))
    return tmp_path / "in"


def write_csv(path: Path, wave=WAVE, seed: int = 0, rows: slice = slice(None)) -> Path:
    flux, ivar = make_quasars(np.array([1.6]), seed)
    table = np.column_stack([wave, flux[0], ivar[0]])[rows]
    np.savetxt(path, table, delimiter=",", header="wave,flux,ivar", comments="")
    return path


def write_redshifts(path: Path, ids=IDS, z=Z) -> Path:
    lines = [f"{i},{value}" for i, value in zip(ids, z, strict=True)]
    path.write_text("\n".join(["TARGETID,Z", *lines, ""]))
    return path


def read_targets(store: Store) -> dict[str, list]:
    return read_all(store, "targets").to_pydict()


def test_redshifts_in_every_format_are_the_same(tmp_path: Path) -> None:
    rows = {"TARGETID": IDS, "Z": Z, "RA": Z * 10, "DEC": -Z}
    write_table(tmp_path / "z.fits", ZCAT=rows)
    pq.write_table(pa.table(rows), tmp_path / "z.parquet")
    lines = ["TARGETID,Z,RA,DEC", *(f"{i},{z},{z * 10},{-z}" for i, z in zip(IDS, Z, strict=True))]
    (tmp_path / "z.csv").write_text("\n".join(lines))
    for name in ("z.fits", "z.parquet", "z.csv"):
        found = read_redshifts(tmp_path / name)
        assert found.rows_of == {11: [0], 12: [1], 13: [2]}
        np.testing.assert_allclose(found.z, Z)
        np.testing.assert_allclose(found.ra, Z * 10)
        np.testing.assert_allclose(found.dec, -Z)
        assert found.by_file == {} or name == "z.csv"


def test_redshifts_by_file_name(tmp_path: Path) -> None:
    path = tmp_path / "pairs.csv"
    path.write_text("spectrum,z,desi_targetid\nspectra/a.csv,1.5,\nb.csv,0.7,39628526894188128\n")
    found = read_redshifts(path)
    assert (found.by_file["a.csv"], found.by_file["b.csv"]) == (0, 1)
    assert found.targetid == [None, 39628526894188128]
    assert np.isnan(found.ra).all()


def explain(path: Path) -> str:
    with pytest.raises(UserError) as caught:
        read_redshifts(path)
    assert str(path) in str(caught.value)
    return str(caught.value)


def test_table_without_redshift_lists_its_columns(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("TARGETID,PHOTOZ\n1,2\n")
    assert "TARGETID, PHOTOZ" in explain(tmp_path / "a.csv")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("z.csv", b""),
        ("z.csv", b"TARGETID,Z\n1,unknown\n"),
        ("z.csv", b"\xff\xfe\x00\x01"),
        ("z.parquet", b"PAR1 no"),
        ("z.fits", b"SIMPLE  = no"),
        ("z.txt", b"1 2 3\n"),
    ],
    ids=["empty", "word", "binary", "parquet", "fits", "text"],
)
def test_unreadable_redshifts_are_one_line(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    explain(tmp_path / name)


def test_missing_table(tmp_path: Path) -> None:
    explain(tmp_path / "nothing.fits")
    explain(tmp_path / "nothing.csv")


def test_coadd_and_table_become_targets_and_coadds(folder: Path, store: Store) -> None:
    write_csv(folder / "two.csv", seed=5)
    table = folder.parent / "z.csv"
    table.write_text("TARGETID,Z,file\n11,1.5,\n12,1.6,\n99,1.7,sub/two.csv\n")
    report = ingest_files(store, folder, table)
    assert (report.n_expected, report.n_made) == (4, 3)
    assert {g: n for g, n in report.dropped.items() if n} == {"no_redshift": 1}
    rows = read_targets(store)
    assert rows["TARGETID"] == [11, 12, 99]
    assert rows["Z"] == [1.5, 1.6, 1.7]
    assert rows["DESINAME"] == ["coadd-one", "coadd-one", "two"]
    assert set(rows["split"]) == {"test"}
    assert all(o.imbalance == 0 for o in Ledger(store.lake.ledger).outcomes())
    assert run_one(store, Config(), "preprocess").n_made == 3


def test_csv_keeps_its_pixels(tmp_path: Path, store: Store) -> None:
    path = write_csv(tmp_path / "a.csv", rows=slice(1000, 7000))
    table = tmp_path / "z.csv"
    table.write_text("file,Z\na.csv,1.6\n")
    ingest_files(store, path, table)
    [outcome] = Ledger(store.lake.ledger).outcomes("extract")
    rows = store.read(store.lake.shard("coadds", outcome.shard))
    flux, ivar = make_quasars(np.array([1.6]))
    got = to_matrix(rows["ivar"])[0]
    np.testing.assert_allclose(got[1000:7000], ivar[0, 1000:7000], rtol=1e-5)
    assert not got[:1000].any()
    np.testing.assert_allclose(to_matrix(rows["flux"])[0, 1000:7000], flux[0, 1000:7000], rtol=1e-5)
    # No DESI target has a negative TARGETID.
    assert rows["TARGETID"][0].as_py() < 0


def test_csv_in_no_order_fails_alone(folder: Path, store: Store) -> None:
    write_csv(folder / "other.csv", wave=np.roll(WAVE, 4000) + 0.3)
    report = ingest_files(store, folder, write_redshifts(folder.parent / "z.csv"))
    assert report.n_made == 3
    [failed] = report.failed
    assert "neither rise nor fall" in (failed.error or "")


def test_csv_on_another_grid_is_resampled(folder: Path, store: Store) -> None:
    write_csv(folder / "other.csv", wave=WAVE * 1.001)
    table = folder.parent / "z.csv"
    table.write_text("TARGETID,Z,file\n11,1.5,\n12,1.6,\n99,1.7,other.csv\n")
    report = ingest_files(store, folder, table)
    assert (report.n_made, report.failed) == (3, ())
    assert any("other.csv: its 7781 wavelengths are resampled" in note for note in report.notes)
    assert "other" in read_targets(store)["DESINAME"]


def test_redrock_file_beside_the_coadd(folder: Path, store: Store) -> None:
    write_table(
        folder / "redrock-one.fits",
        REDSHIFTS={"TARGETID": IDS[:2], "Z": Z[:2]},
        FIBERMAP={"TARGETID": IDS},
    )
    report = ingest_files(store, folder, None)
    assert report.dropped["no_redshift"] == 1
    assert read_targets(store)["Z"] == [1.5, 1.6]


def test_files_of_other_kinds_beside_coadds_are_named(folder: Path, store: Store) -> None:
    shutil.copy(folder / "coadd-one.fits", folder / "spectra-one.fits")
    shutil.copy(folder / "coadd-one.fits", folder / "Mine.FIT")
    table = {"TARGETID": IDS, "Z": Z}
    write_table(folder / "redrock-two.fits", REDSHIFTS=table, FIBERMAP=table)
    packed = folder / "redrock-one.fits.gz"
    write_table(folder / "z.fits", REDSHIFTS=table, FIBERMAP=table)
    packed.write_bytes(gzip.compress((folder / "z.fits").read_bytes()))
    (folder / "z.fits").unlink()
    report = ingest_files(store, folder, None)
    assert report.failed == ()
    # The redrock file beside the coadd is read; no redshift goes with the other one.
    assert report.n_made == 3
    assert report.dropped["no_redshift"] == 3
    left = [note for note in report.notes if "is left out" in note]
    assert len(left) == 2
    assert "spectra-one.fits is left out: coadd-one.fits is there" in left
    assert any("redrock-two.fits is left out: it holds redshifts and no" in note for note in left)


def test_redrock_file_in_the_place_of_spectra_is_told(tmp_path: Path, store: Store) -> None:
    table = {"TARGETID": IDS, "Z": Z}
    path = write_table(tmp_path / "redrock-one.fits", REDSHIFTS=table, FIBERMAP=table)
    report = ingest_files(store, path, None)
    [failed] = report.failed
    assert "it holds redshifts and no spectra" in (failed.error or "")
    with pytest.raises(UserError, match="it holds redshifts and no spectra"):
        ingest_files(store, tmp_path, None)


def test_stray_tables_are_named_and_left_out(folder: Path, store: Store) -> None:
    (folder / "notes.csv").write_bytes("object,remark\n1,Ångström é\n".encode("latin-1"))
    (folder / "broken.csv").write_bytes(bytes(range(128, 256)) * 10)
    (folder / "empty.txt").write_bytes(b"")
    report = ingest_files(store, folder, write_redshifts(folder / "z.csv"))
    assert report.n_made == 3
    left = [note.split(" is left out: ")[0] for note in report.notes if "is left out" in note]
    assert left == ["broken.csv", "empty.txt", "notes.csv"]


def test_spectrum_without_rows_fails_alone(folder: Path, store: Store) -> None:
    (folder / "obj.csv").write_text("wave,flux,ivar\n")
    report = ingest_files(store, folder, write_redshifts(folder.parent / "z.csv"))
    assert report.n_made == 3
    [failed] = report.failed
    assert "no rows" in (failed.error or "")


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ("TargetID,Z\n1,2.2\n", "none of its 3 TARGETIDs is in column TargetID of z.csv (1 row)"),
        ("file,Z\na.csv,2.2\n", "none of its 3 TARGETIDs is in z.csv (1 row), which has none"),
        (
            "TARGETID,Z\n11,\n12,\n",
            "2 of its TARGETIDs are in z.csv (2 rows), none with a redshift",
        ),
        (None, "no redshifts; give a table of them with --redshifts"),
    ],
)
def test_what_was_compared_with_what_is_told(
    folder: Path, store: Store, table: str | None, told: str
) -> None:
    path = folder.parent / "z.csv"
    path.write_text(table or "")
    report = ingest_files(store, folder, path if table else None)
    assert report.n_made == 0
    assert report.notes[-1].endswith(f"coadd-one.fits: {told}")


def test_source_without_a_spectrum(tmp_path: Path, store: Store) -> None:
    (tmp_path / "notes.csv").write_text("a,b\n1,2\n")
    with pytest.raises(UserError, match="in it"):
        ingest_files(store, tmp_path, None)


def test_one_object_in_two_files_is_two_spectra(folder: Path, store: Store) -> None:
    """Two tiles, or two epochs, of the same targets."""
    shutil.copy(folder / "coadd-one.fits", folder / "coadd-two.fits")
    report = ingest_files(store, folder, write_redshifts(folder.parent / "z.csv"))
    assert report.n_made == 6
    rested = run_one(store, Config(), "preprocess")
    assert rested.failed == ()
    assert rested.n_made + sum(rested.dropped.values()) == 6


def test_one_object_twice_in_a_file(folder: Path, store: Store) -> None:
    write_coadd(folder / "coadd-one.fits", np.array([11, 11, 13]), *make_quasars(Z))
    report = ingest_files(store, folder, write_redshifts(folder.parent / "z.csv"))
    rested = run_one(store, Config(), "preprocess")
    assert rested.failed == ()
    assert report.n_made + sum(report.dropped.values()) == 3


def test_corrected_redshift_table_is_read_again(folder: Path, store: Store) -> None:
    table = write_redshifts(folder.parent / "z.csv")
    ingest_files(store, folder, table)
    write_redshifts(table, ids=[12, 13, 14])
    report = ingest_files(store, folder, table)
    assert report.n_made == 2
    assert read_targets(store)["Z"] == [1.5, 1.6]


def test_real_quasar_catalogue(real_data: Path, store: Store) -> None:
    desi = real_data / "desi"
    source = desi / "coadd-1-80693-thru20210204.fits"
    report = ingest_files(store, source, desi / "QSO_cat_fuji_dark_healpix.fits.gz")
    rows = read_targets(store)
    truth = fits.getdata(desi / "QSO_cat_fuji_dark_healpix.fits.gz")
    known = dict(zip(truth["TARGETID"].tolist(), truth["Z"].tolist(), strict=True))
    assert report.n_made == len(rows["Z"]) > 0
    assert rows["Z"] == [known[target] for target in rows["TARGETID"]]
