"""SDSS's folders as a survey: every file and every row is scored or counted out by name."""

import os
import pickle
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from astropy.io import fits
from forked import run_qad
from lake_runs import SMALL, read_all, run_one
from sdss_source import MJD, PLATE, make_row, write_catalogue, write_file, write_files

from catalog_schema.statistics import STATISTICS
from pipeline.config import Config, load_config
from pipeline.errors import UserError
from pipeline.flow.report import Report
from pipeline.lake.store import Store
from pipeline.settings.run import RunSettings
from pipeline.settings.transport import AcquireSettings
from pipeline.spectra.loose.files import LooseFiles
from pipeline.spectra.sdss.catalogue import find_reddening, name_programs
from pipeline.spectra.sdss.names import make_targetid, sort_files, split_targetid
from pipeline.spectra.sdss.survey import SdssSurvey
from pipeline.spectra.surveys import recognise_survey

ROWS = [make_row(fibre) for fibre in range(1, 9)]
GRID = SdssSurvey.sampling.grid


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "spectra"


def run(store: Store, folder: Path, *stages: str) -> list[Report]:
    config = make_config(folder)
    return [run_one(store, config, stage) for stage in stages]


def make_config(folder: Path) -> Config:
    return load_config(None, ["run.survey=sdss"], source=str(folder))


def reach(store: Store, folder: Path) -> Report:
    """Run up to `extract` and return its report."""
    return run(store, folder, "target", "adopt", "acquire", "extract")[-1]


def list_drops(report: Report) -> dict[str, int]:
    return {gate: count for gate, count in report.dropped.items() if count}


@pytest.mark.parametrize("has_table", [False, True])
@pytest.mark.parametrize("below", ["", "4055", "eboss/spectra/lite/4055"])
def test_any_folders_with_or_without_the_catalogue(
    store: Store, folder: Path, below: str, has_table: bool
) -> None:
    write_files(folder / below, ROWS)
    if has_table:
        write_catalogue(folder, ROWS)
    report = reach(store, folder)
    assert (report.n_made, list_drops(report), report.notes) == (len(ROWS), {}, ())
    coadds = read_all(store, "coadds")
    ids = [PLATE * 10**9 + MJD * 10**4 + row["FIBERID"] for row in ROWS]
    assert coadds["TARGETID"].to_pylist() == ids
    assert set(coadds["PROGRAM"].to_pylist()) == {"boss"}
    assert set(coadds["HEALPIX"].to_pylist()) == {PLATE}
    assert coadds["NIGHT"][0].as_py() == 20100612
    assert coadds["FIBER"].to_pylist() == [row["FIBERID"] for row in ROWS]
    targets = read_all(store, "targets")
    np.testing.assert_allclose(targets["EBV"].to_numpy(), 0.1, rtol=1e-5)
    assert targets["Z"].to_numpy() == pytest.approx([row["Z"] for row in ROWS], abs=1e-6)


def test_an_arm_that_is_not_there_says_nothing(store: Store, folder: Path) -> None:
    write_files(folder, ROWS)
    reach(store, folder)
    coadds = read_all(store, "coadds")
    for name in ("snr_z", "coverage_z", "noise_z", "ivar_z"):
        assert coadds[name].null_count == len(ROWS)
    for name in ("snr_b", "coverage_b", "snr_r", "coverage_r"):
        assert coadds[name].null_count == 0


def test_pixels_lie_where_loglam_says(store: Store, folder: Path) -> None:
    write_files(folder, ROWS)
    reach(store, folder)
    ivar = np.array(read_all(store, "coadds")["ivar"].to_pylist())
    first = np.flatnonzero(ivar[0])[0]
    assert np.log10(GRID.wave[first]) == pytest.approx(3.5810, abs=1e-7)
    assert np.count_nonzero(ivar[0]) == 3828


@pytest.mark.parametrize(
    ("changes", "gate"),
    [
        ({"ZWARNING": 4}, "redshift_warning"),
        ({"ZWARNING": 1 << 7}, "redshift_warning"),
        ({"CLASS": "GALAXY"}, "not_quasar"),
        ({"CLASS": "COMET"}, "unknown_class"),
        ({"OBJTYPE": "SKY"}, "not_a_target"),
        ({"SPECPRIMARY": 0}, "not_primary"),
        ({"Z": 99.0}, "redshift_outside_range"),
        ({"Z": np.nan}, "no_redshift"),
        ({"PLUG_DEC": 120.0}, "no_position"),
    ],
)
def test_every_gate_counts_its_row(store: Store, folder: Path, changes: dict, gate: str) -> None:
    # Fibres that no draw takes for a control.
    write_files(folder, [*ROWS, make_row(12, **changes)])
    [report] = run(store, folder, "target")
    assert (report.n_made, report.n_expected) == (len(ROWS), len(ROWS) + 1)
    assert list_drops(report) == {gate: 1}


