"""The completeness ledger as two published tables, and back."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa

from catalog_schema.tables import COMPLETENESS, GATES, arrow_schema
from catalog_schema.vocabulary import ShardState
from pipeline.layout import Shard
from pipeline.ledger import Outcome
from release.tables import measure_strings, write_table


def write_completeness(folder: Path, outcomes: Sequence[Outcome], notes: Mapping[str, str]) -> None:
    """Write the tables COMPLETENESS and GATES."""
    steps = [
        {
            **_key(outcome),
            "state": outcome.state.value,
            "n_expected": outcome.n_expected,
            "n_made": outcome.n_made,
            "error": outcome.error,
        }
        for outcome in outcomes
    ]
    gates = [
        {**_key(outcome), "gate": gate, "n_dropped": count}
        for outcome in outcomes
        for gate, count in sorted(outcome.dropped.items())
        if count
    ]
    for table, rows in ((COMPLETENESS, steps), (GATES, gates)):
        data = pa.Table.from_pylist(rows, schema=arrow_schema(table))
        lengths = measure_strings(data, table)
        write_table(folder / f"{table.name}.parquet", table, [data], notes, lengths)


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


def _key(outcome: Outcome) -> dict[str, object]:
    shard = outcome.shard
    return {
        "SURVEY": shard.survey,
        "PROGRAM": shard.program,
        "HEALPIX": shard.healpix,
        "stage": outcome.stage,
    }


def _identity(row: Mapping[str, object]) -> tuple:
    return tuple(row[name] for name in COMPLETENESS.key)
