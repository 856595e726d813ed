"""The stage: every earlier spectrum at an object's position ends in one state, and is told."""

import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from lake_runs import finished_shards, read_all, read_shards, run_one
from numpy.typing import NDArray
from spec_files import LOGLAM, write_spec

from catalog_schema.desi import WAVE_SIZE, WAVE_START, WAVE_STEP
from catalog_schema.tables import CHANGES, CLASSES, EVIDENCE, TARGETS
from catalog_schema.validate import find_violations
from catalog_schema.vocabulary import ChangeState
from pipeline.config import Config
from pipeline.errors import UserError
from pipeline.flow.report import Report
from pipeline.lake.store import Store, replace_columns, to_matrix
from pipeline.settings.spectra import EarlierSettings
from pipeline.spectra.earlier_index import read_index

WAVE = WAVE_START + WAVE_STEP * np.arange(WAVE_SIZE)
PRESENT_MJD = 59500.0
NOISE = 0.1


def set_date(lake: Store) -> None:
    """Give every target the date that the small survey's catalogue lacks."""
    for shard in finished_shards(lake, "score"):
        path = lake.lake.shard(TARGETS.name, shard)
        stamp, rows = lake.read_stamp(path), lake.read(path)
        dated = replace_columns(rows, {"MEAN_MJD": np.full(rows.num_rows, PRESENT_MJD)})
        lake.write(
            path,
            dated,
            TARGETS,
            fingerprint=stamp.fingerprint,
            n_expected=stamp.n_expected,
            n_made=stamp.n_made,
        )


def see_earlier(flux: NDArray, z: float, ciii: float, seed: int) -> dict[str, NDArray]:
    """Return columns of a spec file: a smoothed spectrum with more or less of CIII]."""
    light = np.interp(10**LOGLAM, WAVE, np.convolve(flux, np.full(25, 1 / 25), mode="same"))
    rest = 10**LOGLAM / (1 + z)
    light *= 1 + ciii * np.exp(-0.5 * ((rest - 1909) / 25) ** 2)
    noise = NOISE * np.random.default_rng(seed).standard_normal(len(LOGLAM))
    return {
        "flux": (light + noise).astype(np.float32),
        "ivar": np.full(len(LOGLAM), NOISE**-2, np.float32),
    }


@pytest.fixture
def past(lake: Store, tmp_path: Path) -> EarlierSettings:
    """Earlier spectra of ten objects: unchanged, CIII] stronger, and every fault there is."""
    set_date(lake)
    shards = finished_shards(lake, "score")
    spectra = pa.concat_tables(read_shards(lake, "coadds", shards).values())
    flux = dict(zip(spectra["TARGETID"].to_pylist(), to_matrix(spectra["flux"]), strict=True))
    targets = pa.concat_tables(read_shards(lake, "targets", shards).values()).to_pylist()
    folder, rows = tmp_path / "spectra", []
    for number, target in enumerate(targets[:10]):
        name, z, mjd = f"{number}/spec.fits", target["Z"], 55000.0
        columns = see_earlier(flux[target["TARGETID"]], z, 6.0 * (number == 3), number)
        if number == 4:
            columns["ivar"] = np.zeros(len(LOGLAM), np.float32)
        if number == 5:
            columns = see_earlier(np.zeros(WAVE_SIZE), z, 0.0, number)
        if number == 6:
            mjd = PRESENT_MJD - 0.1
        path = write_spec(folder / name, **columns)
        if number == 7:
            path.unlink()
        if number == 8:
            path.write_bytes(path.read_bytes()[:9000])
        rows.append(
            {"ra": target["TARGET_RA"], "dec": target["TARGET_DEC"], "mjd": mjd, "file": name}
        )
    # The first object was seen twice before; of the rest nothing is near.
    shutil.copytree(folder / "0", folder / "again")
    rows.append({**rows[0], "mjd": 56000.0, "file": "again/spec.fits"})
    rows.append({**rows[0], "mjd": 57000.0})
    rows.append({**rows[0], "ra": 200.0, "file": "elsewhere.fits"})
    rows.append({**rows[0], "ra": None, "file": "nowhere.fits"})
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "index.parquet")
    return EarlierSettings(index=str(tmp_path / "index.parquet"), spectra=str(folder))


def run(lake: Store, config: Config, settings: EarlierSettings) -> Report:
    with lake.ledger.closing():
        return run_one(lake, config.model_copy(update={"earlier": settings}), "earlier")


STATES = ["measured"] * 5 + [
    "no_overlap",
    "no_signal",
    "not_earlier",
    "file_missing",
    "unreadable",
    "measured",
]


