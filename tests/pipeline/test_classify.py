"""Classes on their way through the lake: accounted for, explained, never silent."""

from dataclasses import replace

import numpy as np
import pytest
from lake_runs import read_all

from catalog_schema.measurements import MEASUREMENTS
from catalog_schema.statistics import STATISTICS
from catalog_schema.tables import CLASSES, CONTROL_CLASSES, EVIDENCE, MEASURED
from catalog_schema.validate import find_violations
from catalog_schema.vocabulary import AnomalyClass
from pipeline.classify import (
    classify,
    find_states,
    leave_unclassified,
    prefer,
)
from pipeline.config import Config
from pipeline.examples import KIND_CLASSES
from pipeline.measure import measure
from pipeline.measured_survey import read_survey
from pipeline.store import Store, replace_columns, to_matrix


def test_tables_keep_the_schema(finished: Store) -> None:
    for table in (CLASSES, CONTROL_CLASSES, EVIDENCE):
        assert find_violations(finished.read(finished.lake.table(table.name)), table) == []
    measured = read_all(finished, MEASURED.name)
    assert find_violations(measured, MEASURED) == []
    assert np.isfinite(to_matrix(measured["measured"])).any(axis=1).all()


def test_every_quasar_has_a_class_or_a_reason(finished: Store) -> None:
    rows = finished.read(finished.lake.table("classes")).to_pandas()
    graded = finished.read(finished.lake.table("tiers")).to_pandas()
    assert set(rows["TARGETID"]) == set(graded["TARGETID"])
    classified = rows["class_state"] == "classified"
    assert classified.any()
    assert (rows["anomaly_class"].notna() == classified).all()
    assert (rows["artefact_probability"].notna() == classified).all()
    assert (rows["joint_p_value"].notna() == classified).all()
    probability = np.stack(rows["class_probabilities"])
    np.testing.assert_allclose(probability[classified].sum(1), 1, atol=1e-5)
    assert np.isnan(probability[~classified]).all()
    best = np.array(AnomalyClass.values())[probability[classified].argmax(1)]
    assert (best == rows["anomaly_class"][classified]).all()


def test_evidence_rejoins_the_catalogue(lake: Store, config: Config) -> None:
    # Where most spectra are expected to be strange, some are called so.
    settings = config.classify.model_copy(update={"anomalous_share": 0.99})
    assert classify(lake, config.model_copy(update={"classify": settings})).made == 1
    evidence = lake.read(lake.lake.table("evidence")).to_pandas()
    classes = lake.read(lake.lake.table("classes")).to_pandas().set_index("TARGETID")
    assert len(evidence)
    known = {*(s.name for s in STATISTICS), *(m.name for m in MEASUREMENTS)}
    assert set(evidence["feature"]) <= known
    assert (classes.loc[evidence["TARGETID"], "class_state"] == "classified").all()
    odd = classes.index[classes["anomaly_class"].fillna("normal") != "normal"]
    assert set(odd) <= set(evidence["TARGETID"])
    assert (evidence.groupby("TARGETID").size() <= config.classify.evidence).all()


def test_made_once_and_to_the_same_bits(lake: Store, config: Config) -> None:
    assert (measure(lake, config).skipped, classify(lake, config).skipped) == (2, 1)
    path = lake.lake.table("classes")
    before = lake.read_stamp(path).content
    path.unlink()
    assert classify(lake, config).made == 1
    assert lake.read_stamp(path).content == before


def test_crowds_are_told_by_place(lake: Store, config: Config) -> None:
    survey = read_survey(lake)
    assert set(survey.fibre) == {-1}
    n = survey.n_quasars
    fibre = np.arange(n) // 4
    is_crowd = fibre == 3
    tiers = replace_columns(survey.tiers, {"p_value": np.where(is_crowd, 1e-3, 0.5)})
    night = np.where(np.arange(n) < n // 2, 20210101, -1)
    placed = replace(survey, tiers=tiers, night=night, petal=np.arange(n) % 2, fibre=fibre)
    rows = leave_unclassified(placed, config.classify).classes.to_pandas()
    assert rows["fibre_p_value"][is_crowd].max() < 0.01
    assert rows["fibre_p_value"][~is_crowd].min() > 0.5
    assert (rows["petal_p_value"].isna() == rows["NIGHT"].isna()).all()
    assert rows["NIGHT"].notna().sum() == n // 2
    assert (rows["FIBER"] == fibre).all()


def test_no_signal_has_no_class(lake: Store, config: Config) -> None:
    blind = config.model_copy(
        update={"classify": config.classify.model_copy(update={"min_snr": 1e9})}
    )
    survey = read_survey(lake)
    assert set(find_states(survey, blind.classify)) == {"no_signal"}
    evidence, controls, classes = leave_unclassified(survey, config.classify)
    assert find_violations(classes, CLASSES) == []
    assert find_violations(controls, CONTROL_CLASSES) == []
    assert set(classes["class_state"].to_pylist()) <= {"no_examples", "no_signal"}
    assert classes["anomaly_class"].null_count == classes.num_rows
    assert evidence.num_rows == 0


def test_vanished_anomaly_is_a_wrong_redshift() -> None:
    kinds = sorted(KIND_CLASSES)
    rng = np.random.default_rng(0)
    odds = rng.uniform(0, 1, (6, len(kinds)))
    odds /= odds.sum(1, keepdims=True)
    is_better = np.array([True, False] * 3)
    found = prefer(odds, "wrong_z", is_better)
    np.testing.assert_allclose(found.sum(1), 1)
    assert (found >= 0).all()
    assert (found[is_better, kinds.index("wrong_z")] >= 0.95).all()
    np.testing.assert_allclose(found[~is_better], odds[~is_better])


def test_a_graded_spectrum_without_measurement_is_an_error(lake: Store, config: Config) -> None:
    from pipeline.errors import UserError

    path = lake.lake.table("tiers")
    tiers = lake.read(path)
    from catalog_schema.tables import TIERS

    lake.write(path, tiers.slice(1), TIERS, fingerprint="f", n_expected=1, n_made=1)
    with pytest.raises(UserError, match="different spectra"):
        read_survey(lake)
