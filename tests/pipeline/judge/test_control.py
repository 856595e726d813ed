"""Negative controls: graded by the quasars' own limits, none lost, made once."""

import pyarrow.compute as pc
from lake_runs import run_one

from catalog_schema.tables import CONTROLS
from catalog_schema.validate import find_violations
from pipeline.config import Config
from pipeline.flow.data_path import start_run
from pipeline.judge.scores import read_scores
from pipeline.lake.store import Store


def test_every_scored_control_is_there(finished: Store) -> None:
    controls = finished.read(finished.lake.table("controls"))
    scores = read_scores(start_run(finished, Config()))
    wanted = scores.filter(pc.equal(scores["parent"], "control"))
    assert find_violations(controls, CONTROLS) == []
    assert sorted(controls["TARGETID"].to_pylist()) == sorted(wanted["TARGETID"].to_pylist())


def test_made_once(lake: Store, config: Config) -> None:
    assert run_one(lake, config, "control").skipped == 1
    changed = config.model_copy(update={"grade": config.grade.model_copy(update={"bronze": 0.999})})
    assert run_one(lake, changed, "control").skipped == 1
    assert run_one(lake, changed, "grade").made == 1
    assert run_one(lake, changed, "control").made == 1
