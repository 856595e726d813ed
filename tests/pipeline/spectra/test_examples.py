"""Examples are planted in the survey's own spectra, each of the kind that it is said to be."""

import numpy as np
import pyarrow as pa
import pytest

from catalog_schema.parents import PARENTS
from catalog_schema.spectra import EXAMPLES, WRONG_Z
from catalog_schema.waist import NORMAL, ROW_KEY
from pipeline.config import Config
from pipeline.flow.data_path import start_run
from pipeline.flow.root import Root
from pipeline.judge.knowledge import Examples
from pipeline.lake.store import digest_rows, to_matrix
from pipeline.run import Run
from pipeline.spectra.examples import plant_examples
from pipeline.spectra.science.phenomena import PHENOMENA


@pytest.fixture(scope="module")
def run(finished: Root, config: Config) -> Run:
    return start_run(finished, config)


@pytest.fixture(scope="module")
def hosts(run: Run) -> pa.Table:
    """Three spectra of one shard."""
    shard = run.list_shards("scores")[0]
    return run.read_shards("scores", [shard], list(ROW_KEY))[shard].slice(0, 3)


@pytest.fixture(scope="module")
def examples(run: Run, hosts: pa.Table) -> Examples:
    return plant_examples(run, hosts)


def test_every_example_is_of_a_declared_kind_in_a_given_host(
    examples: Examples, hosts: pa.Table
) -> None:
    declared = set().union(*(parent.waist.examples for parent in PARENTS.values()))
    assert set(PHENOMENA) | {NORMAL, WRONG_Z} == declared
    assert set(examples.kinds) <= set(EXAMPLES) - {NORMAL}
    assert len(set(examples.kinds)) > len(EXAMPLES) / 2
    assert set(examples.scores["TARGETID"].to_pylist()) <= set(hosts["TARGETID"].to_pylist())
    n = examples.scores.num_rows
    assert len(examples.kinds) == n
    assert all(part.shape[0] == n for part in examples.measured)
    # No two of them are the same, of one host neither.
    assert len(np.unique(to_matrix(examples.scores["statistics"]), axis=0)) == n


def test_only_a_wrong_redshift_moves_its_host(run: Run, examples: Examples) -> None:
    scores = examples.scores
    rows = run.read_rows("scores", scores.select(ROW_KEY))
    own = dict(zip(rows["TARGETID"].to_pylist(), rows["Z"].to_pylist(), strict=True))
    z, ids = scores["Z"].to_pylist(), scores["TARGETID"].to_pylist()
    has_moved = [abs(value - own[i]) > 0.01 for value, i in zip(z, ids, strict=True)]
    assert has_moved == [kind == WRONG_Z for kind in examples.kinds]


def test_what_is_planted_changes_the_statistics(run: Run, examples: Examples) -> None:
    rows = run.read_rows("scores", examples.scores.select(ROW_KEY))
    place = {i: k for k, i in enumerate(rows["TARGETID"].to_pylist())}
    before = to_matrix(rows["statistics"])
    after = to_matrix(examples.scores["statistics"])
    ids = examples.scores["TARGETID"].to_pylist()
    for k, targetid in enumerate(ids):
        assert not np.array_equal(after[k], before[place[targetid]], equal_nan=True)


def test_planted_again_to_the_same_bits(run: Run, hosts: pa.Table, examples: Examples) -> None:
    again = plant_examples(run, hosts)
    assert again.kinds.tolist() == examples.kinds.tolist()
    assert digest_rows(again.scores) == digest_rows(examples.scores)
    for one, other in zip(again.measured, examples.measured, strict=True):
        np.testing.assert_array_equal(one, other)


def test_an_example_does_not_depend_on_what_other_hosts_there_are(
    run: Run, hosts: pa.Table, examples: Examples
) -> None:
    alone = plant_examples(run, hosts.slice(0, 1))
    first = hosts["TARGETID"][0].as_py()
    mine = np.array(examples.scores["TARGETID"].to_pylist()) == first
    assert alone.kinds.tolist() == examples.kinds[mine].tolist()
    np.testing.assert_allclose(
        to_matrix(alone.scores["statistics"]),
        to_matrix(examples.scores.filter(pa.array(mine))["statistics"]),
        rtol=2e-3,
        atol=1e-3,
    )