def test_many_outliers_are_no_fault(store: Store, folder: Path) -> None:
    write_files(folder, [make_row(fibre, ZWARNING=16) for fibre in range(1, 5)])
    assert run(store, folder, "target")[0].n_made == 4


def test_sky_fibres_are_controls(store: Store, folder: Path) -> None:
    sky = [make_row(fibre, OBJTYPE="SKY", ZWARNING=5, SPECPRIMARY=0) for fibre in range(20, 24)]
    write_files(folder, [*ROWS, *sky])
    config = load_config(None, ["run.survey=sdss", "target.sky_fraction=1.0"], source=str(folder))
    report = run_one(store, config, "target")
    rows = store.read(store.lake.table("candidates")).to_pylist()
    assert report.n_made == len(rows) == len(ROWS) + 4
    assert [row["control"] for row in rows[-4:]] == ["sky"] * 4


def test_a_truncated_file_is_one_line_and_the_others_go_on(store: Store, folder: Path) -> None:
    paths = write_files(folder, ROWS)
    paths[2].write_bytes(paths[2].read_bytes()[:20_000])
    [report] = run(store, folder, "target")
    assert list_drops(report) == {"unreadable_spectrum": 1}
    assert report.n_made == len(ROWS) - 1
    [note] = report.notes
    assert paths[2].name in note
    assert "truncated" in note


def test_a_file_cut_after_the_catalogue_was_made(store: Store, folder: Path) -> None:
    paths = write_files(folder, ROWS)
    write_catalogue(folder, ROWS)
    paths[2].write_bytes(paths[2].read_bytes()[:20_000])
    report = reach(store, folder)
    assert list_drops(report) == {"unreadable_spectrum": 1}
    assert "truncated" in report.notes[0]


def test_of_many_bad_files_some_are_told(store: Store, folder: Path) -> None:
    for path in write_files(folder, [make_row(fibre) for fibre in range(1, 15)])[4:]:
        path.write_bytes(path.read_bytes()[:20_000])
    [report] = run(store, folder, "target")
    assert list_drops(report) == {"unreadable_spectrum": 10}
    assert len(report.notes) == 6
    assert report.notes[-1] == "5 more files likewise"


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"loglam": lambda x: x[::-1]}, "does not rise in steps"),
        ({"loglam": lambda x: np.r_[x[:100], x[90:-10]]}, "does not rise in steps"),
        ({"loglam": lambda x: x + 3e-5}, "of a pixel off SDSS's grid"),
        ({"loglam": lambda x: 10**x}, "no wavelengths"),
    ],
)
def test_another_grid_drops_its_spectrum(
    store: Store, folder: Path, columns: dict, message: str
) -> None:
    paths = write_files(folder, ROWS)
    with fits.open(paths[0], mode="update") as hdus:
        for name, change in columns.items():
            hdus[1].data[name] = change(np.array(hdus[1].data[name]))
    report = reach(store, folder)
    assert list_drops(report) == {"unreadable_spectrum": 1}
    assert message in report.notes[0]
    assert paths[0].name in report.notes[0]


def test_wavelengths_in_air_are_refused(store: Store, folder: Path) -> None:
    write_files(folder, ROWS[1:])
    write_file(folder, ROWS[0], {"VACUUM": False})
    report = reach(store, folder)
    assert list_drops(report) == {"unreadable_spectrum": 1}
    assert "in air" in report.notes[0]


def test_pixels_beyond_the_grid_are_cut_with_a_note(store: Store, folder: Path) -> None:
    paths = write_files(folder, ROWS)
    with fits.open(paths[0], mode="update") as hdus:
        hdus[1].data["loglam"] = np.array(hdus[1].data["loglam"]) + 0.1
    report = reach(store, folder)
    assert (report.n_made, list_drops(report)) == (len(ROWS), {})
    assert "good pixels of 1 spectra lie beyond the grid" in report.notes[0]


def test_a_header_that_says_another_place_or_name(store: Store, folder: Path) -> None:
    write_files(folder, ROWS[2:])
    write_file(folder, ROWS[0], {"PLUG_RA": ROWS[0]["PLUG_RA"] + 1})
    write_file(folder, ROWS[1], {"FIBERID": 77})
    report = reach(store, folder)
    assert list_drops(report) == {"position_mismatch": 1, "spectrum_mismatch": 1}