def test_every_pair_has_its_state(lake: Store, config: Config, past: EarlierSettings) -> None:
    report = run(lake, config, past)
    rows = read_all(lake, CHANGES.name)
    assert find_violations(rows, CHANGES) == []
    found = {row["earlier_file"]: row for row in rows.to_pylist()}
    names = ["again/spec.fits", *(f"{number}/spec.fits" for number in range(10))]
    assert [found[name]["change_state"] for name in names] == STATES
    assert set(STATES) == {*ChangeState}
    assert len(found) == report.n_made == report.n_expected == 11
    assert "index.parquet: 1 rows have no position, date or file" in report.notes
    assert "index.parquet: 1 rows repeat the file of another one" in report.notes
    assert any("file_missing" in note for note in report.notes)
    changed = [name for name, row in found.items() if row["has_changed"]]
    assert changed == ["3/spec.fits"]
    row = found["3/spec.fits"]
    assert row["changed_line"] == "ciii"
    assert row["line_change"] < -3
    assert row["line_ratio"] == pytest.approx(row["ciii_flux"] / row["ciii_earlier_flux"])
    assert row["rest_days"] == pytest.approx(4500 / 2.7, rel=0.1)
    assert "truncated" in found["8/spec.fits"]["change_error"]
    assert str(past.spectra) not in found["8/spec.fits"]["change_error"]
    for name in (*names[:5], names[-1]):
        assert found[name]["scale_source"] == "assumed"
        assert found[name]["continuum_ratio"] == pytest.approx(1, abs=0.1)


def test_made_once_and_again_when_a_file_comes(
    lake: Store, config: Config, past: EarlierSettings
) -> None:
    first = run(lake, config, past)
    again = run(lake, config, past)
    assert (again.made, again.skipped) == (0, first.made)
    source = Path(past.spectra) / "9" / "spec.fits"
    (Path(past.spectra) / "7").mkdir(exist_ok=True)
    shutil.copy(source, Path(past.spectra) / "7" / "spec.fits")
    assert run(lake, config, past).made == 1
    states = read_all(lake, CHANGES.name)["change_state"].to_pylist()
    assert "file_missing" not in states


def test_a_changed_line_makes_a_changing_look(
    lake: Store, config: Config, past: EarlierSettings
) -> None:
    run(lake, config, past)
    [changed] = [row for row in read_all(lake, CHANGES.name).to_pylist() if row["has_changed"]]
    assert run_one(lake, config, "classify").made == 1
    rows = lake.read(lake.lake.table(CLASSES.name)).to_pylist()
    [mine] = [row for row in rows if row["TARGETID"] == changed["TARGETID"]]
    evidence = lake.read(lake.lake.table(EVIDENCE.name))
    assert find_violations(evidence, EVIDENCE) == []
    told = [row for row in evidence.to_pylist() if row["compared_mjd"] is not None]
    if mine["better_z"] is None:
        assert mine["anomaly_class"] == "changing_look"
        [row] = told
        assert (row["TARGETID"], row["feature"]) == (changed["TARGETID"], "ciii_change")
        assert row["compared_mjd"] == changed["earlier_mjd"]
        assert row["departure"] == pytest.approx(changed["line_change"])
        assert row["contribution"] > 0
    else:
        assert told == []


def test_without_an_index_nothing_is_made(lake: Store, config: Config) -> None:
    report = run(lake, config, EarlierSettings())
    assert (report.made, report.n_expected) == (0, 0)
    assert not lake.lake.dataset(CHANGES.name).exists()


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"ra": [1.0], "dec": [2.0], "mjd": [5e4]}, "no column 'file'"),
        ({"ra": [1.0], "dec": [99.0], "mjd": [5e4], "file": ["a"]}, "none of 1 rows"),
        ({"ra": [1.0], "dec": [2.0], "mjd": ["May"], "file": ["a"]}, "modified Julian date"),
        ({"ra": [1.0], "dec": [2.0], "mjd": [5e4], "file": ["/a"]}, "absolute paths"),
        ({"ra": ["1h"], "dec": ["2d"], "mjd": [5e4], "file": ["a"]}, "'1h' is no number"),
    ],
)
def test_a_bad_index_is_the_users_error(tmp_path: Path, columns: dict, message: str) -> None:
    pq.write_table(pa.table(columns), tmp_path / "index.parquet")
    with pytest.raises(UserError, match=message):
        read_index(tmp_path / "index.parquet", EarlierSettings())


def test_a_place_that_is_not_there_is_the_users_error(
    lake: Store, config: Config, past: EarlierSettings
) -> None:
    lost = past.model_copy(update={"spectra": "nowhere"})
    with pytest.raises(UserError, match=r"earlier\.spectra nowhere: no such file"):
        run(lake, config, lost)
