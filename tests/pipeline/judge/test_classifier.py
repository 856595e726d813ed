"""The classifier beside a model judges others as the survey's own."""

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lake_runs import find_model_id

from catalog_schema import kinds
from catalog_schema.spectra import WAIST, WRONG_Z
from catalog_schema.waist import NORMAL
from pipeline.config import Config
from pipeline.flow.data_path import start_run
from pipeline.judge.classifier import (
    judge,
    name_found,
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


CLASSES = WAIST.classes.values()
# Shares of what is not normal that leave no doubt, and that leave one.
CLEAR, TORN = {"bal": 0.3, "dla": 0.1}, {"bal": 0.2, "dla": 0.1, "star": 0.15}


def name(
    given: list[tuple[str | None, dict[str, float]]], is_found: Callable[[pa.Array], np.ndarray]
) -> list[str | None]:
    """Name what has a class and shares of others, normal with the rest."""
    shares = np.array([[other.get(c, 0.0) for c in CLASSES] for _, other in given])
    shares[:, CLASSES.index(NORMAL)] = 1 - shares.sum(axis=1)
    shares[[name is None for name, _ in given]] = np.nan
    names = pa.array([name for name, _ in given], pa.string())
    return name_found(names, shares, is_found, WAIST).to_pylist()


def find_all(names: pa.Array) -> np.ndarray:
    return np.ones(len(names), bool)


def test_what_was_found_is_never_called_ordinary() -> None:
    given = [(NORMAL, CLEAR), (NORMAL, TORN), (NORMAL, {}), ("star", CLEAR), (None, {})]
    assert name(given, find_all) == ["bal", "unknown", "unknown", "star", None]
    assert name(given, lambda names: ~find_all(names)) == [NORMAL, NORMAL, NORMAL, "star", None]
    assert name([(None, {})], find_all) == [None]


def test_a_name_under_which_it_would_not_be_found_is_not_given() -> None:
    def is_plain(names: pa.Array) -> np.ndarray:
        return pc.is_in(names, pa.array([NORMAL, "unknown"])).to_numpy(zero_copy_only=False)

    assert name([(NORMAL, CLEAR), ("bal", CLEAR)], is_plain) == ["unknown", "bal"]


@given(
    share=st.floats(1e-9, 0.5),
    first=st.floats(0.5, 1),
    own=st.sampled_from([c for c in CLASSES if c != NORMAL]),
)
def test_only_shares_among_the_other_classes_count(share: float, first: float, own: str) -> None:
    """However sure of normal, what stands out has the name of most of what is left."""
    other = "iron" if own != "iron" else "bal"
    given = {own: share * first, other: share * (1 - first)}
    expected = {own} if first > 0.5 + 1e-9 else {own, other, "unknown"}
    assert set(name([(NORMAL, given)], find_all)) <= expected
