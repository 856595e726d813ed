"""What is told of a data root: every number is that of its books."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from example_outcomes import DONE, SHARDS

from catalog_schema.vocabulary import ShardState
from pipeline.config import load_config
from pipeline.errors import UserError
from pipeline.flow.root import Root, save_config
from pipeline.flow.status import describe_failures, describe_status, export_ledger
from pipeline.ledger.books import tabulate, tabulate_effort
from pipeline.ledger.outcome import Outcome

BOOKS = [
    DONE,
    Outcome(SHARDS[1], "extract", ShardState.FAILED, 5, error="truncated"),
    Outcome(SHARDS[2], "extract", ShardState.RUNNING, 4),
    Outcome(SHARDS[3], "extract", ShardState.PLANNED, 4),
]


@pytest.fixture
def root(tmp_path: Path) -> Root:
    """A data root with books and nothing else."""
    root = Root(tmp_path / "root")
    with root.lock():
        save_config(root, load_config(None))
        root.ledger.record(BOOKS)
    return root


def find(lines: list[str], word: str) -> list[str]:
    [line] = [line for line in lines if line.startswith(word)]
    return line.split()


def test_rows_of_a_stage_are_those_of_its_settled_shards(root: Root) -> None:
    lines = list(describe_status(root))
    assert find(lines, "extract ")[1:] == ["4", "1", "15", "7", "3"]
    assert find(lines, "total")[1:6] == ["4", "1", "15", "7", "3"]
    # The failed shard's rows are in nobody's hands.
    assert "given - made - dropped = 5, broken in 1 places" in "\n".join(lines)
    assert find(lines, "              not accounted")[3] == "5"
    text = "\n".join(lines)
    assert "dead 2" in text
    assert "not_in_coadd 1" in text


def test_a_shard_is_at_work_only_while_somebody_is(root: Root) -> None:
    text = "\n".join(describe_status(root))
    assert "1 interrupted" in text
    assert "1 planned" in text
    with root.lock():
        root.ledger.record(BOOKS[2:3])
        text = "\n".join(describe_status(Root(root.root)))
    assert "1 running" in text
    assert "1 interrupted" not in text


def test_releases_are_listed_the_newest_last(root: Root) -> None:
    assert find(list(describe_status(root)), "release")[1:3] == ["none", "yet;"]
    for version in ("0.10.0", "0.9.0"):
        folder = root.root / "releases" / version
        folder.mkdir(parents=True)
        (folder / "manifest.json").write_text("{}")
    told = [line for line in describe_status(root) if line.startswith("release")]
    assert [Path(line.split()[1]).name for line in told] == ["0.9.0", "0.10.0"]


def test_each_failure_is_one_line_with_its_reason(root: Root) -> None:
    assert list(describe_failures(root)) == ["extract     main-dark-1: truncated"]
    with root.lock():
        root.ledger.record([DONE.__class__(SHARDS[1], "extract", ShardState.DONE, 5, 5)])
    assert list(describe_failures(root)) == ["no shard failed"]


def test_books_are_exported_as_they_are(root: Root, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    paths = export_ledger(root, folder)
    outcomes = root.ledger.outcomes()
    expected = (*tabulate(outcomes), tabulate_effort(outcomes))
    assert [path.name for path in paths] == [
        "completeness.parquet",
        "gates.parquet",
        "effort.parquet",
    ]
    for path, table in zip(paths, expected, strict=True):
        assert pq.read_table(path).equals(table)
    assert sum(pq.read_table(paths[1])["n_dropped"].to_pylist()) == sum(DONE.dropped.values())


def test_a_folder_that_is_none_is_one_line(root: Root, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError) as caught:
        export_ledger(root, tmp_path / "file")
    assert "\n" not in str(caught.value)
