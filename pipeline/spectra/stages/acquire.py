"""Stage `acquire`: an inventory of the source files that the targets need, each checked."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from catalog_schema.tables import FILES
from catalog_schema.vocabulary import ShardState
from pipeline.config import Config
from pipeline.errors import DataError
from pipeline.flow.shards import Report, summarise
from pipeline.lake.layout import Shard, is_remote
from pipeline.lake.store import Store, columns_to_table, make_fingerprint
from pipeline.ledger.books import Outcome
from pipeline.progress import track
from pipeline.spectra.desi.coadd_file import check_coadd, open_coadd
from pipeline.spectra.desi.tree import DesiTree
from pipeline.spectra.stages.target import find_tree
from pipeline.transport.sources import booking

STAGE = "acquire"
REVISION = 1
_SHARDS_AT_A_TIME = 8


@dataclass(frozen=True)
class CheckedFile:
    """A checked coadd file: path below the source, bytes, spectra, identity."""

    shard: Shard
    file_name: str
    n_bytes: int
    n_rows: int
    identity: str


def acquire(store: Store, config: Config) -> Report:
    """Check that every shard's coadd is there, whole and on DESI's grid.

    Only headers and wavelengths are read, and where the HDUs lie is kept in the lake; `extract`
    fetches the spectra shard by shard, so raw bytes never pile up.

    Parameters
    ----------
    store : Store
        Reads `targets`, writes `files` and the index of each coadd.
    config : Config
        Reads ``run.source`` and ``acquire``.

    Returns
    -------
    Report
        Of the dataset `files`, one row per usable shard; unusable ones are failed outcomes.
    """
    wanted = count_targets(store)
    [(path, fingerprint)] = plan(store, config).items()
    ledger = store.ledger
    booked = ledger.outcomes(STAGE)
    if store.find_done(path, fingerprint) and len(booked) == len(wanted):
        report = summarise(FILES.name, [replace(outcome, skipped=True) for outcome in booked])
        return replace(report, made=0, skipped=1)
    files, outcomes = [], []
    for file, outcome in track(_inspect_all(store, config, wanted), STAGE, len(wanted)):
        files += [file] if file else []
        outcomes.append(outcome)
    report = summarise(FILES.name, outcomes)
    columns = {
        "SURVEY": [file.shard.survey for file in files],
        "PROGRAM": [file.shard.program for file in files],
        "HEALPIX": [file.shard.healpix for file in files],
        **{
            name: [getattr(file, name) for file in files]
            for name in ("file_name", "n_bytes", "n_rows", "identity")
        },
    }
    # Booked first: a run killed in between finds no file and does it again.
    ledger.keep_only(STAGE, wanted)
    ledger.record(outcomes)
    store.write(
        path,
        columns_to_table(FILES, columns),
        FILES,
        fingerprint=fingerprint,
        n_expected=len(wanted),
        n_made=len(files),
        dropped={"unusable_file": len(wanted) - len(files)},
    )
    return replace(report, made=1)


def plan(store: Store, config: Config) -> dict[Path, str]:
    """Return the file that the stage is to make and its fingerprint."""
    tree = find_tree(store, config)
    wanted = count_targets(store)
    with ThreadPoolExecutor(config.acquire.concurrency) as pool:
        identities = pool.map(partial(tree.identify, "coadd"), wanted)
        inputs = [
            f"{shard} {n_targets} {identity}"
            for (shard, n_targets), identity in zip(wanted.items(), identities, strict=True)
        ]
    return {store.lake.table(FILES.name): make_fingerprint(STAGE, REVISION, [], inputs)}


def count_targets(store: Store) -> dict[Shard, int]:
    """Return the number of targets of each shard that has any, in order of the shards."""
    return {
        outcome.shard: outcome.n_made
        for outcome in store.ledger.outcomes("adopt")
        if outcome.state is ShardState.DONE and outcome.n_made
    }


def _inspect_all(
    store: Store, config: Config, wanted: dict[Shard, int]
) -> Iterator[tuple[CheckedFile | None, Outcome]]:
    """Inspect the shards in order; of a remote source several at a time, for latency rules."""
    inspect = partial(_inspect, store, find_tree(store, config))
    if not is_remote(config.run.source):
        yield from map(inspect, wanted, wanted.values())
        return
    with ThreadPoolExecutor(_SHARDS_AT_A_TIME) as pool:
        yield from pool.map(inspect, wanted, wanted.values())


def _inspect(
    store: Store, tree: DesiTree, shard: Shard, n_targets: int
) -> tuple[CheckedFile | None, Outcome]:
    outcome = Outcome(shard, STAGE, ShardState.DONE, n_targets, n_made=n_targets)
    try:
        with booking(tree.source) as source:
            file = tree.layout(source).find_file("coadd", shard)
            coadd = open_coadd(file, store.lake.index(shard))
            check_coadd(coadd)
            size, identity = file.stat() if file.path.endswith(".gz") else coadd.ahead.stat
    except DataError as error:
        failed = replace(outcome, state=ShardState.FAILED, n_made=0, error=str(error))
        return None, replace(failed, requests=error.requests, n_bytes=error.n_bytes)
    spent = replace(outcome, requests=dict(source.counts.requests), n_bytes=source.counts.n_bytes)
    return CheckedFile(shard, file.path, size, coadd.n_rows, identity), spent
