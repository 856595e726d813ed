"""From a tree to a release by the command line; a killed run ends in the same bytes."""

import json
import os
import shutil
import signal
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from command_line import Run, run_arguments, sums
from forked import start_qad

from pipeline.spectra.data_path import SPECTRA

pytestmark = pytest.mark.slow


def test_release_is_valid_and_holds_every_scored_row(finished: Path, qad: Run) -> None:
    release = finished / "releases" / "0.1.0"
    checked = qad("release", "validate", release)
    assert checked.returncode == 0, checked.stdout
    catalogue = pq.read_table(release / "catalog" / "quasars.parquet")
    scored = sum(
        pq.read_metadata(path).num_rows for path in finished.glob("lake/scores/*/*/*.parquet")
    )
    withheld = sum(
        row["n_dropped"]
        for row in pq.read_table(release / "completeness" / "gates.parquet").to_pylist()
        if row["gate"] in ("repeat_observation", "negative_control")
    )
    assert catalogue.num_rows + withheld == scored > 50
    assert set(catalogue["parent"].to_pylist()) == {"core", "extended"}


def test_every_catalogue_row_is_accounted_for_in_status(finished: Path, qad: Run) -> None:
    shown = qad("status", "--root", finished)
    assert shown.returncode == 0
    assert "not accounted for" not in shown.stdout
    datasets = [line.split() for line in shown.stdout.splitlines()[3 : 3 + len(SPECTRA.stages)]]
    assert all(row[2:] == ["0", "0", "0"] for row in datasets), shown.stdout
    # Without an index of earlier spectra there is no dataset of theirs.
    assert [row[0] for row in datasets if row[1] == "0"] == ["changes"]


def test_second_run_finds_everything_done(survey: Path, finished: Path, qad: Run) -> None:
    before = sums(finished)
    again = qad(*run_arguments(survey, finished))
    assert again.returncode == 0
    stages = [line for line in again.stdout.splitlines() if " made, " in line]
    assert len(stages) == len(SPECTRA.stages)
    assert all(" 0 made, " in line for line in stages), again.stdout
    assert sums(finished) == before


def test_changed_setting_makes_stale_datasets_and_another_release(
    survey: Path, finished: Path, tmp_path: Path, qad: Run
) -> None:
    root = Path(shutil.copytree(finished, tmp_path / "root"))
    changed = qad(*run_arguments(survey, root, preprocess__min_valid_fraction=0.3))
    assert changed.returncode == 2
    assert "0.1.0 exists" in changed.stderr
    assert "choose another --version" in changed.stderr


def test_run_killed_at_every_turn_resumes_to_the_same_release(
    survey: Path, finished: Path, tmp_path: Path, qad: Run
) -> None:
    root = tmp_path / "root"
    for appears in (
        "lake/coadds/*/*/*.parquet",
        "models/.*.checkpoint",
        "lake/tiers/tiers.parquet",
        "releases/.*/catalog",
    ):
        kill_when(root, appears, survey)
        assert not (root / "releases" / "0.1.0").exists()
    resumed = qad(*run_arguments(survey, root))
    assert resumed.returncode == 0, resumed.stderr
    assert sums(root) == sums(finished)


def kill_when(root: Path, appears: str, survey: Path) -> None:
    """Start a run and kill it when a file of that pattern appears."""
    assert not any(root.glob(appears))
    process = start_qad(*run_arguments(survey, root))
    deadline = time.monotonic() + 240
    while not any(root.glob(appears)) and process.is_alive() and time.monotonic() < deadline:
        time.sleep(0.002)
    assert process.is_alive(), f"the run ended before {appears} was seen"
    os.killpg(process.pid, signal.SIGKILL)
    process.join()


def test_model_scores_another_tree_and_loose_files(
    survey: Path, finished: Path, tmp_path: Path, qad: Run
) -> None:
    [card] = finished.glob("models/*/model.json")
    model = json.loads(card.read_text())["id"]
    coadd = next(survey.glob("spectro/redux/iron/healpix/sv3/dark/*/*/coadd-*.fits"))
    for source in (survey, coadd):
        scored = qad("score", "--model", model, "--source", source, "--root", finished)
        assert scored.returncode == 0, scored.stderr
        path = Path(scored.stdout.split("results")[1].strip())
        rows = pq.read_table(path)
        assert rows.num_rows >= 5
        assert rows["p_value"].null_count == 0
    unknown = qad("score", "--model", "nosuch", "--source", survey, "--root", tmp_path)
    assert unknown.returncode == 2
    assert "nosuch" in unknown.stderr
