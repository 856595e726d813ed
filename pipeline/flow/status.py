"""What a data root holds and where every row went: lines of text, or two tables."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq

from catalog_schema.tables import COMPLETENESS, EFFORT, GATES
from catalog_schema.vocabulary import ShardState
from pipeline.flow.data_path import inspect_datasets
from pipeline.flow.kinds import find_path
from pipeline.flow.report import summarise
from pipeline.flow.root import Root, read_saved_config
from pipeline.flow.verify import verify_datasets
from pipeline.lake.files import replacing
from pipeline.ledger.books import Outcome, balance, tabulate, tabulate_effort
from pipeline.stage import DataPath

# Read in a second or two; a look at more than that is `qad lake verify`.
_MOST_BYTES = 2**30


def describe_status(store: Root) -> Iterator[str]:
    """Yield a line per dataset, then the ledger stage by stage, then the releases."""
    config = read_saved_config(store)
    booked = store.ledger.outcomes()
    lake = f"   lake {store.lake.url}" if store.lake.url else ""
    yield f"data root   {store.root}{lake}   source {config.run.source}"
    yield ""
    n_bytes, faults = verify_datasets(store, _MOST_BYTES)
    yield f"{'dataset':17}{'done':>8}{'stale':>8}{'missing':>8}{'damaged':>8}"
    for state in inspect_datasets(store, config, faults):
        counts = (state.done, state.stale, state.missing, state.damaged)
        yield f"{state.dataset:17}{''.join(f'{count:8}' for count in counts)}"
    yield from faults.values()
    if n_bytes > _MOST_BYTES:
        yield f"the rows, {n_bytes / 1e9:.1f} GB, were not read; `qad lake verify` does that"
    yield ""
    yield from _describe_ledger(find_path(config), booked, store.is_in_use)
    yield ""
    for release in store.lake.releases:
        yield f"release     {release}"
    if not store.lake.releases:
        yield "release     none yet; `qad run` or `qad release build` makes one"


def describe_failures(store: Root) -> Iterator[str]:
    """Yield a line per failed shard with its reason."""
    failed = [o for o in store.ledger.outcomes() if o.state is ShardState.FAILED]
    for outcome in failed:
        yield f"{outcome.stage:12}{outcome.shard}: {outcome.error}"
    if not failed:
        yield "no shard failed"


def export_ledger(store: Root, folder: Path) -> list[Path]:
    """Write the ledger as the tables COMPLETENESS, GATES and EFFORT, a Parquet file each.

    Raises
    ------
    UserError
        If the folder cannot be written.
    """
    paths = []
    outcomes = store.ledger.outcomes()
    tables = (*tabulate(outcomes), tabulate_effort(outcomes))
    for table, data in zip((COMPLETENESS, GATES, EFFORT), tables, strict=True):
        path = folder / f"{table.name}.parquet"
        with replacing(path) as partial:
            pq.write_table(data, partial)
        paths.append(path)
    return paths


def _describe_ledger(path: DataPath, booked: list[Outcome], is_in_use: bool) -> Iterator[str]:
    yield f"{'stage':12}{'shards':>8}{'failed':>8}{'given':>10}{'made':>10}{'dropped':>10}"
    for stage in path.stages:
        outcomes = [outcome for outcome in booked if outcome.stage == stage.name]
        if outcomes:
            yield from _describe_stage(stage.name, outcomes, is_in_use)
    settled = balance(outcome for outcome in booked if outcome.is_settled)
    n_shards = len({outcome.shard for outcome in booked})
    n_failed = len({outcome.shard for outcome in booked if outcome.state is ShardState.FAILED})
    yield (
        f"{'total':12}{n_shards:8}{n_failed:8}"
        f"{settled.n_expected:10}{settled.n_made:10}{settled.n_dropped:10}"
        f"   given - made - dropped = {settled.imbalance}"
        f"{f', broken in {len(settled.broken)} places' if settled.broken else ''}"
    )


def _describe_stage(stage: str, outcomes: list[Outcome], is_in_use: bool) -> Iterator[str]:
    settled = [outcome for outcome in outcomes if outcome.is_settled]
    report, sums = summarise(stage, settled), balance(settled)
    yield (
        f"{stage:12}{len(outcomes):8}{len(report.failed):8}"
        f"{sums.n_expected:10}{sums.n_made:10}{sums.n_dropped:10}"
    )
    for gate, count in report.dropped.items():
        if count:
            yield f"{'':12}  {gate} {count}"
    if sums.imbalance:
        yield f"{'':12}  not accounted for: {sums.imbalance} (see `qad status --failed`)"
    # Nobody is at work where nobody holds the root: a killed run left those.
    names = {ShardState.RUNNING: "running" if is_in_use else "interrupted"}
    unsettled = (outcome.state for outcome in outcomes if not outcome.is_settled)
    states = Counter(names.get(state, state.value) for state in unsettled)
    if states:
        yield f"{'':12}  " + ", ".join(f"{count} {state}" for state, count in states.items())
