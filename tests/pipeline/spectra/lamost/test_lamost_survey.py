"""LAMOST's folders as a survey: both layouts, every file and row scored or counted out by name."""

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from lake_runs import SMALL, read_all, run_one
from lamost_source import (
    LMJD,
    PLAN,
    WAVE,
    make_row,
    make_spectrum,
    write_catalogue,
    write_file,
    write_files,
)

from pipeline.config import Config, load_config
from pipeline.errors import UserError
from pipeline.flow.report import Report
from pipeline.lake.store import Store
from pipeline.settings.run import RunSettings
from pipeline.settings.transport import AcquireSettings
from pipeline.spectra.lamost.names import Name, parse_name, sort_files
from pipeline.spectra.lamost.selection import find_primary
from pipeline.spectra.lamost.survey import LamostSurvey
from pipeline.spectra.science.air import to_air
from pipeline.spectra.surveys import recognise_survey

ROWS = [make_row(fibre) for fibre in range(1, 9)]
GRID = LamostSurvey.sampling.grid
NO_REDDENING = "LAMOST has no E(B-V): its spectra are not dereddened"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "spectra"


def run(store: Store, folder: Path, *stages: str) -> list[Report]:
    return [run_one(store, make_config(folder), stage) for stage in stages]


def make_config(folder: Path) -> Config:
    return load_config(None, ["run.survey=lamost"], source=str(folder))


def reach(store: Store, folder: Path) -> Report:
    """Run up to `extract` and return its report."""
    return run(store, folder, "target", "adopt", "acquire", "extract")[-1]


def list_drops(report: Report) -> dict[str, int]:
    return {gate: count for gate, count in report.dropped.items() if count}


@pytest.mark.parametrize("is_old", [False, True])
@pytest.mark.parametrize("bar", ["", "|", ","])
def test_both_layouts_with_or_without_the_catalogue(
    store: Store, folder: Path, is_old: bool, bar: str
) -> None:
    write_files(folder / PLAN, ROWS, is_old)
    if bar:
        write_catalogue(folder, ROWS, bar)
    report = reach(store, folder)
    assert (report.n_made, list_drops(report), report.notes) == (len(ROWS), {}, ())
    coadds = read_all(store, "coadds")
    assert coadds["TARGETID"].to_pylist() == [row["obsid"] for row in ROWS]
    assert set(coadds["PROGRAM"].to_pylist()) == {PLAN}
    assert set(coadds["HEALPIX"].to_pylist()) == {LMJD}
    assert coadds["PETAL_LOC"].to_pylist() == [2] * len(ROWS)
    assert coadds["FIBER"].to_pylist() == [500 + row["fiberid"] for row in ROWS]
    assert coadds["NIGHT"][0].as_py() == 20131224
    for name in ("snr_z", "coverage_z"):
        assert coadds[name].null_count == len(ROWS)
    # Relative: in units of its median, with the noise that it had.
    flux = np.array(coadds["flux"].to_pylist())
    ivar = np.array(coadds["ivar"].to_pylist())
    assert np.median(flux[ivar > 0]) == pytest.approx(1, abs=0.01)
    assert np.sqrt(ivar[ivar > 0].mean()) == pytest.approx(10, rel=0.02)
    first = np.flatnonzero(ivar[0])[0]
    assert GRID.wave[first] == pytest.approx(WAVE[0], rel=1e-6)


def test_a_masked_pixel_is_bad(store: Store, folder: Path) -> None:
    mask = np.zeros(len(WAVE))
    mask[100:110] = 1
    write_files(folder, ROWS[1:])
    write_file(folder, ROWS[0], ANDMASK=mask)
    reach(store, folder)
    ivar = np.array(read_all(store, "coadds")["ivar"].to_pylist())
    assert np.count_nonzero(ivar, axis=1).tolist() == [len(WAVE) - 10] + [len(WAVE)] * 7


def test_air_is_converted_beside_vacuum(store: Store, folder: Path) -> None:
    line = 300 + 3000 * np.exp(-0.5 * ((WAVE - 6000) / 10) ** 2)
    write_files(folder, ROWS[2:])
    write_file(folder, ROWS[0], FLUX=line)
    write_file(folder, ROWS[1], header={"VACUUM": False}, FLUX=line, WAVELENGTH=to_air(WAVE))
    report = reach(store, folder)
    assert report.n_made == len(ROWS)
    assert report.notes[0].endswith("1 of 8 spectra have wavelengths in air; converted")
    flux = np.array(read_all(store, "coadds")["flux"].to_pylist())
    peaks = [(GRID.wave * row**4).sum() / (row**4).sum() for row in flux[:2]]
    assert peaks[0] == pytest.approx(6000, abs=0.05)
    assert peaks[1] == pytest.approx(peaks[0], abs=0.05)


def test_pixels_between_the_grid_s_are_resampled_with_a_note(store: Store, folder: Path) -> None:
    write_files(folder, ROWS[1:])
    write_file(folder, ROWS[0], WAVELENGTH=WAVE * 10**0.5e-4)
    report = reach(store, folder)
    assert report.n_made == len(ROWS)
    assert "have other pixels than LAMOST's; resampled" in report.notes[0]


