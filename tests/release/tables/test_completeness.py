"""The published books say of every shard and stage what the ledger says."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog_schema.contents import COMPLETENESS, GATES
from catalog_schema.vocabulary import ShardState
from pipeline.lake.layout import Shard
from pipeline.ledger.books import Outcome
from release.tables.completeness import read_completeness, write_completeness

shards = st.builds(Shard, st.sampled_from(["main", "sv3"]), st.just("dark"), st.integers(0, 3))
stages = st.sampled_from(["target", "extract", "preprocess", "score", "release"])
# The same gates in several stages, as `not_read` or `no_data` may be.
gates = st.dictionaries(st.sampled_from(["no_data", "low_coverage", "x"]), st.integers(0, 9))
outcomes = st.lists(
    st.builds(
        Outcome,
        shard=shards,
        stage=stages,
        state=st.sampled_from([ShardState.DONE, ShardState.FAILED]),
        n_expected=st.integers(0, 99),
        n_made=st.integers(0, 99),
        dropped=gates,
        error=st.none() | st.text("ab\n é", min_size=1),
    ),
    max_size=12,
    unique_by=lambda outcome: (outcome.shard, outcome.stage),
)


def read(folder: Path) -> list[Outcome]:
    return read_completeness(*(pq.read_table(folder / name) for name in (COMPLETENESS, GATES)))


@given(outcomes)
def test_books_come_back(tmp_path_factory: pytest.TempPathFactory, written: list[Outcome]) -> None:
    folder = tmp_path_factory.mktemp("books")
    write_completeness(folder, written, {})
    found = {(o.shard, o.stage): o for o in read(folder)}
    assert found.keys() == {(o.shard, o.stage) for o in written}
    for outcome in written:
        again = found[outcome.shard, outcome.stage]
        dropped = {gate: count for gate, count in outcome.dropped.items() if count}
        assert {gate: count for gate, count in again.dropped.items() if count} == dropped
        for name in ("state", "n_expected", "n_made", "error", "imbalance"):
            assert getattr(again, name) == getattr(outcome, name), name


def test_a_gate_is_that_of_its_stage(tmp_path: Path) -> None:
    shard = Shard("main", "dark", 1)
    written = [
        Outcome(shard, "extract", ShardState.DONE, 9, 7, {"no_data": 2}),
        Outcome(shard, "preprocess", ShardState.DONE, 7, 2, {"no_data": 5}),
        Outcome(shard, "score", ShardState.DONE, 2, 2),
    ]
    write_completeness(tmp_path, written, {})
    assert {o.stage: o.dropped for o in read(tmp_path)} == {
        "extract": {"no_data": 2},
        "preprocess": {"no_data": 5},
        "score": {},
    }
