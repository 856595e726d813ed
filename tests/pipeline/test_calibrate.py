"""Tiers of the lake, and what follows from the levels."""

import numpy as np
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog_schema.tables import NULL, TIERS
from catalog_schema.validate import find_violations
from pipeline.calibrate import calibrate, find_tiers, grade, make_null, plan, read_scores
from pipeline.config import CalibrateSettings, Config
from pipeline.errors import UserError
from pipeline.ledger import Ledger
from pipeline.science.calibration import adjust_p_values
from pipeline.store import Store

SETTINGS = CalibrateSettings()


def test_tiers_take_the_strictest_level_kept() -> None:
    q_values = np.array([0.0, 0.01, 0.0101, 0.05, 0.07, 0.10, 0.11, 1.0])
    assert find_tiers(q_values, SETTINGS).tolist() == [
        "gold", "gold", "silver", "silver", "bronze", "bronze", "none", "none"
    ]  # fmt: skip
    assert find_tiers(np.zeros(0), SETTINGS).shape == (0,)


@given(q=st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_a_larger_q_value_is_never_graded_better(q: list) -> None:
    order = ["gold", "silver", "bronze", "none"]
    ranks = [order.index(tier) for tier in find_tiers(np.sort(q), SETTINGS)]
    assert ranks == sorted(ranks)


def test_lake_has_a_grade_for_every_score(finished: Store, config: Config) -> None:
    tiers = finished.read(finished.lake.table("tiers"))
    scores = read_scores(finished)
    assert find_violations(tiers, TIERS) == []
    assert tiers["TARGETID"].to_pylist() == scores["TARGETID"].to_pylist()
    q_values = adjust_p_values(tiers["p_value"].to_numpy())
    np.testing.assert_allclose(tiers["q_value"].to_numpy(), q_values, rtol=1e-12)
    null_path = next(iter(plan(finished, config)))
    null = finished.read(null_path)
    assert find_violations(null, NULL) == []
    # The run's own scores, graded again against the population on disk, are the same.
    np.testing.assert_allclose(
        grade(scores, null, config.calibrate)["anomaly_score"].to_numpy(),
        null["anomaly_score"].to_numpy(), atol=1e-3,
    )  # fmt: skip


def test_calibration_is_made_once_and_again_when_its_settings_change(
    lake: Store, config: Config
) -> None:
    assert calibrate(lake, config).skipped == 1
    changed = config.model_copy(
        update={"calibrate": config.calibrate.model_copy(update={"bronze": 0.2})}
    )
    assert calibrate(lake, changed).made == 1


def test_nothing_scored_is_one_line(lake: Store) -> None:
    Ledger(lake.lake.ledger).keep_only("score", [])
    with pytest.raises(UserError, match="no spectrum was scored"):
        read_scores(lake)


def test_planted_outlier_gets_the_best_grade_and_its_reason(finished: Store) -> None:
    scores = read_scores(finished)
    chi2 = scores["chi2"].to_numpy().copy()
    chi2[7] *= 1e3
    spoilt = scores.set_column(scores.column_names.index("chi2"), "chi2", [chi2])
    settings = CalibrateSettings(neighbours=20)
    tiers = grade(spoilt, make_null(spoilt, settings), settings)
    best = pc.index(tiers["p_value"], pc.min(tiers["p_value"])).as_py()
    assert best == 7
    assert tiers["reason"][7].as_py() == "reconstruction"
    assert tiers["tier"][7].as_py() == "gold"


def test_infinite_chi2_is_the_strangest_and_breaks_nothing(finished: Store) -> None:
    scores = read_scores(finished)
    chi2 = scores["chi2"].to_numpy().copy()
    chi2[3] = np.float32(3e38)
    spoilt = scores.set_column(scores.column_names.index("chi2"), "chi2", [chi2])
    tiers = grade(spoilt, make_null(spoilt, SETTINGS), SETTINGS)
    assert find_violations(tiers, TIERS) == []
    assert np.argmin(tiers["p_value"].to_numpy()) == 3
