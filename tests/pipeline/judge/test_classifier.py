"""The classifier beside a model judges others as the survey's own."""

import numpy as np
import pyarrow as pa
import pytest
from lake_runs import find_model_id

from catalog_schema import kinds
from catalog_schema.spectra import WAIST, WRONG_Z
from pipeline.config import Config
from pipeline.flow.data_path import start_run
from pipeline.judge.classifier import (
    judge,
    leave_unexplained,
    prefer,
    read_classifier,
    tabulate_taxonomies,
)
from pipeline.judge.knowledge import get_knowledge
from pipeline.judge.null import read_population
from pipeline.judge.science.taxonomy import Taxonomy
from pipeline.judge.survey import read_survey
from pipeline.lake.store import Store
from pipeline.run import Run
from pipeline.spectra.data_path import SPECTRA
from pipeline.spectra.model import models


@pytest.fixture
def folder(finished: Store, config: Config):
    return finished.lake.model(find_model_id(finished, config))


def judge_quasars(finished: Store, config: Config, folder, classifier) -> dict:
    run = start_run(finished, config)
    survey = read_survey(run)
    n = survey.n_members
    population, scores = read_population(run), survey.scores.slice(0, n)
    return judge(classifier, population, scores, survey.measured.slice(0, n), get_knowledge(run))


def test_own_quasars_are_judged_as_before(finished: Store, config: Config, folder) -> None:
    judged = judge_quasars(finished, config, folder, read_classifier(start_run(finished, config)))
    classes = finished.read(finished.lake.table("classes")).to_pandas()
    for name in ("log_odds", "joint_p_value", "artefact_probability", "better_z"):
        np.testing.assert_allclose(np.asarray(judged[name], float), classes[name], rtol=1e-6)
    assert judged["class_state"].tolist() == classes["class_state"].tolist()


def test_without_a_classifier_the_score_alone_counts(
    finished: Store, config: Config, folder
) -> None:
    judged = judge_quasars(finished, config, folder, None)
    assert set(judged["class_state"]) <= {"no_examples", "no_signal"}
    is_ranked = judged["class_state"] == "no_examples"
    assert (judged["joint_p_value"][is_ranked] == judged["p_value"][is_ranked]).all()
    assert np.isnan(judged["joint_p_value"][~is_ranked]).all()


def test_model_without_a_classifier(finished: Store, config: Config, tmp_path) -> None:
    assert read_classifier(Run(finished, finished.ledger, config, SPECTRA, tmp_path)) is None


def test_taxonomies_survive_their_table(finished: Store, config: Config, folder) -> None:
    classifier = read_classifier(start_run(finished, config))
    rows = finished.read(folder / models.TAXONOMY)
    assert tabulate_taxonomies(classifier.taxonomies, kinds.SPECTRA).equals(rows)
    assert all(isinstance(each, Taxonomy) for each in classifier.taxonomies)
    assert len(classifier.taxonomies) == len(set(rows["fold"].to_pylist()))


def test_vanished_anomaly_is_a_wrong_redshift() -> None:
    examples = list(WAIST.kinds)
    rng = np.random.default_rng(0)
    odds = rng.uniform(0, 1, (6, len(examples)))
    odds /= odds.sum(1, keepdims=True)
    is_better = np.array([True, False] * 3)
    found = prefer(odds, WRONG_Z, np.flatnonzero(is_better), WAIST)
    np.testing.assert_allclose(found.sum(1), 1)
    assert (found >= 0).all()
    assert (found[is_better, examples.index(WRONG_Z)] >= 0.95).all()
    np.testing.assert_allclose(found[~is_better], odds[~is_better])


def test_what_was_found_is_never_called_ordinary() -> None:
    names = ["normal", "normal", "bal", "bal", "unknown", None, None]
    is_found = np.array([True, False, True, False, True, True, False])
    expected = ["unknown", "normal", "bal", "bal", "unknown", None, None]
    assert leave_unexplained(pa.array(names), is_found).to_pylist() == expected
    # As the tables hold it, in pieces.
    pieces = pa.chunked_array([names[:3], names[3:]])
    assert leave_unexplained(pieces, is_found).to_pylist() == expected
    nothing = pa.nulls(2, pa.string())
    assert leave_unexplained(nothing, np.array([True, False])).to_pylist() == [None, None]
