"""Is every file of a data root what was written: datasets, models, books, caches."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from catalog_schema.vocabulary import ShardState
from pipeline.context.catalogues.join import verify_index
from pipeline.errors import DataError, QadError
from pipeline.fits.index import is_index_whole
from pipeline.flow.kinds import PATHS, find_path
from pipeline.flow.root import Root, read_saved_config
from pipeline.lake.files import exists, is_object, list_files, measure, opening, show
from pipeline.lake.layout import MODEL_CARD
from pipeline.lake.model_files import verify_model
from pipeline.lake.seals import guard_sealed, verify_sealed
from pipeline.progress import track
from pipeline.stage import DataPath, Per

_CHECKPOINT = ".checkpoint"


@dataclass
class Verification:
    """What was looked at, by kind, and each fault by the file that has it."""

    counts: dict[str, int] = field(default_factory=dict)
    n_bytes: int = 0
    faults: dict[Path, str] = field(default_factory=dict)


def verify_root(store: Root) -> Verification:
    """Read all that a data root holds, in bounded memory, and compare it with what was written.

    Releases have their own list of checksums: ``qad release validate``.

    Parameters
    ----------
    store : Store

    Returns
    -------
    Verification
        Of the root and the roots below ``applied/``.
    """
    found = Verification()
    for kind, paths, check in _list_checks(store):
        _check_files(store, kind, paths, check, found)
    if store.lake.config.exists():
        _note(found, "configuration", store.lake.config, lambda _: read_saved_config(store))
    if store.has_ledger:
        _note(found, "ledger", store.lake.ledger, lambda _: _check_ledger(store))
    for folder in sorted(store.root.glob("applied/[!.]*")):
        below = verify_root(Root(folder))
        found.faults |= below.faults
        found.n_bytes += below.n_bytes
        for kind, count in below.counts.items():
            found.counts[kind] = found.counts.get(kind, 0) + count
    return found


def verify_datasets(store: Root, most_bytes: int) -> tuple[int, dict[Path, str]]:
    """Look at the datasets and models, and read them unless that would take long.

    Parameters
    ----------
    store : Store
    most_bytes : int
        If they are larger together, none is read.

    Returns
    -------
    n_bytes : int
        Their size.
    faults : dict of Path to str
        The fault of every damaged one, as far as they were read.
    """
    checks = _list_checks(store)[:2]
    n_bytes = sum(store.map(measure, [path for _, paths, _ in checks for path in paths]))
    found = Verification()
    for kind, paths, check in checks if n_bytes <= most_bytes else ():
        _check_files(store, kind, paths, check, found)
    return n_bytes, found.faults


def _list_checks(store: Root) -> list[tuple[str, list[Path], Callable[[Path], object]]]:
    """Return the kinds of files, which there are, and how one is checked."""
    lake, root = store.lake, store.root
    inside = [path for path in list_files(lake.datasets) if not path.name.startswith(".")]
    datasets, indices = ([p for p in inside if p.suffix == end] for end in (".parquet", ".json"))
    trained = list_files(lake.models)
    checkpoints = [path for path in trained if path.suffix == _CHECKPOINT]
    models = [path for path in trained if path.suffix != _CHECKPOINT]
    catalogues = sorted(root.glob("cache/catalogues/[!.]*.parquet"))
    answers = sorted(lake.service_cache.glob("[!.]*.parquet"))
    queues = sorted(root.glob("queue/[!.]*.parquet"))
    return [
        ("datasets", datasets, store.verify),
        ("model files", models, partial(_check_model, store)),
        ("indices of files", indices, _check_index),
        ("checkpoints", checkpoints, _check_checkpoint),
        ("indices of catalogues", catalogues, verify_index),
        ("answers of services", answers, _check_sealed),
        ("queues", queues, store.verify),
    ]


def _check_files(
    store: Root,
    kind: str,
    paths: Sequence[Path],
    check: Callable[[Path], object],
    found: Verification,
) -> None:
    def look(path: Path) -> tuple[int, str]:
        return measure(path), _find_fault(path, check)

    looked = map(look, paths) if not store.lake.url else iter(store.map(look, paths))
    for path, (n_bytes, fault) in zip(paths, track(looked, kind, len(paths)), strict=True):
        found.counts[kind] = found.counts.get(kind, 0) + 1
        found.n_bytes += n_bytes
        if fault:
            found.faults[path] = fault


def _note(found: Verification, kind: str, path: Path, check: Callable[[Path], object]) -> None:
    found.counts[kind] = 1
    if fault := _find_fault(path, check):
        found.faults[path] = fault


def _find_fault(path: Path, check: Callable[[Path], object]) -> str:
    try:
        check(path)
    except QadError as error:
        # A file that a running stage has just replaced or taken away is no fault.
        return str(error) if exists(path) or is_object(path) else ""
    return ""


def _check_model(store: Root, path: Path) -> None:
    if path.suffix == ".parquet":
        store.verify(path)
    elif path.name == MODEL_CARD:
        verify_model(path.parent)
    elif not exists(path.parent / MODEL_CARD):
        raise DataError(f"{show(path)}: belongs to no model, for it has no {MODEL_CARD}")


def _check_checkpoint(path: Path) -> None:
    from pipeline.spectra.model.checkpoint import read_checkpoint

    read_checkpoint(path)


def _check_index(path: Path) -> None:
    if not is_index_whole(path):
        raise DataError(f"{show(path)}: damaged; delete it, the next run reads the headers again")


def _check_sealed(path: Path) -> None:
    with guard_sealed(path), opening(path) as file:
        verify_sealed(file)


def _check_ledger(store: Root) -> None:
    """Compare the database's structure and its books with the stamps of the datasets."""
    with store.ledger.closing() as ledger:
        ledger.check()
        stages = _read_path(store).stages
        datasets = {s.name: s.dataset.name for s in stages if s.per is Per.SHARD}
        for outcome in ledger.outcomes():
            dataset = datasets.get(outcome.stage)
            if outcome.state is not ShardState.DONE or dataset is None or not outcome.content:
                continue
            stamp = store.read_stamp(store.lake.shard(dataset, outcome.shard))
            booked = (outcome.content, outcome.n_made, _count_drops(outcome.dropped))
            if stamp and booked != (stamp.content, stamp.n_made, _count_drops(stamp.dropped)):
                raise DataError(
                    f"{store.lake.ledger}: damaged: what it says of {outcome.stage} "
                    f"{outcome.shard} is not what the dataset says; `qad run` books it again"
                )


def _read_path(store: Root) -> DataPath:
    """Return the data path of a root; one without settings holds spectra that a model was given."""
    if not store.lake.config.exists():
        return PATHS["spectra"]
    return find_path(read_saved_config(store))


def _count_drops(dropped: Mapping[str, int]) -> dict[str, int]:
    """Leave out the gates that dropped nothing, which are not booked."""
    return {gate: count for gate, count in dropped.items() if count}
