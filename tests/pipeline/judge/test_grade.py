"""Grades of the lake: of every quasar, on the list of its class, made once."""

import numpy as np
from lake_runs import run_one
from scipy.stats import false_discovery_control

from catalog_schema.tables import TIERS
from catalog_schema.validate import find_violations
from catalog_schema.vocabulary import Finding
from pipeline.config import Config
from pipeline.flow.data_path import start_run
from pipeline.judge.tiers import read_limits
from pipeline.lake.store import Store


def test_every_quasar_is_graded_on_the_list_of_its_class(finished: Store) -> None:
    tiers = finished.read(finished.lake.table("tiers"))
    classes, scored = (
        finished.read(finished.lake.table(name)).to_pandas().set_index("TARGETID")
        for name in ("classes", "significance")
    )
    assert find_violations(tiers, TIERS) == []
    rows = tiers.to_pandas().set_index("TARGETID")
    assert rows.index.tolist() == classes.index.tolist()
    is_listed = classes["joint_p_value"].notna()
    assert is_listed.any()
    for name in ("finding", "finding_p_value", "q_value"):
        assert (rows[name].notna() == is_listed).all()
    is_plain = classes["anomaly_class"].isin(["normal", "unknown"]) | (
        classes["anomaly_class"].isna()
    )
    p_values = classes["joint_p_value"].where(~is_plain, scored["p_value"])
    for finding, is_chosen in ((Finding.NAMED, ~is_plain), (Finding.UNEXPLAINED, is_plain)):
        is_here = is_listed & is_chosen
        assert (rows["finding"][is_here] == finding.value).all()
        assert (rows["finding_p_value"][is_here] == p_values[is_here]).all()
        of_all = false_discovery_control(p_values.where(is_here, 1.0)[is_listed].to_numpy())
        expected = of_all[is_here[is_listed].to_numpy()]
        np.testing.assert_array_equal(rows["q_value"][is_here], expected)
    assert (rows["tier"][~is_listed] == "none").all()
    assert not (classes["anomaly_class"][rows["tier"] != "none"] == "normal").any()
    limits = read_limits(start_run(finished, Config()))
    assert set(limits) == set(Finding)
    assert all(limit <= 1 for of_list in limits.values() for limit in of_list.values())


def test_made_once_and_again_when_its_levels_change(lake: Store, config: Config) -> None:
    assert run_one(lake, config, "grade").skipped == 1
    loose = config.grade.model_copy(update={"bronze": 0.999})
    assert run_one(lake, config.model_copy(update={"grade": loose}), "grade").made == 1
    rows = lake.read(lake.lake.table("tiers")).to_pandas()
    assert ((rows["tier"] != "none") == (rows["q_value"] <= 0.999)).all()
