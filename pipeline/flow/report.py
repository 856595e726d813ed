"""What came of a stage, in numbers."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from catalog_schema.vocabulary import ShardState
from pipeline.ledger.outcome import Outcome


@dataclass(frozen=True)
class Report:
    """Result of a stage.

    Attributes
    ----------
    dataset : str
    made, skipped : int
        Datasets written, and found done.
    failed : tuple of Outcome
        Shards without output, each with its reason.
    n_expected, n_made : int
        Rows given and rows in the datasets.
    dropped : dict
        Rows dropped by each gate.
    notes : tuple of str
        Warnings for the user.
    """

    dataset: str
    made: int = 0
    skipped: int = 0
    failed: tuple[Outcome, ...] = ()
    n_expected: int = 0
    n_made: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def summarise(dataset: str, outcomes: Iterable[Outcome]) -> Report:
    """Add the outcomes of a stage up, in the order of the shards."""
    ordered = sorted(outcomes, key=lambda outcome: outcome.shard)
    dropped: dict[str, int] = {}
    for outcome in ordered:
        for gate, count in outcome.dropped.items():
            dropped[gate] = dropped.get(gate, 0) + count
    done = [outcome for outcome in ordered if outcome.state is ShardState.DONE]
    return Report(
        dataset,
        made=sum(not outcome.skipped for outcome in done),
        skipped=sum(outcome.skipped for outcome in done),
        failed=tuple(outcome for outcome in ordered if outcome.state is ShardState.FAILED),
        n_expected=sum(outcome.n_expected for outcome in ordered),
        n_made=sum(outcome.n_made for outcome in done),
        dropped=dropped,
        notes=tuple(f"{o.shard}: {note}" for o in done for note in o.notes),
    )
