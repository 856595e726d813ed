"""The completeness ledger as two published tables, and back."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa

from catalog_schema import contents
from catalog_schema.tables import COMPLETENESS, GATES
from catalog_schema.vocabulary import ShardState
from pipeline.lake.layout import Shard
from pipeline.ledger.books import Outcome, tabulate
from release.tables.writer import write_whole


def write_completeness(folder: Path, outcomes: Sequence[Outcome], notes: Mapping[str, str]) -> None:
    """Write the tables COMPLETENESS and GATES."""
    steps, gates = tabulate(outcomes)
    write_whole(folder / contents.COMPLETENESS, COMPLETENESS, steps, notes)
    write_whole(folder / contents.GATES, GATES, gates, notes)


def read_completeness(steps: pa.Table, gates: pa.Table) -> list[Outcome]:
    """Rebuild the outcomes from the published tables."""
    dropped: dict[tuple, dict[str, int]] = {}
    for row in gates.to_pylist():
        dropped.setdefault(_identity(row), {})[row["gate"]] = row["n_dropped"]
    return [
        Outcome(
            shard=Shard(row["SURVEY"], row["PROGRAM"], row["HEALPIX"]),
            stage=row["stage"],
            state=ShardState.parse(row["state"]),
            n_expected=row["n_expected"],
            n_made=row["n_made"],
            dropped=dropped.get(_identity(row), {}),
            error=row["error"],
        )
        for row in steps.to_pylist()
    ]


def _identity(row: Mapping[str, object]) -> tuple:
    return tuple(row[name] for name in COMPLETENESS.key)