def test_a_row_of_another_spectrum_in_a_file(store: Store, folder: Path) -> None:
    paths = write_files(folder, ROWS)
    paths[0].rename(folder / f"spec-{PLATE}-{MJD}-0500.fits")
    [report] = run(store, folder, "target")
    assert list_drops(report) == {"unreadable_spectrum": 1}
    assert "its row of the catalogue is that of 4055-55359-1" in report.notes[0]


def test_redshifts_of_other_files(store: Store, folder: Path) -> None:
    write_files(folder, ROWS)
    write_catalogue(folder, [ROWS[0] | {"Z": 2.7}, *ROWS[1:]])
    _, report = run(store, folder, "target", "adopt")
    assert list_drops(report) == {"redshift_mismatch": 1}
    shifted = [row | {"Z": row["Z"] + 0.3} for row in ROWS]
    write_catalogue(folder, shifted)
    _, report = run(store, folder, "target", "adopt")
    [failed] = report.failed
    assert "shifted or permuted" in failed.error


def test_rows_without_files_and_files_without_rows(store: Store, folder: Path) -> None:
    other = [make_row(fibre, PLATE=PLATE + 1) for fibre in range(3)]
    write_files(folder, ROWS)
    write_catalogue(folder, [*ROWS[1:], make_row(400), *other])
    [report] = run(store, folder, "target")
    assert list_drops(report) == {"no_spectrum_file": 4, "not_in_catalogue": 1}
    assert report.n_made == len(ROWS) - 1


def test_two_files_of_one_spectrum(store: Store, folder: Path) -> None:
    write_files(folder / "full", ROWS)
    write_files(folder / "lite", ROWS[:3])
    [report] = run(store, folder, "target")
    assert (report.n_made, list_drops(report)) == (len(ROWS), {"duplicate_row": 3})


def test_a_file_that_is_lost_or_changes_fails_its_plate(store: Store, folder: Path) -> None:
    paths = write_files(folder, ROWS)
    run(store, folder, "target", "adopt", "acquire")
    os.utime(paths[0], (0, 0))
    [report] = run(store, folder, "extract")
    [failed] = report.failed
    assert "have changed since they were listed" in failed.error


def test_what_is_no_source_is_one_line(store: Store, folder: Path) -> None:
    folder.mkdir()
    with pytest.raises(UserError, match=r"no file spec-PLATE-MJD-FIBER\.fits below it"):
        SdssSurvey.open(store, make_config(folder))
    write_files(folder, ROWS)
    write_catalogue(folder, ROWS).rename(folder / "specObj-dr17.fits")
    write_catalogue(folder, ROWS)
    with pytest.raises(UserError, match="are catalogues; keep one"):
        run(store, folder, "target")


def test_a_catalogue_without_its_columns(store: Store, folder: Path) -> None:
    write_files(folder, ROWS)
    rows = [{name: row[name] for name in ("PLATE", "MJD", "FIBERID")} for row in ROWS]
    write_catalogue(folder, rows)
    with pytest.raises(UserError, match="no column Z, ZWARNING, CLASS"):
        run(store, folder, "target")


def test_without_extinction_it_is_told_that_spectra_are_not_dereddened(
    store: Store, folder: Path
) -> None:
    write_files(folder, ROWS)
    write_catalogue(folder, [{k: v for k, v in row.items() if k != "EXTINCTION"} for row in ROWS])
    note = f"{len(ROWS)} rows have no EXTINCTION: their spectra are not dereddened"
    assert note in run(store, folder, "target")[-1].notes


def test_sdss_is_named(folder: Path, tmp_path: Path) -> None:
    write_files(folder / "4055", ROWS[:1])
    assert SdssSurvey.recognise(str(folder))
    assert SdssSurvey.recognise(str(folder / "4055"))
    assert not SdssSurvey.recognise(str(tmp_path))
    named = RunSettings(source=str(folder), survey="sdss")
    assert recognise_survey(named) is SdssSurvey
    # Spectra of SDSS lie beside loose ones, too.
    assert recognise_survey(RunSettings(source=str(folder))) is LooseFiles
    with pytest.raises(UserError, match="sdss has its own"):
        recognise_survey(named.model_copy(update={"redshifts": "z.csv"}))


def test_other_files_are_told(store: Store, folder: Path) -> None:
    write_files(folder, ROWS)
    (folder / "a.csv").write_text("wave,flux,ivar\n")
    [report] = run(store, folder, "target")
    assert report.notes == ("1 other files are not read, a.csv among them",)


