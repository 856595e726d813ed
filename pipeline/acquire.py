"""Stage `acquire`: an inventory of the source files that the targets need, each checked."""

from dataclasses import dataclass, replace
from pathlib import Path

from catalog_schema.tables import FILES, TARGETS
from catalog_schema.vocabulary import ShardState
from pipeline.config import Config
from pipeline.desi_files import check_coadd
from pipeline.errors import DataError
from pipeline.layout import DesiTree, Shard
from pipeline.ledger import Outcome
from pipeline.progress import track
from pipeline.shards import Report, summarise
from pipeline.store import Store, columns_to_table, make_fingerprint
from pipeline.target import find_tree, identify_file

STAGE = "acquire"
REVISION = 1


@dataclass(frozen=True)
class SourceFile:
    """A checked coadd file: path below the source, bytes, spectra, identity."""

    shard: Shard
    file_name: str
    n_bytes: int
    n_rows: int
    identity: str


def acquire(store: Store, config: Config) -> Report:
    """Check that every shard's coadd is there, whole and on DESI's grid.

    A local tree is read in place: nothing is copied.

    Parameters
    ----------
    store : Store
        Reads `targets`, writes `files`.
    config : Config
        Reads ``run.source``.

    Returns
    -------
    Report
        Of the dataset `files`, one row per usable shard; unusable ones are failed outcomes.
    """
    tree = find_tree(store, config)
    wanted = count_targets(store)
    [(path, fingerprint)] = plan(store, config).items()
    ledger = store.ledger
    booked = ledger.outcomes(STAGE)
    if store.find_done(path, fingerprint) and len(booked) == len(wanted):
        report = summarise(FILES.name, [replace(outcome, skipped=True) for outcome in booked])
        return replace(report, made=0, skipped=1)
    files, outcomes = [], []
    for shard, n_targets in track(wanted.items(), STAGE, len(wanted)):
        try:
            files.append(_inspect(tree, shard))
            outcome = Outcome(shard, STAGE, ShardState.DONE, n_targets, n_made=n_targets)
        except DataError as error:
            outcome = Outcome(shard, STAGE, ShardState.FAILED, n_targets, error=str(error))
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
    store.write(
        path, columns_to_table(FILES, columns), FILES, fingerprint=fingerprint,
        n_expected=len(wanted), n_made=len(files),
        dropped={"unusable_file": len(wanted) - len(files)},
    )  # fmt: skip
    ledger.keep_only(STAGE, wanted)
    ledger.record(outcomes)
    return replace(report, made=1)


def plan(store: Store, config: Config) -> dict[Path, str]:
    """Return the file that the stage is to make and its fingerprint."""
    tree = find_tree(store, config)
    inputs = [
        f"{shard} {n_targets} {_identify(tree, shard)}"
        for shard, n_targets in count_targets(store).items()
    ]
    return {store.lake.table(FILES.name): make_fingerprint(STAGE, REVISION, [], inputs)}


def count_targets(store: Store) -> dict[Shard, int]:
    """Return the number of targets of each shard, in order of the shards."""
    keys = ["SURVEY", "PROGRAM", "HEALPIX"]
    targets = store.read(store.lake.table(TARGETS.name), columns=keys)
    counts = targets.group_by(keys).aggregate([([], "count_all")]).to_pylist()
    return {
        shard: row["count_all"]
        for shard, row in sorted(
            (Shard(row["SURVEY"], row["PROGRAM"], row["HEALPIX"]), row) for row in counts
        )
    }


def _identify(tree: DesiTree, shard: Shard) -> str:
    path = tree.file("coadd", shard)
    return identify_file(path) if path.exists() else "absent"


def _inspect(tree: DesiTree, shard: Shard) -> SourceFile:
    path = tree.file("coadd", shard)
    n_rows = check_coadd(path)
    name = path.relative_to(tree.root).as_posix()
    return SourceFile(shard, name, path.stat().st_size, n_rows, identify_file(path))
