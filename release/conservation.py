"""The conservation law: every row given to a stage is either made or dropped by a named gate."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import groupby, pairwise

from catalog_schema.vocabulary import ShardState
from pipeline.errors import UserError
from pipeline.lake.layout import Shard
from pipeline.ledger.books import Outcome, balance

RELEASE_STAGE = "release"
SHARD_FAILED = "shard_failed"
REPEAT_OBSERVATION = "repeat_observation"
NEGATIVE_CONTROL = "negative_control"
_N_NAMED = 5


@dataclass(frozen=True)
class Account:
    """Where every row of every shard went.

    Attributes
    ----------
    stages : tuple of str
        Those that hand their rows on, in order; the last scores them.
    outcomes : tuple of Outcome
        By shard and stage; a failed stage ends its shard and drops its rows by `SHARD_FAILED`.
    failed : tuple of Shard
        Shards that some stage lost.
    """

    stages: tuple[str, ...]
    outcomes: tuple[Outcome, ...]
    failed: tuple[Shard, ...]

    @property
    def n_scored(self) -> dict[Shard, int]:
        """Number of scored rows of every shard that has any."""
        last = (outcome for outcome in self.outcomes if outcome.stage == self.stages[-1])
        return {outcome.shard: outcome.n_made for outcome in last if outcome.n_made}


def settle(outcomes: Iterable[Outcome], stages: tuple[str, ...], *, accept_failed: bool) -> Account:
    """Close the books of a run.

    Parameters
    ----------
    outcomes : iterable of Outcome
        The ledger.
    stages : tuple of str
        Those that hand their rows on, in order.
    accept_failed : bool
        Whether failed shards may be left out.

    Returns
    -------
    Account

    Raises
    ------
    UserError
        If rows are unaccounted for, or shards failed and that is not accepted.
    """
    kept = tuple(
        outcome for shard in _by_shard(outcomes, stages) for outcome in _end_at_failure(shard)
    )
    broken = find_breaks(kept, stages)
    if broken:
        raise UserError(
            f"rows are unaccounted for in {_name(broken)}; run `qad run` again before releasing"
        )
    failed = tuple(o.shard for o in kept if o.state == ShardState.FAILED)
    if failed and not accept_failed:
        raise UserError(
            f"shards failed: {_name([str(shard) for shard in failed])}; run `qad run` again, "
            "or leave them out with --set release.accept_failed_shards=true"
        )
    return Account(stages, kept, failed)


def close_release(
    account: Account, n_published: Mapping[Shard, int], n_controls: Mapping[Shard, int]
) -> tuple[Outcome, ...]:
    """Add the release's own step.

    Negative controls are not published, and of a repeated object only one observation is.

    Parameters
    ----------
    account : Account
    n_published, n_controls : mapping of Shard to int
        Rows of the catalogue and scored controls of every shard that has any.
    """
    steps = []
    for shard, n_scored in account.n_scored.items():
        n_made, n_control = n_published.get(shard, 0), n_controls.get(shard, 0)
        dropped = {NEGATIVE_CONTROL: n_control, REPEAT_OBSERVATION: n_scored - n_made - n_control}
        steps.append(Outcome(shard, RELEASE_STAGE, ShardState.DONE, n_scored, n_made, dropped))
    shards = _by_shard((*account.outcomes, *steps), (*account.stages, RELEASE_STAGE))
    return tuple(outcome for shard in shards for outcome in shard)


def find_breaks(outcomes: Iterable[Outcome], stages: tuple[str, ...]) -> list[str]:
    """List the shards that break the law, each with its stage and the number of rows.

    Parameters
    ----------
    outcomes : iterable of Outcome
    stages : tuple of str
        The stages that a shard must have passed, in order.
    """
    return [text for shard in _by_shard(outcomes, stages) for text in _shard_breaks(shard, stages)]


def sum_gates(outcomes: Iterable[Outcome]) -> dict[str, int]:
    """Return the rows that each gate has dropped, over all shards and stages."""
    gates: Counter[str] = Counter()
    for outcome in outcomes:
        gates.update(outcome.dropped)
    return {gate: count for gate, count in sorted(gates.items()) if count}


def _shard_breaks(outcomes: list[Outcome], stages: tuple[str, ...]) -> Iterator[str]:
    for outcome in balance(outcomes).broken:
        what = f"{outcome.imbalance} rows" if outcome.is_settled else outcome.state.value
        yield f"{outcome.shard} ({outcome.stage}: {what})"
    for before, after in pairwise(outcomes):
        lost = before.n_made - after.n_expected
        if lost:
            yield f"{after.shard} ({before.stage} to {after.stage}: {lost} rows)"
    passed = {outcome.stage for outcome in outcomes}
    for stage in stages[: len(outcomes)]:
        if stage not in passed:
            yield f"{outcomes[0].shard} (is not in the books of {stage})"
    last = outcomes[-1]
    if last.n_made and last.stage != stages[-1]:
        yield f"{last.shard} (ends at {last.stage}: {last.n_made} rows)"


def _end_at_failure(outcomes: list[Outcome]) -> Iterator[Outcome]:
    n_given: int | None = None
    for outcome in outcomes:
        if outcome.state == ShardState.FAILED:
            n_lost = outcome.n_expected if n_given is None else n_given
            yield replace(outcome, n_expected=n_lost, n_made=0, dropped={SHARD_FAILED: n_lost})
            return
        yield outcome
        n_given = outcome.n_made


def _by_shard(outcomes: Iterable[Outcome], stages: tuple[str, ...]) -> list[list[Outcome]]:
    order = {stage: place for place, stage in enumerate(stages)}
    known = [outcome for outcome in outcomes if outcome.stage in order]
    known.sort(key=lambda outcome: (outcome.shard, order[outcome.stage]))
    return [list(group) for _, group in groupby(known, key=lambda outcome: outcome.shard)]


def _name(texts: list[str]) -> str:
    rest = len(texts) - _N_NAMED
    named = ", ".join(texts[:_N_NAMED])
    return f"{named} and {rest} more" if rest > 0 else named
