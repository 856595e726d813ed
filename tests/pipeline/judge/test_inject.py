"""Planted features on their way through the score."""

import numpy as np
import pytest
from lake_runs import find_model_id, finished_shards, run_one

from catalog_schema.tables import INJECTIONS
from catalog_schema.validate import find_violations
from pipeline.config import Config
from pipeline.lake.store import Store, to_matrix
from pipeline.spectra.model.models import load_model
from pipeline.spectra.planting import plant
from pipeline.spectra.science.injection import SHAPES


@pytest.fixture(scope="module")
def windows(finished: Store):
    shard = finished_shards(finished, "score")[0]
    return finished.read(finished.lake.shard("restframe", shard)).slice(0, 3)


def test_only_the_feature_changes(finished: Store, config: Config, windows) -> None:
    grid = load_model(finished.lake.model(find_model_id(finished, config))).grid
    planted = plant(windows, grid, "broad_emission", (10.0, 300.0), seed=1)
    assert planted.num_rows == 6
    assert planted["planted"].to_pylist() == [10.0, 300.0] * 3
    before, after = to_matrix(windows["rest_flux"]), to_matrix(planted["rest_flux"])
    weight = to_matrix(windows["rest_weight"])
    added = after - np.repeat(before, 2, axis=0)
    strength = np.sqrt((np.repeat(weight, 2, axis=0) * added.astype(float) ** 2).sum(1))
    np.testing.assert_allclose(strength, planted["planted"].to_numpy(), rtol=1e-3)
    unchanged = [n for n in windows.column_names if n != "rest_flux"]
    assert planted.select(unchanged).slice(0, 1) == windows.select(unchanged).slice(0, 1)


def test_every_kind_at_every_strength(finished: Store, config: Config) -> None:
    rows = finished.read(finished.lake.table("injections"))
    assert find_violations(rows, INJECTIONS) == []
    assert set(rows["injection"].to_pylist()) == set(SHAPES)
    assert set(rows["planted"].to_pylist()) == set(config.inject.strengths)
    assert len(set(rows["TARGETID"].to_pylist())) == config.inject.hosts
    graded = finished.read(finished.lake.table("tiers")).to_pylist()
    ordinary = {row["TARGETID"] for row in graded if row["tier"] == "none"}
    assert set(rows["TARGETID"].to_pylist()) <= ordinary


def test_strong_features_score_higher_than_weak_ones(finished: Store) -> None:
    rows = finished.read(finished.lake.table("injections")).to_pandas()
    medians = rows.groupby("planted")["anomaly_score"].median()
    assert medians[300.0] > medians[10.0]
    strong = rows[rows["planted"] == 300.0]
    lines = strong[strong["injection"] == "narrow_emission"]
    assert lines["p_value"].max() < 0.05


def test_made_once(lake: Store, config: Config) -> None:
    assert run_one(lake, config, "inject").skipped == 1
    fewer = config.model_copy(update={"inject": config.inject.model_copy(update={"hosts": 1})})
    assert run_one(lake, fewer, "inject").made == 1
    assert len(set(lake.read(lake.lake.table("injections"))["TARGETID"].to_pylist())) == 1
