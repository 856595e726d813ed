"""Rows of classes and controls, with the places where candidates crowd."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st
from toy_tables import make_kind, make_survey

from catalog_schema.kinds import SPECTRA
from catalog_schema.tables import CLASSES, JUDGED, TRAITS
from catalog_schema.validate import find_violations
from pipeline.config import Config
from pipeline.flow.data_path import start_run
from pipeline.flow.root import Root
from pipeline.judge.class_rows import leave_unclassified, make_norms, make_traits
from pipeline.judge.knowledge import Knowledge, Surroundings, get_knowledge
from pipeline.judge.null import read_population
from pipeline.judge.survey import read_survey
from pipeline.lake.store import Store, replace_columns, to_matrix
from pipeline.spectra.knowledge import SpectraKnowledge


def test_crowds_are_told_by_place(lake: Store, config: Config) -> None:
    run = start_run(lake, config)
    survey = read_survey(run)
    n = survey.n_members
    fibre, row = np.arange(n) // 4, np.arange(n)
    night = np.where(row < n // 2, 20210101, -1)
    petal = np.where(night < 0, -1, row % 2)
    is_crowd = fibre == 3

    class Placed(SpectraKnowledge):
        def read_surroundings(self, members: pa.Table) -> Surroundings:
            places = {"NIGHT": night, "PETAL_LOC": petal, "FIBER": fibre}
            groups = {"night": night, "petal": petal, "fibre": fibre, "field": row}
            return Surroundings(places, groups)

    rows: Any = replace_columns(survey.significance, {"p_value": np.where(is_crowd, 1e-3, 0.5)})
    placed = replace(survey, significance=rows)
    population = read_population(run)
    rows = leave_unclassified(placed, population, SPECTRA, Placed(run)).classes.to_pandas()
    assert rows["fibre_p_value"][is_crowd].max() < 0.01
    assert rows["fibre_p_value"][~is_crowd].min() > 0.5
    assert (rows["petal_p_value"].isna() == rows["NIGHT"].isna()).all()
    assert rows["NIGHT"].notna().sum() == n // 2
    assert (rows["FIBER"] == fibre).all()


def test_no_signal_has_no_class(lake: Store, config: Config) -> None:
    settings = config.classify.model_copy(update={"min_snr": 1e9})
    run = start_run(lake, config.model_copy(update={"classify": settings}))
    survey, knowledge = read_survey(run), get_knowledge(run)
    assert set(knowledge.find_states(survey.scores, survey.values)) == {"no_signal"}
    rows = leave_unclassified(survey, read_population(run), SPECTRA, knowledge).classes
    assert set(rows["class_state"].to_pylist()) == {"no_signal"}
    assert rows["joint_p_value"].null_count == rows.num_rows


def test_without_examples_the_score_alone_counts(lake: Store, config: Config) -> None:
    run = start_run(lake, config)
    survey = read_survey(run)
    found = leave_unclassified(survey, read_population(run), SPECTRA, get_knowledge(run))
    assert find_violations(found.classes, CLASSES) == []
    assert find_violations(found.controls, JUDGED) == []
    rows = found.classes.to_pandas()
    assert set(rows["class_state"]) <= {"no_examples", "no_signal"}
    assert rows["anomaly_class"].isna().all()
    is_ranked = rows["class_state"] == "no_examples"
    own = survey.significance["p_value"].to_numpy()
    np.testing.assert_array_equal(rows["joint_p_value"][is_ranked], own[is_ranked])
    assert (found.evidence.num_rows, found.norms.num_rows, found.taxonomy.num_rows) == (0, 0, 0)
    # How they were observed does not depend on the classes.
    assert found.traits.num_rows == survey.is_core.sum()
    assert find_violations(found.traits, TRAITS) == []


@given(seed=st.integers(0, 99))
def test_norms_are_the_core_members_each_with_its_own_numbers(seed: int) -> None:
    kind = make_kind()
    survey = make_survey(kind, seed)
    norms = make_norms(survey, kind)
    assert find_violations(norms, kind["norms"]) == []
    parents = survey.scores["parent"].to_pylist()
    core = [row for row, parent in enumerate(parents) if parent == "core"]
    assert norms["TARGETID"] == survey.scores["TARGETID"].take(core)
    assert norms["magnitude"] == survey.scores["magnitude"].take(core)
    assert norms["p_value"] == survey.significance["p_value"].take(core)
    assert norms["is_ordinary"].to_pylist() == survey.is_ordinary[core].tolist()
    # The error of the only measurement is a half.
    np.testing.assert_allclose(
        to_matrix(norms["significances"]), 2 * to_matrix(survey.measured["measured"])[core]
    )


def test_a_kind_without_traits_has_no_rows_of_them(tmp_path: Path) -> None:
    kind = make_kind()
    survey = make_survey(kind)
    traits = make_traits(survey, kind, Knowledge(start_run(Root(tmp_path), Config())))
    assert traits.num_rows == 0
    assert find_violations(traits, kind["traits"]) == []