@pytest.mark.parametrize(
    ("changes", "gate"),
    [
        ({"class": "GALAXY"}, "not_quasar"),
        ({"class": "Unknown"}, "unknown_class"),
        ({"fibertype": "Sky"}, "not_a_target"),
        ({"fibertype": "PosErr"}, "bad_fiberstatus"),
        ({"z": -9999.0}, "no_redshift"),
        ({"z": 99.0}, "redshift_outside_range"),
        ({"ra": 80.02, "snri": 2.0}, "not_primary"),
        ({"dec": 95.0}, "no_position"),
    ],
)
@pytest.mark.parametrize("has_table", [False, True])
def test_every_gate_counts_its_row(
    store: Store, folder: Path, changes: dict, gate: str, has_table: bool
) -> None:
    rows = [*ROWS, make_row(14, **changes)]
    write_files(folder, rows)
    if has_table:
        write_catalogue(folder, rows)
    [report] = run(store, folder, "target")
    assert (report.n_made, list_drops(report)) == (len(ROWS), {gate: 1})
    assert report.notes == (NO_REDDENING,)


def test_a_fault_of_the_fibre_in_the_header(store: Store, folder: Path) -> None:
    write_files(folder, ROWS[1:])
    write_file(folder, ROWS[0], header={"FIBERMAS": 4})
    assert list_drops(run(store, folder, "target")[0]) == {"bad_fiberstatus": 1}


@pytest.mark.parametrize("has_table", [False, True])
@pytest.mark.parametrize("is_old", [False, True])
def test_a_truncated_file_is_one_line_and_the_others_go_on(
    store: Store, folder: Path, is_old: bool, has_table: bool
) -> None:
    paths = write_files(folder, ROWS, is_old)
    if has_table:
        write_catalogue(folder, ROWS)
    paths[2].write_bytes(paths[2].read_bytes()[:20_000])
    report = reach(store, folder) if has_table else run(store, folder, "target")[0]
    assert list_drops(report) == {"unreadable_spectrum": 1}
    [note] = [note for note in report.notes if note != NO_REDDENING]
    assert paths[2].name in note
    assert "truncated" in note


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"WAVELENGTH": WAVE[::-1]}, "wavelengths do not rise"),
        ({"WAVELENGTH": np.r_[WAVE[:100], WAVE[90:-10]]}, "wavelengths do not rise"),
        ({"WAVELENGTH": np.log10(WAVE)}, "no wavelengths in Å"),
        ({"FLUX": make_spectrum(1)["FLUX"][:-5]}, "different lengths"),
    ],
)
def test_bad_pixels_drop_their_spectrum(
    store: Store, folder: Path, columns: dict, message: str
) -> None:
    write_files(folder, ROWS[1:])
    write_file(folder, ROWS[0], **columns)
    report = reach(store, folder)
    assert list_drops(report) == {"unreadable_spectrum": 1}
    assert message in report.notes[0]


def test_a_gap_stays_a_gap(store: Store, folder: Path) -> None:
    kept = np.delete(np.arange(len(WAVE)), np.s_[1000:1200])
    short = {name: values[kept] for name, values in make_spectrum(1).items()}
    write_files(folder, ROWS[1:])
    write_file(folder, ROWS[0], **short)
    reach(store, folder)
    ivar = np.array(read_all(store, "coadds")["ivar"].to_pylist())
    assert np.count_nonzero(ivar[0]) == len(kept)


def test_a_spectrum_longer_than_the_grid(store: Store, folder: Path) -> None:
    wave = 10 ** (3.5682 + 1e-4 * np.arange(4100))
    write_files(folder, ROWS[1:])
    write_file(folder, ROWS[0], **make_spectrum(1, wave))
    report = reach(store, folder)
    assert report.n_made == len(ROWS)
    assert "good pixels of 1 spectra lie beyond the grid" in report.notes[0]


def test_headers_that_contradict_catalogue_and_name(store: Store, folder: Path) -> None:
    write_files(folder, ROWS[3:])
    write_file(folder, ROWS[0], header={"RA": 12.0})
    write_file(folder, ROWS[1], header={"FIBERID": 99})
    write_file(folder, ROWS[2], header={"Z": 0.4})
    write_catalogue(folder, ROWS)
    _, adopt, _, extract = run(store, folder, "target", "adopt", "acquire", "extract")
    assert list_drops(adopt) == {"redshift_mismatch": 1}
    assert list_drops(extract) == {"position_mismatch": 1, "unreadable_spectrum": 1}
    assert "its keywords are those of spec-56650-HD083217N451811V01_sp03-099" in extract.notes[0]


def test_an_obsid_of_other_digits_is_looked_for(store: Store, folder: Path) -> None:
    rows = [*ROWS, make_row(9, obsid=77)]
    write_files(folder, rows)
    write_catalogue(folder, rows)
    assert reach(store, folder).n_made == len(rows)
    write_catalogue(folder, [*ROWS, make_row(9, obsid=78)])
    assert list_drops(reach(store, folder)) == {"not_in_coadd": 1}


