"""What a data root holds and where every row went, as lines of text."""

from collections.abc import Iterator

from catalog_schema.vocabulary import ShardState
from pipeline.ledger import Ledger
from pipeline.shards import summarise
from pipeline.stages import STAGES, inspect_datasets, read_saved_config
from pipeline.store import Store


def describe_status(store: Store) -> Iterator[str]:
    """Yield a line per dataset, then the ledger stage by stage, then the releases."""
    config = read_saved_config(store)
    yield f"data root   {store.root}   source {config.run.source}"
    yield ""
    yield f"{'dataset':17}{'done':>8}{'stale':>8}{'missing':>8}"
    for state in inspect_datasets(store, config):
        yield f"{state.dataset:17}{state.done:8}{state.stale:8}{state.missing:8}"
    yield ""
    yield from _describe_ledger(store)
    yield ""
    releases = sorted(path.parent for path in store.root.glob("releases/*/manifest.json"))
    for release in releases:
        yield f"release     {release}"
    if not releases:
        yield "release     none yet; `qad run` or `qad release build` makes one"


def describe_failures(store: Store) -> Iterator[str]:
    """Yield a line per failed shard with its reason."""
    failed = [o for o in Ledger(store.lake.ledger).outcomes() if o.state is ShardState.FAILED]
    for outcome in failed:
        yield f"{outcome.stage:12}{outcome.shard}: {outcome.error}"
    if not failed:
        yield "no shard failed"


def _describe_ledger(store: Store) -> Iterator[str]:
    ledger = Ledger(store.lake.ledger)
    yield f"{'stage':12}{'shards':>8}{'failed':>8}{'given':>10}{'made':>10}{'dropped':>10}"
    for stage in STAGES:
        outcomes = ledger.outcomes(stage)
        if not outcomes:
            continue
        report = summarise(stage, outcomes)
        n_dropped = sum(report.dropped.values())
        yield (
            f"{stage:12}{len(outcomes):8}{len(report.failed):8}"
            f"{report.n_expected:10}{report.n_made:10}{n_dropped:10}"
        )
        for gate, count in report.dropped.items():
            if count:
                yield f"{'':12}  {gate} {count}"
        lost = sum(outcome.imbalance for outcome in outcomes)
        if lost:
            yield f"{'':12}  not accounted for: {lost} (failed shards; see `qad status --failed`)"
