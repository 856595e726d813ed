"""Grades of the lake: of every quasar, by joint p-value, made once."""

import numpy as np
from lake_runs import run_one
from scipy.stats import false_discovery_control

from catalog_schema.tables import TIERS
from catalog_schema.validate import find_violations
from pipeline.config import Config
from pipeline.flow.data_path import start_run
from pipeline.judge.tiers import read_limits
from pipeline.lake.store import Store


def test_every_quasar_is_graded_by_its_joint_p_value(finished: Store) -> None:
    tiers = finished.read(finished.lake.table("tiers"))
    classes = finished.read(finished.lake.table("classes")).to_pandas()
    assert find_violations(tiers, TIERS) == []
    rows = tiers.to_pandas()
    assert rows["TARGETID"].tolist() == classes["TARGETID"].tolist()
    is_listed = classes["joint_p_value"].notna()
    assert is_listed.any()
    assert (rows["q_value"].notna() == is_listed).all()
    expected = false_discovery_control(classes["joint_p_value"][is_listed].to_numpy())
    np.testing.assert_array_equal(rows["q_value"][is_listed], expected)
    assert (rows["tier"][~is_listed] == "none").all()
    assert all(limit <= 1 for limit in read_limits(start_run(finished, Config())).values())


def test_made_once_and_again_when_its_levels_change(lake: Store, config: Config) -> None:
    assert run_one(lake, config, "grade").skipped == 1
    loose = config.grade.model_copy(update={"bronze": 0.999})
    assert run_one(lake, config.model_copy(update={"grade": loose}), "grade").made == 1
    rows = lake.read(lake.lake.table("tiers")).to_pandas()
    assert ((rows["tier"] != "none") == (rows["q_value"] <= 0.999)).all()