def test_rows_without_files_files_without_rows_and_two_of_one(store: Store, folder: Path) -> None:
    write_files(folder / "a", ROWS)
    write_files(folder / "b", ROWS[:2])
    write_catalogue(folder, [*ROWS[1:], make_row(200), make_row(3, planid="OTHER", obsid=5)])
    [report] = run(store, folder, "target")
    wanted = {"no_spectrum_file": 2, "not_in_catalogue": 1, "duplicate_row": 2}
    assert list_drops(report) == wanted


def test_sky_fibres_are_controls(store: Store, folder: Path) -> None:
    sky = [make_row(fibre, fibertype="Sky", **{"class": "Unknown"}) for fibre in range(20, 24)]
    write_files(folder, [*ROWS, *[row | {"z": -9999.0} for row in sky]])
    config = load_config(None, ["run.survey=lamost", "target.sky_fraction=1.0"], source=str(folder))
    run_one(store, config, "target")
    rows = store.read(store.lake.table("candidates")).to_pylist()
    assert [row["control"] for row in rows] == [None] * len(ROWS) + ["sky"] * 4


def test_what_is_no_source_is_one_line(store: Store, folder: Path) -> None:
    folder.mkdir()
    with pytest.raises(UserError, match="no file spec-LMJD-PLANID_spSPID-FIBERID"):
        LamostSurvey.open(store, make_config(folder))
    write_files(folder, ROWS)
    other = write_catalogue(folder, ROWS).rename(folder / "dr5_v3.csv")
    other.write_text(other.read_text().replace("QSO", "A"))
    with pytest.raises(UserError, match="none of 8 rows"):
        run(store, folder, "target")
    write_catalogue(folder, ROWS)
    with pytest.raises(UserError, match="are catalogues; keep one"):
        run(store, folder, "target")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("planid", "plan", "no column planid; it has obsid"),
        (PLAN, "a/b", "is no name of a plan"),
        ("231003001", "", "no number in it"),
        ("231003001", "x", "column obsid, row 1"),
    ],
)
def test_a_bad_catalogue_is_one_line(
    store: Store, folder: Path, old: str, new: str, message: str
) -> None:
    write_files(folder, ROWS)
    path = write_catalogue(folder, ROWS)
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(UserError, match=message):
        run(store, folder, "target")


def test_lamost_is_named(folder: Path, tmp_path: Path) -> None:
    write_files(folder / PLAN, ROWS[:1])
    assert LamostSurvey.recognise(str(folder))
    assert LamostSurvey.recognise(str(folder / PLAN))
    assert not LamostSurvey.recognise(str(tmp_path))
    assert recognise_survey(RunSettings(source=str(folder), survey="lamost")) is LamostSurvey


def test_names_are_read_and_written() -> None:
    name = Name(55859, "GAC_089N28_B1", 1, 250)
    assert parse_name(f"x/{name}.fits.gz") == parse_name(f"{name}.fit") == name
    assert parse_name("spec-3655-55240-0026.fits") is None
    assert sort_files("", ["dr9_v1.0_LRS_stellar.csv", "dr7.txt"]).table == ""
    for table in ("dr5.fits.gz", "dr9_v1.0_LRS_catalogue.csv", "dr7_v2.0_LRS_catalogue.fits"):
        assert sort_files("", [table]).table == table


def test_of_spectra_of_one_object_the_best_is_primary() -> None:
    ra, dec = np.array([10, 10.0002, 10.01, 359.9999, 0.0]), np.array([0, 0, 0, 80, 80.0])
    found = find_primary(ra, dec, np.array([1, 5, 0, 3, np.nan]))
    assert found.tolist() == [False, True, True, True, False]
    assert find_primary(ra[:0], dec[:0], ra[:0]).tolist() == []


def test_the_survey_travels() -> None:
    survey = LamostSurvey("here", AcquireSettings())
    assert pickle.loads(pickle.dumps(survey)) == survey


@pytest.mark.slow
def test_from_a_mock_to_a_release(call: Callable, tmp_path: Path) -> None:
    """One command from files in LAMOST's layouts to a release that passes its checks."""
    tree = tmp_path / "tree"
    words = ("--quasars", 90, "--pixels", 3, "--seed", 5, "--to", tree)
    assert call("mock", "--layout", "lamost", *words)[0] == 0
    truth = pq.read_table(tree.with_name("tree-truth.parquet"))
    given = [
        word
        for setting in SMALL
        if not setting.startswith("target.z")
        for word in ("--set", setting)
    ]
    where = ("--survey", "lamost", "--source", tree, "--root", tmp_path / "root")
    code, out, err = call("run", *where, "--version", "0.1.0", *given)
    assert code == 0, err
    release = tmp_path / "root/releases/0.1.0"
    code, out, _ = call("release", "validate", release)
    assert (code, " 0 failed" in out) == (0, True), out
    rows = pq.read_table(release / "catalog/quasars.parquet")
    assert rows.num_rows > 50
    assert set(rows["TARGETID"].to_pylist()) <= set(truth["TARGETID"].to_pylist())
