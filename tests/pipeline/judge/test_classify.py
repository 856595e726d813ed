"""Classes on their way through the lake: accounted for, explained, never silent."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from lake_runs import find_model_id, read_all, run_one

from catalog_schema.measurements import MEASUREMENTS
from catalog_schema.statistics import STATISTICS
from catalog_schema.tables import (
    CLASSES,
    EVIDENCE,
    JUDGED,
    MEASURED,
    NORMS,
    SIGNIFICANCE,
    TAXONOMY,
)
from catalog_schema.validate import find_violations
from catalog_schema.vocabulary import AnomalyClass
from pipeline.config import Config
from pipeline.errors import UserError
from pipeline.flow.data_path import start_run
from pipeline.judge.classifier import find_states
from pipeline.judge.classify import leave_unclassified
from pipeline.judge.measured_survey import read_survey
from pipeline.lake.store import Store, replace_columns, to_matrix
from pipeline.spectra.model import models


def test_tables_keep_the_schema(finished: Store, config: Config) -> None:
    for table in (CLASSES, JUDGED, EVIDENCE):
        assert find_violations(finished.read(finished.lake.table(table.name)), table) == []
    folder = finished.lake.model(find_model_id(finished, config))
    for path, table in ((models.NORMS, NORMS), (models.TAXONOMY, TAXONOMY)):
        assert find_violations(finished.read(folder / path), table) == []
    measured = read_all(finished, MEASURED.name)
    assert find_violations(measured, MEASURED) == []
    assert np.isfinite(to_matrix(measured["measured"])).any(axis=1).all()


def test_every_quasar_has_a_class_or_a_reason(finished: Store) -> None:
    rows = finished.read(finished.lake.table("classes")).to_pandas()
    graded = finished.read(finished.lake.table("significance")).to_pandas()
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
    assert run_one(lake, config.model_copy(update={"classify": settings}), "classify").made == 1
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
    assert (
        run_one(lake, config, "measure").skipped,
        run_one(lake, config, "classify").skipped,
    ) == (2, 1)
    path = lake.lake.table("classes")
    before = lake.read_stamp(path).content
    path.unlink()
    assert run_one(lake, config, "classify").made == 1
    assert lake.read_stamp(path).content == before


def test_crowds_are_told_by_place(lake: Store, config: Config) -> None:
    survey = read_survey(start_run(lake, config))
    assert set(survey.fibre) == {-1}
    n = survey.n_quasars
    fibre = np.arange(n) // 4
    is_crowd = fibre == 3
    rows = replace_columns(survey.significance, {"p_value": np.where(is_crowd, 1e-3, 0.5)})
    night = np.where(np.arange(n) < n // 2, 20210101, -1)
    placed = replace(survey, significance=rows, night=night, petal=np.arange(n) % 2, fibre=fibre)
    rows = leave_unclassified(placed, read_null(lake, config), config).classes.to_pandas()
    assert rows["fibre_p_value"][is_crowd].max() < 0.01
    assert rows["fibre_p_value"][~is_crowd].min() > 0.5
    assert (rows["petal_p_value"].isna() == rows["NIGHT"].isna()).all()
    assert rows["NIGHT"].notna().sum() == n // 2
    assert (rows["FIBER"] == fibre).all()


def test_no_signal_has_no_class(lake: Store, config: Config) -> None:
    blind = config.model_copy(
        update={"classify": config.classify.model_copy(update={"min_snr": 1e9})}
    )
    survey = read_survey(start_run(lake, config))
    assert set(find_states(survey.scores, survey.values, blind.classify)) == {"no_signal"}
    rows = leave_unclassified(survey, read_null(lake, config), blind).classes
    assert set(rows["class_state"].to_pylist()) == {"no_signal"}
    assert rows["joint_p_value"].null_count == rows.num_rows


def test_without_examples_the_score_alone_counts(lake: Store, config: Config) -> None:
    survey = read_survey(start_run(lake, config))
    found = leave_unclassified(survey, read_null(lake, config), config)
    assert find_violations(found.classes, CLASSES) == []
    assert find_violations(found.controls, JUDGED) == []
    rows = found.classes.to_pandas()
    assert set(rows["class_state"]) <= {"no_examples", "no_signal"}
    assert rows["anomaly_class"].isna().all()
    is_ranked = rows["class_state"] == "no_examples"
    own = survey.significance["p_value"].to_numpy()
    np.testing.assert_array_equal(rows["joint_p_value"][is_ranked], own[is_ranked])
    assert (found.evidence.num_rows, found.norms.num_rows, found.taxonomy.num_rows) == (0, 0, 0)


def test_a_spectrum_without_measurement_is_an_error(lake: Store, config: Config) -> None:
    path = lake.lake.table("significance")
    rows = lake.read(path)
    lake.write(path, rows.slice(1), SIGNIFICANCE, fingerprint="f", n_expected=1, n_made=1)
    with pytest.raises(UserError, match="different spectra"):
        read_survey(start_run(lake, config))


def read_null(lake: Store, config: Config) -> pa.Table:
    return lake.read(lake.lake.model(find_model_id(lake, config)) / models.NULL)


def test_a_survey_of_which_nothing_was_measured_is_one_line(lake: Store, config: Config) -> None:
    lake.ledger.keep_only("measure", [])
    with pytest.raises(UserError, match="no spectrum was measured"):
        read_survey(start_run(lake, config))
