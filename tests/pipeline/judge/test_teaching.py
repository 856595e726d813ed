"""Who teaches the classes: ordinary hosts drawn by number, and no row of the fold it judges."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from toy_tables import make_kind, make_survey

from catalog_schema.kind import Kind
from pipeline.config import Config
from pipeline.flow.data_path import start_run
from pipeline.flow.root import Root
from pipeline.judge.classify import _choose_hosts, _teach
from pipeline.judge.knowledge import Examples, Knowledge
from pipeline.judge.survey import Survey
from pipeline.science.draw import assign_folds
from pipeline.science.measured import Measured
from pipeline.settings.judge import ClassifySettings

# Made-up classes lie so far apart that Newton's steps end before they are exact.
pytestmark = pytest.mark.filterwarnings("ignore:.*[Ll]ine [Ss]earch")
N_FOLDS = 3
SETTINGS = ClassifySettings()


@pytest.fixture(scope="module")
def kind() -> Kind:
    return make_kind()


@pytest.fixture
def knowledge(tmp_path: Path) -> Knowledge:
    return Knowledge(start_run(Root(tmp_path), Config()))


def with_hosts(knowledge: Knowledge, hosts: int) -> Knowledge:
    settings = knowledge.config.classify.model_copy(update={"hosts": hosts})
    knowledge.config = knowledge.config.model_copy(update={"classify": settings})
    return knowledge


def list_ids(rows: pa.Table) -> list[int]:
    return rows["TARGETID"].to_pylist()


def shuffle(survey: Survey, seed: int) -> Survey:
    """Return the survey with its members in another order."""
    n = survey.n_members
    order = np.random.default_rng(seed).permutation(n)
    every = pa.array(np.r_[order, np.arange(n, survey.scores.num_rows)])
    return Survey(
        survey.waist,
        survey.scores.take(every),
        survey.measured.take(every),
        survey.significance.take(pa.array(order)),
        survey.is_ordinary[order],
    )


@pytest.mark.parametrize("hosts", [1, 5, 1000])
def test_hosts_are_ordinary_and_not_rare(kind: Kind, knowledge: Knowledge, hosts: int) -> None:
    survey = make_survey(kind)
    p_value = survey.significance["p_value"].to_numpy()
    able = set(survey.significance["TARGETID"].to_numpy()[survey.is_ordinary & (p_value > 0.1)])
    chosen = list_ids(_choose_hosts(survey, with_hosts(knowledge, hosts)))
    assert set(chosen) <= able
    assert len(chosen) == len(set(chosen)) == min(hosts, len(able))


def test_the_draw_of_hosts_knows_no_order_and_a_smaller_one_is_part_of_it(
    kind: Kind, knowledge: Knowledge
) -> None:
    survey = make_survey(kind)
    twelve = set(list_ids(_choose_hosts(survey, with_hosts(knowledge, 12))))
    for seed in range(3):
        again = list_ids(_choose_hosts(shuffle(survey, seed), with_hosts(knowledge, 12)))
        assert set(again) == twelve
    assert set(list_ids(_choose_hosts(survey, with_hosts(knowledge, 4)))) < twelve


def test_what_cannot_be_classified_is_no_host(kind: Kind, knowledge: Knowledge) -> None:
    class Doubtful(Knowledge):
        def find_states(self, scores: pa.Table, measured: Measured) -> np.ndarray:
            is_even = scores["TARGETID"].to_numpy() % 2 == 0
            return np.where(is_even, "no_signal", "classified")

    chosen = list_ids(_choose_hosts(make_survey(kind), Doubtful(knowledge.run)))
    assert chosen
    assert all(targetid % 2 for targetid in chosen)


class School:
    """A survey with planted rows and controls that teach."""

    def __init__(self, kind: Kind) -> None:
        survey = make_survey(kind, n_controls=8)
        n, m = survey.scores.num_rows, survey.n_members
        names = [None] * m + ["blot", "other"] * ((n - m) // 2)
        column = pa.array(names, pa.string())
        place = survey.measured.column_names.index("control")
        measured = survey.measured.set_column(place, "control", column)
        waist = replace(kind.waist, teachers=("blot",))
        self.survey = replace(survey, measured=measured, waist=waist)
        rng = np.random.default_rng(1)
        self.departures = rng.normal(size=(n, 4))
        self.planted = 1 + rng.normal(size=(20, 4))
        kinds = np.array(["smear", "blot"] * 10)
        hosts = survey.scores.slice(0, 20)
        self.examples = Examples(kinds, hosts, Measured(*np.zeros((3, 20, 1))))

    def teach(self, fold: int, settings: ClassifySettings = SETTINGS) -> np.ndarray:
        """Return all that the taxonomy of a fold has learnt."""
        learnt = _teach(
            self.survey, self.examples, self.departures, self.planted, settings, N_FOLDS, fold
        )
        assert learnt.kinds == ("blot", "normal", "smear")
        return np.r_[learnt.coefficients.ravel(), learnt.intercepts]

    def is_in(self, rows: pa.Table, fold: int) -> np.ndarray:
        return assign_folds(rows["TARGETID"].to_numpy(), N_FOLDS) == fold


@pytest.mark.parametrize("fold", range(N_FOLDS))
def test_nothing_of_its_own_fold_teaches_a_taxonomy(kind: Kind, fold: int) -> None:
    school = School(kind)
    before = school.teach(fold)
    school.departures[school.is_in(school.survey.scores, fold)] += 50
    school.planted[school.is_in(school.examples.scores, fold)] -= 50
    np.testing.assert_array_equal(school.teach(fold), before)
    assert not np.allclose(school.teach((fold + 1) % N_FOLDS), before)


def test_controls_of_other_kinds_and_what_is_not_ordinary_teach_nothing(kind: Kind) -> None:
    school = School(kind)
    before, n = school.teach(0), school.survey.n_members
    control = school.survey.measured["control"].to_numpy(zero_copy_only=False)
    school.departures[np.flatnonzero(control == "other")] += 50
    school.departures[:n][~school.survey.is_ordinary] -= 50
    np.testing.assert_array_equal(school.teach(0), before)
    is_teacher = (control == "blot") & ~school.is_in(school.survey.scores, 0)
    assert is_teacher.any()
    school.departures[np.flatnonzero(is_teacher)] += 5
    assert not np.allclose(school.teach(0), before)


def test_so_many_normal_ones_teach_as_are_asked_for(kind: Kind) -> None:
    """The same ones in any order, by their number."""
    school = School(kind)
    few = SETTINGS.model_copy(update={"normals": 5})
    n = school.survey.n_members
    able = np.flatnonzero(school.survey.is_ordinary & ~school.is_in(school.survey.members, 0))
    before = school.teach(0, few)
    taught = 0
    for row in able:
        kept = school.departures[row].copy()
        school.departures[row] += 5
        taught += not np.array_equal(school.teach(0, few), before)
        school.departures[row] = kept
    assert taught == 5 < len(able) <= n
