"""Stage `acquire`: an inventory of the source files that the targets need, each checked."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

from catalog_schema.tables import FILES, TARGETS
from catalog_schema.vocabulary import ShardState
from pipeline.errors import DataError
from pipeline.lake.layout import Shard
from pipeline.lake.store import Store, columns_to_table
from pipeline.ledger.outcome import Outcome
from pipeline.progress import track
from pipeline.run import Run
from pipeline.spectra.desi.coadd_file import check_coadd, open_coadd
from pipeline.spectra.desi.source import find_tree
from pipeline.spectra.desi.tree import DesiTree
from pipeline.stage import Job, Product, do_once
from pipeline.transport.sources import booking

_STAGE = "acquire"
_SHARDS_AT_A_TIME = 8


@dataclass(frozen=True)
class CheckedFile:
    """A checked coadd file: path below the source, bytes, spectra, identity."""

    shard: Shard
    file_name: str
    n_bytes: int
    n_rows: int
    identity: str


def acquire(run: Run) -> Job:
    """Check that every shard's coadd is there, whole and on DESI's grid.

    Only headers and wavelengths are read, and where the HDUs lie is kept in the lake; `extract`
    fetches the spectra shard by shard, so raw bytes never pile up.

    Returns
    -------
    Job
        Makes `files`, one row per usable shard of `targets`, and the index of each coadd; unusable
        ones are failed outcomes.
    """
    tree = find_tree(run.store, run.config)
    wanted = {shard: n for shard, n in run.count_rows(TARGETS.name).items() if n}
    with ThreadPoolExecutor(run.config.acquire.concurrency) as pool:
        identities = pool.map(partial(tree.identify, "coadd"), wanted)
        inputs = [
            f"{shard} {n_targets} {identity}"
            for (shard, n_targets), identity in zip(wanted.items(), identities, strict=True)
        ]
    return do_once(partial(_list_files, run.store, tree, wanted), *inputs)


def _list_files(store: Store, tree: DesiTree, wanted: dict[Shard, int]) -> Product:
    files, outcomes = [], []
    for file, outcome in track(_inspect_all(store, tree, wanted), _STAGE, len(wanted)):
        files += [file] if file else []
        outcomes.append(outcome)
    columns = {
        "SURVEY": [file.shard.survey for file in files],
        "PROGRAM": [file.shard.program for file in files],
        "HEALPIX": [file.shard.healpix for file in files],
        **{
            name: [getattr(file, name) for file in files]
            for name in ("file_name", "n_bytes", "n_rows", "identity")
        },
    }
    return Product(
        (columns_to_table(FILES, columns),),
        {"unusable_file": len(wanted) - len(files)},
        n_expected=len(wanted),
        outcomes=tuple(outcomes),
    )


def _inspect_all(
    store: Store, tree: DesiTree, wanted: dict[Shard, int]
) -> Iterator[tuple[CheckedFile | None, Outcome]]:
    """Inspect the shards in order; of a remote source several at a time, for latency rules."""
    inspect = partial(_inspect, store, tree)
    if not tree.source.is_remote:
        yield from map(inspect, wanted, wanted.values())
        return
    with ThreadPoolExecutor(_SHARDS_AT_A_TIME) as pool:
        yield from pool.map(inspect, wanted, wanted.values())


def _inspect(
    store: Store, tree: DesiTree, shard: Shard, n_targets: int
) -> tuple[CheckedFile | None, Outcome]:
    outcome = Outcome(shard, _STAGE, ShardState.DONE, n_targets, n_made=n_targets)
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
