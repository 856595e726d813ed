"""A kind of which nothing is known is judged by its scores alone."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from toy_points import POINTS, WAIST, PointKnowledge
from toy_run import register
from toy_tables import make_keys

from pipeline.config import Config, load_config
from pipeline.flow.data_path import start_run
from pipeline.flow.root import Root
from pipeline.judge.knowledge import Knowledge, get_knowledge
from pipeline.science.measured import Measured


def test_a_kind_has_the_knowledge_that_its_path_names(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    register(monkeypatch)
    run = start_run(Root(tmp_path), load_config(None, (f"run.kind={POINTS.name}",), source="s"))
    found = get_knowledge(run)
    assert type(found) is not Knowledge
    assert type(found).__name__ == PointKnowledge.__name__
    assert (found.run, found.waist, found.config) == (run, WAIST, run.config)


def test_nothing_known_takes_nothing_away(tmp_path: Path) -> None:
    knowledge = Knowledge(start_run(Root(tmp_path), Config()))
    n, rows = 3, pa.table(make_keys(3))
    nothing = Measured(*np.zeros((3, n, 0)))
    assert knowledge.find_states(rows, nothing).tolist() == ["classified"] * n
    assert knowledge.plant_examples(rows) is None
    assert list(knowledge.plant_features(rows)) == []
    assert knowledge.find_signs(rows, np.array(["classified"] * n)) == ((), {}, ())
    assert knowledge.read_signs(rows, np.ones(n, bool)) == ()
    finds = knowledge.locate_statistics(rows)
    assert {each.shape for each in finds} == {(n, len(knowledge.waist.statistics))}
    assert np.isnan(np.stack(finds[:-1])).all()
    assert set(finds.name.ravel()) == {""}
    assert knowledge.read_surroundings(rows) == ({}, {})
    traits = Knowledge.read_traits(knowledge, rows)
    assert traits.shape == (n, len(knowledge.waist.traits))
    assert np.isnan(traits).all()
