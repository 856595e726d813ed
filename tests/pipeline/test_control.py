"""Negative controls: graded by the quasars' own limits, none lost, made once."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from catalog_schema.tables import CONTROLS
from catalog_schema.validate import find_violations
from pipeline.calibrate import read_scores
from pipeline.config import Config
from pipeline.control import control, find_tiers
from pipeline.store import Store


def test_tiers_by_the_largest_p_value_of_each() -> None:
    tiers = pa.table({
        "tier": ["gold", "gold", "silver", "none", "none"],
        "p_value": [1e-6, 1e-4, 1e-3, 0.02, 0.9],
    })  # fmt: skip
    asked = np.array([1e-7, 1e-4, 1.1e-4, 1e-3, 1.1e-3, 1.0])
    # Nothing is bronze, so nothing is graded bronze.
    assert find_tiers(asked, tiers).tolist() == ["gold", "gold", "silver", "silver", "none", "none"]


def test_without_a_graded_quasar_no_control_is_graded() -> None:
    tiers = pa.table({"tier": ["none"], "p_value": [0.5]})
    assert find_tiers(np.array([0.0, 1.0]), tiers).tolist() == ["none", "none"]


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
