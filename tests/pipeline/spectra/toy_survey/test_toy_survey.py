"""A survey unlike DESI goes from its files to a release and to the portal by the command line."""

import os
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lake_runs import SMALL, run_one
from pages import open_page, written
from toy_survey import ToySurvey

from catalog_schema import contents
from catalog_schema.desi import SAMPLING as DESI
from pipeline.config import load_config
from pipeline.errors import UserError
from pipeline.lake.store import Store
from pipeline.settings.run import RunSettings
from pipeline.spectra.desi.survey import DesiSurvey
from pipeline.spectra.loose.files import LooseFiles
from pipeline.spectra.surveys import SURVEYS, recognise_survey

SAMPLING = ToySurvey.sampling
SIZE = SAMPLING.grid.size
PAGES = ("explore", "object", "sql", "match", "review", "statistics", "about")
# No pixels of the sky, and beyond all their numbers.
FIELDS = (700_001, 700_002)
N = 60


def write_survey(folder: Path) -> Path:
    """Write power laws with a broad line, of which the last has a redshift out of range."""
    rng = np.random.default_rng(1)
    z, number = rng.uniform(1.5, 1.9, N), np.arange(1, N + 1)
    z[-1] = 99.0
    rest = SAMPLING.grid.wave / (1 + z[:, None])
    height = rng.lognormal(0, 0.3, (N, 1))
    flux = (rest / 2000) ** rng.normal(-1.5, 0.2, (N, 1))
    flux *= 1 + height * np.exp(-0.5 * ((rest - 1909) / 25) ** 2)
    flux += 0.1 * rng.standard_normal(flux.shape)
    field = np.asarray(FIELDS)[number % 2]
    folder.mkdir()
    for name in FIELDS:
        here = field == name
        ivar = np.full((here.sum(), SIZE), 100.0)
        np.savez(folder / f"{name}.npz", number=number[here], flux=flux[here], ivar=ivar)
    rows = np.column_stack([field, number, rng.uniform(10, 60, N), rng.uniform(-5, 40, N), z])
    path, formats = folder / "redshifts.csv", ("%d", "%d", "%.6f", "%.6f", "%.6f")
    np.savetxt(path, rows, formats, delimiter=",", header="field,number,ra,dec,z", comments="")
    return folder


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A survey on disk, and its name among the others."""
    monkeypatch.setitem(SURVEYS, "toy", ToySurvey)
    return write_survey(tmp_path / "survey")


@pytest.mark.slow
def test_from_files_to_a_release_and_to_the_portal(
    call: Callable, toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = [word for setting in SMALL for word in ("--set", setting)]
    where = ("--survey", "toy", "--source", toy, "--root", tmp_path / "root")
    code, out, err = call("run", *where, "--version", "0.1.0", *given)
    assert (code, err) == (0, "")
    assert f"{N - 1} quasars" in out
    release = tmp_path / "root/releases/0.1.0"
    code, out, _ = call("release", "validate", release)
    assert (code, " 0 failed" in out) == (0, True), out
    rows = pq.read_table(release / "catalog/quasars.parquet").sort_by("score_rank")
    assert set(rows["HEALPIX"].to_pylist()) == set(FIELDS)
    assert set(rows["z_source"].to_pylist()) == {"catalogue"}
    assert rows["coverage_r"].to_pylist() == [1.0] * (N - 1)
    for name in ("coverage_b", "coverage_z", "chi2_b", "chi2_z", "snr_b"):
        assert rows[name].null_count == N - 1
    published = pq.read_table(release / contents.SPECTRA, columns=["TARGETID"])["TARGETID"]
    first = str(published[0].as_py())
    for page in PAGES:
        app = open_page(monkeypatch, release, page, targetid=first)
        assert not app.error
        if page == "object":
            assert f"{SIZE:,} pixels are good" in written(app)
            assert "coadd file" not in written(app)
    # Nothing is left out as poor, though two arms are not there; only what is called an artefact.
    app = open_page(monkeypatch, release)
    n_faults = rows["anomaly_class"].to_pylist().count("artefact")
    assert n_faults < 0.1 * N
    assert app.metric[0].value == str(N - 1 - n_faults)


def test_a_missing_and_a_changed_file_fail_their_shard(
    store: Store, toy: Path, tmp_path: Path
) -> None:
    config = load_config(None, [*SMALL, "run.survey=toy"], source=str(toy))
    (toy / f"{FIELDS[0]}.npz").unlink()
    for stage in ("target", "adopt", "acquire"):
        report = run_one(store, config, stage)
    [failed] = report.failed
    assert (failed.shard.healpix, "No such file" in failed.error) == (FIELDS[0], True)
    os.utime(toy / f"{FIELDS[1]}.npz", (0, 0))
    [failed] = run_one(store, config, "extract").failed
    assert "changed since it was listed" in failed.error


@given(name=st.text(max_size=8))
def test_a_survey_is_recognised_or_named(name: str, tmp_path_factory) -> None:
    folder = tmp_path_factory.getbasetemp()

    def find(source: str | Path, survey: str = "") -> type:
        return recognise_survey(RunSettings(source=str(source), survey=survey))

    for source in ("mock", "s3://desidata/dr1", folder / "absent"):
        assert find(source) is DesiSurvey
    assert find(folder) is LooseFiles
    assert find(folder, "desi-tiles") is DesiSurvey
    if name:
        with pytest.raises(UserError, match=r"run\.survey"):
            find("mock", f"not {name}")


def test_the_toy_s_grid_is_not_desi_s() -> None:
    assert DESI.grid.size != SIZE
    assert SAMPLING.joins == {}
    assert SAMPLING.spans == {"r": (0.0, float("inf"))}


def test_a_survey_travels() -> None:
    survey = ToySurvey("here")
    assert pickle.loads(pickle.dumps(survey)) == survey