def test_names_are_reversible() -> None:
    plate, mjd, fibre = np.array([266, 16383]), np.array([51630, 59999]), np.array([1, 1000])
    for number, *words in zip(make_targetid(plate, mjd, fibre), plate, mjd, fibre, strict=True):
        assert split_targetid(int(number)) == tuple(words)
    [targetid] = sort_files("", ["a/spec-10656-58163-0366.fits.gz"]).paths
    assert targetid == 10656581630366
    assert sort_files("", ["spec-1.fits", "spectrum.fits", "spAll-x.txt"]).paths == {}


def test_programs_are_told_by_plate_and_chunk() -> None:
    rows = {"PLATE": np.array([3000, 3655, 9367]), "CHUNK": np.array(["chunk3", "boss2", "eboss4"])}
    assert name_programs(rows).tolist() == ["sdss", "boss", "eboss"]


def test_reddening_of_either_coefficients() -> None:
    new = 0.05 * np.array([4.239, 3.303, 2.285, 1.698, 1.263])
    old = 0.05 * np.array([5.155, 3.793, 2.751, 2.086, 1.479])
    found = find_reddening(np.array([new, old, np.zeros(5)]))
    np.testing.assert_allclose(found[:2], 0.05)
    assert np.isnan(found[2])


def test_the_survey_travels() -> None:
    survey = SdssSurvey("here", AcquireSettings())
    assert pickle.loads(pickle.dumps(survey)) == survey


def test_real_files_go_to_coadds(store: Store, real_data: Path) -> None:
    target, *_, extract = run(store, real_data / "sdss", "target", "adopt", "acquire", "extract")
    assert target.n_expected == 40
    assert list_drops(target) == {"not_quasar": 2, "not_primary": 5}
    assert (extract.n_made, list_drops(extract)) == (33, {})
    coadds = read_all(store, "coadds")
    assert min(coadds["coverage_b"].to_pylist()) > 0.9


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Data root of one command on a mock in SDSS's files, and the mock's truth."""
    folder = tmp_path_factory.mktemp("mock")
    mock = ("mock", "--layout", "sdss", "--quasars", 90, "--pixels", 3, "--seed", 5)
    assert run_qad(*mock, "--to", folder / "tree").returncode == 0
    sets = [word for s in SMALL if not s.startswith("target.z") for word in ("--set", s)]
    where = ("--survey", "sdss", "--source", folder / "tree", "--root", folder / "root")
    done = run_qad("run", *where, "--version", "0.1.0", *sets)
    assert done.returncode == 0, done.stderr
    return folder / "root", folder / "tree-truth.parquet"


@pytest.mark.slow
def test_one_command_goes_from_files_to_a_release(released: tuple[Path, Path]) -> None:
    root, truth = released
    release = root / "releases/0.1.0"
    done = run_qad("release", "validate", release)
    assert (done.returncode, " 0 failed" in done.stdout) == (0, True), done.stdout
    rows = pq.read_table(release / "catalog/quasars.parquet")
    assert rows.num_rows > 70
    known = pq.read_table(truth)["TARGETID"].to_pylist()
    assert set(rows["TARGETID"].to_pylist()) <= set(known)
    assert set(rows["PROGRAM"].to_pylist()) == {"boss", "eboss"}
    for name in ("coverage_z", "chi2_z", "snr_z"):
        assert rows[name].null_count == rows.num_rows
    assert set(rows["worst_arm"].to_pylist()) <= {"b", "r"}


@pytest.mark.slow
def test_what_an_arm_that_is_not_there_would_say_is_absent(released: tuple[Path, Path]) -> None:
    root, _ = released
    scores = pq.ParquetDataset(root / "lake/scores").read()["statistics"].to_pylist()
    is_absent = np.isnan(np.array(scores))
    of_z = [s.name.endswith("_z") or s.name.startswith("z_") for s in STATISTICS]
    np.testing.assert_array_equal(is_absent.all(axis=0), of_z)


@pytest.mark.slow
def test_real_spectra_do_not_belong_to_the_mock(
    released: tuple[Path, Path], real_data: Path
) -> None:
    root, _ = released
    [card] = root.glob("models/*/model.json")
    where = ("--survey", "sdss", "--source", real_data / "sdss", "--root", root)
    done = run_qad("score", "--model", card.parent, *where)
    assert done.returncode == 0, done.stderr
    rows = pq.read_table(Path(done.stdout.split("results")[1].strip()))
    assert rows.num_rows == 33
    assert "calibration does not hold: unlike the model's population in" in done.stdout
    assert set(rows["tier"].to_pylist()) == {"none"}
    assert rows["domain_reason"].null_count == 0
