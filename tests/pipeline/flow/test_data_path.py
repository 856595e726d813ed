"""The whole path: run twice it does nothing, and its state is told truly."""

from pathlib import Path

import pytest
from lake_runs import finished_shards

from pipeline.config import Config
from pipeline.context.catalogues.declared import read_declared
from pipeline.errors import UserError
from pipeline.flow.data_path import inspect_datasets, run_stages
from pipeline.flow.report import Report
from pipeline.flow.root import read_saved_config
from pipeline.flow.status import describe_failures, describe_status
from pipeline.lake.store import Store
from pipeline.ledger.books import Ledger
from pipeline.spectra.data_path import SPECTRA

NAMES = [stage.name for stage in SPECTRA.stages]


def run(store: Store, config: Config, last: str | None = None) -> list[Report]:
    with store.lock():
        return run_stages(store, config, lambda name, report: None, last)


def list_files(store: Store) -> dict[Path, int]:
    files = [*(store.root / "lake").rglob("*.parquet"), *(store.root / "models").rglob("*.*")]
    return {path: path.stat().st_mtime_ns for path in files if path.is_file()}


def test_second_run_changes_nothing(lake: Store, config: Config) -> None:
    before = list_files(lake)
    reports = run(lake, config)
    assert len(reports) == len(SPECTRA.stages)
    assert [report.made for report in reports] == [0] * len(SPECTRA.stages)
    assert list_files(lake) == before


def test_every_row_of_the_lake_is_accounted_for(finished: Store) -> None:
    outcomes = Ledger(finished.lake.ledger).outcomes()
    assert {o.stage for o in outcomes} == set(NAMES) - {
        "train",
        "calibrate",
        "classify",
        "grade",
        "control",
        "inject",
        "earlier",
        "crossmatch",
    }
    assert all(o.imbalance == 0 for o in outcomes)


def test_states_are_done_stale_and_missing(lake: Store, config: Config) -> None:
    states = {s.stage: (s.done, s.stale, s.missing) for s in inspect_datasets(lake, config)}
    sharded = ("adopt", "extract", "preprocess", "score", "measure", "reconstruct")
    # Calibration makes the significance and the population beside the model.
    twofold = (*sharded, "calibrate")
    # Without an index of earlier spectra there is nothing to make of them.
    counts = {stage: 2 if stage in twofold else 1 for stage in NAMES} | {"earlier": 0}
    # Evidence and classes, those of the controls apart; beside the model, what it has learnt.
    counts["classify"] = 6
    # Two files for each external catalogue, searched or not.
    counts["crossmatch"] = 2 * len(read_declared())
    assert states == {stage: (count, 0, 0) for stage, count in counts.items()}
    lake.lake.shard("coadds", finished_shards(lake, "extract")[0]).unlink()
    other = config.model_copy(update={"score": config.score.model_copy(update={"trees": 7})})
    states = {s.stage: (s.done, s.stale, s.missing) for s in inspect_datasets(lake, other)}
    assert states["extract"] == (1, 0, 1)
    assert states["score"] == (0, 2, 0)


def test_run_stops_after_the_last_stage(store: Store, config: Config) -> None:
    assert len(run(store, config, last="acquire")) == 3
    assert not store.lake.dataset("coadds").exists()
    assert read_saved_config(store) == config


def test_settings_remake_what_depends_on_them(lake: Store, config: Config) -> None:
    other = config.model_copy(
        update={"calibrate": config.calibrate.model_copy(update={"tail_fraction": 0.2})}
    )
    made = {stage: report.made for stage, report in zip(NAMES, run(lake, other), strict=True)}
    assert {stage for stage, n in made.items() if n} <= {
        "calibrate",
        "measure",
        "classify",
        "grade",
        "control",
        "inject",
        "reconstruct",
    }
    assert made["calibrate"] == 1


def test_status_tells_what_is_there(lake: Store, store: Store) -> None:
    lines = "\n".join(describe_status(lake))
    assert "coadds                  2       0       0" in lines
    assert "release     none yet" in lines
    assert [*describe_failures(lake)] == ["no shard failed"]
    with pytest.raises(UserError, match="no run has been made here"):
        [*describe_status(store)]
