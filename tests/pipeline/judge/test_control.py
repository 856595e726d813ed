"""Negative controls: graded by the quasars' own limits, none lost, made once."""

import pyarrow.compute as pc

from catalog_schema.tables import CONTROLS
from catalog_schema.validate import find_violations
from pipeline.config import Config
from pipeline.judge.calibrate import read_scores
from pipeline.judge.control import control
from pipeline.lake.store import Store


def test_every_scored_control_is_there(finished: Store) -> None:
    controls = finished.read(finished.lake.table("controls"))
    scores = read_scores(finished)
    wanted = scores.filter(pc.equal(scores["parent"], "control"))
    assert find_violations(controls, CONTROLS) == []
    assert sorted(controls["TARGETID"].to_pylist()) == sorted(wanted["TARGETID"].to_pylist())


def test_made_once(lake: Store, config: Config) -> None:
    assert control(lake, config).skipped == 1
    changed = config.model_copy(
        update={"calibrate": config.calibrate.model_copy(update={"bronze": 0.2})}
    )
    assert control(lake, changed).made == 1
