"""Stage `target`: what may enter a parent sample; every row is kept or counted out."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from catalog_schema.tables import CANDIDATES, ROW_KEY, SHARD_KEY
from catalog_schema.vocabulary import Parent, ShardState, Split
from pipeline.config import Config, TargetSettings
from pipeline.errors import UserError
from pipeline.flow.shards import Report, summarise
from pipeline.lake.layout import Shard, is_remote
from pipeline.lake.store import Store, columns_to_table, digest, make_fingerprint
from pipeline.ledger.books import Outcome
from pipeline.science.sky import assign_splits
from pipeline.spectra.desi.placement import OUTSIDE_BRICK, OUTSIDE_PIXEL, suspect
from pipeline.spectra.desi.redshift_catalogue import (
    Columns,
    identify_catalogue,
    read_catalogue,
)
from pipeline.spectra.desi.selection import Choice, choose_rows
from pipeline.spectra.desi.tree import REDUCTION, DesiTree, list_reductions, recognise_tree
from pipeline.transport.sources import open_source

STAGE = "target"
REVISION = 3

NANOJANSKY_PER_NANOMAGGY = 3631.0
_ORDER = [(name, "ascending") for name in ROW_KEY]


def target(store: Store, config: Config) -> Report:
    """Keep the rows of the redshift catalogue that may enter a parent sample.

    The core parent is DESI's own definition of a useful quasar: a primary target spectrum with
    ZWARN = 0, SPECTYPE = QSO and a good fibre. What fails it may belong to the extended parent,
    which `adopt` decides, or be drawn as a negative control; other rows are dropped by the first
    gate of the core that they fail.

    Parameters
    ----------
    store : Store
    config : Config
        Reads ``run.source`` (a tree in the DR1 layout), ``acquire`` and ``target``.

    Returns
    -------
    Report
        Of the dataset `candidates`, one row per spectrum, ordered by shard and TARGETID.

    Raises
    ------
    UserError
        If the source holds no DESI tree or no core quasar, or most rows are not where they say.
    """
    tree = find_tree(store, config)
    [(path, fingerprint)] = plan(store, config).items()
    ledger = store.ledger
    if store.find_done(path, fingerprint):
        booked = [replace(outcome, skipped=True) for outcome in ledger.outcomes(STAGE)]
        if booked:
            return replace(summarise(CANDIDATES.name, booked), made=0, skipped=1)
    unreadable: dict[Shard, str] = {}
    suspicions: Counter[str] = Counter()
    blocks = read_catalogue(tree, unreadable)
    candidates, counts = select_candidates(blocks, config.target, suspicions)
    outcomes = [
        *_book(counts),
        *(Outcome(shard, STAGE, ShardState.FAILED, 0, error=e) for shard, e in unreadable.items()),
    ]
    report = summarise(CANDIDATES.name, outcomes)
    _check_placement(tree, report, suspicions)
    if not pc.any(pc.equal(candidates["parent"], Parent.CORE.value)).as_py():
        raise UserError(
            f"{tree.root}: none of {counts.total()} rows is a quasar of the core parent"
        )
    # Booked first: a run killed in between finds no file and does it again.
    ledger.keep_only(STAGE, [outcome.shard for outcome in outcomes])
    ledger.record(outcomes)
    store.write(
        path,
        candidates,
        CANDIDATES,
        fingerprint=fingerprint,
        n_expected=counts.total(),
        n_made=candidates.num_rows,
        dropped=report.dropped,
    )
    return replace(report, made=1)


def _check_placement(tree: DesiTree, report: Report, suspicions: Counter[str]) -> None:
    """Refuse a catalogue most of whose rows are not where they say; fewer are dropped."""
    for gate, where in (
        (OUTSIDE_PIXEL, "outside the HEALPIX pixel of their file"),
        (OUTSIDE_BRICK, "outside the brick that their TARGETID names"),
    ):
        n = report.dropped.get(gate, 0)
        if n > report.n_made:
            [(why, _)] = suspicions.most_common(1) or [("TARGETIDs look shifted or permuted", 0)]
            raise UserError(f"{tree.root}: {n} rows lie {where}, {report.n_made} inside: {why}")


def plan(store: Store, config: Config) -> dict[Path, str]:
    """Return the file that the stage is to make and its fingerprint."""
    inputs = identify_catalogue(find_tree(store, config))
    fingerprint = make_fingerprint(STAGE, REVISION, [config.target], inputs)
    return {store.lake.table(CANDIDATES.name): fingerprint}


def find_tree(store: Store, config: Config) -> DesiTree:
    """Return the DR1 tree that ``run.source`` names; `mock` is the mock survey below the root.

    Raises
    ------
    UserError
        If there is no tree, or nothing in it.
    """
    location = config.run.source
    if location == "mock":
        location = str(find_mock(store, config))
    elif not is_remote(location):
        source = Path(location)
        if not source.is_dir():
            raise UserError(
                f"source {source}: no such folder; give a tree in the DR1 layout or `mock`"
            )
        if not list_reductions(source):
            raise UserError(
                f"source {source}: no {REDUCTION} below it; give the folder that holds spectro/"
            )
    return recognise_tree(open_source(location, config.acquire), config.run.survey)


def find_mock(store: Store, config: Config) -> Path:
    """Return the folder of the mock survey that these settings make."""
    return store.lake.mock(digest(config.mock)[:8])


def find_beside(store: Store, config: Config, key: str, name: str) -> Path:
    """Return a local file or folder that the settings name.

    It is looked for below the source, where that is local, and then from the working folder.

    Raises
    ------
    UserError
        If it is in neither.
    """
    source = find_mock(store, config) if config.run.source == "mock" else Path(config.run.source)
    folders = [Path()] if is_remote(config.run.source) else [source, Path()]
    for folder in folders:
        if (folder / name).exists():
            return folder / name
    looked = " and ".join(str(folder.resolve()) for folder in folders)
    raise UserError(f"{key} {name}: no such file in {looked}")


def select_candidates(
    blocks: Iterable[Columns],
    settings: TargetSettings,
    suspicions: Counter[str] | None = None,
    choose: Callable[[Columns, TargetSettings], Choice] = choose_rows,
) -> tuple[pa.Table, Counter[tuple[Shard, str]]]:
    """Keep the candidates, and count all rows by shard and gate; the gate of the kept is empty.

    Parameters
    ----------
    blocks : iterable of dict
        Columns of the redshift catalogue, block by block; only what is kept of a block stays in
        memory.
    settings : TargetSettings
    suspicions : Counter, optional
        Takes what would put the rows that lie outside their pixel inside.
    choose : callable
        Says where each row goes: `Survey.select`.
    """
    counts: Counter[tuple[Shard, str]] = Counter()
    parts = []
    for rows in blocks:
        choice = choose(rows, settings)
        is_kept = choice.parent != ""
        is_outside = choice.gate == OUTSIDE_PIXEL
        if suspicions is not None and is_outside.any():
            suspicions.update(suspect({n: values[is_outside] for n, values in rows.items()}))
        counts.update(_count(rows, np.where(is_kept, "", choice.gate)))
        parts.append(_to_candidates(rows, choice, is_kept, settings))
    # Sorting is stable: of a repeated row the catalogue's first is kept.
    ordered = pa.concat_tables(parts).sort_by(_ORDER)
    is_repeat = _find_repeats(ordered)
    repeats = ordered.filter(is_repeat).select(SHARD_KEY).to_pylist()
    for shard in (Shard(*row.values()) for row in repeats):
        counts[shard, "duplicate_row"] += 1
        counts[shard, ""] -= 1
    return ordered.filter(pc.invert(is_repeat)), counts


def _find_repeats(ordered: pa.Table) -> pa.Array:
    """Mark the rows, in order of the key, that have the key of the row before, shape (n,)."""
    n = ordered.num_rows
    same = np.ones(max(n - 1, 0), bool)
    for name, _ in _ORDER:
        later, earlier = ordered[name].slice(1), ordered[name].slice(0, max(n - 1, 0))
        same &= pc.equal(later, earlier).to_numpy()
    return pa.array(np.r_[np.zeros(min(n, 1), bool), same])


def _count(rows: Columns, gates: NDArray[np.str_]) -> Counter[tuple[Shard, str]]:
    keys = pa.table({name: rows[name] for name in SHARD_KEY} | {"gate": gates})
    counts = keys.group_by([*SHARD_KEY, "gate"]).aggregate([([], "count_all")]).to_pylist()
    return Counter(
        {
            (Shard(row["SURVEY"], row["PROGRAM"], int(row["HEALPIX"])), row["gate"]): row[
                "count_all"
            ]
            for row in counts
        }
    )


def _book(counts: Counter[tuple[Shard, str]]) -> Iterable[Outcome]:
    by_shard: dict[Shard, dict[str, int]] = {}
    for (shard, gate), count in counts.items():
        by_shard.setdefault(shard, {})[gate] = count
    for shard, by_gate in sorted(by_shard.items()):
        n_made = by_gate.pop("", 0)
        n_expected = n_made + sum(by_gate.values())
        yield Outcome(shard, STAGE, ShardState.DONE, n_expected, n_made, by_gate)


def _to_candidates(
    rows: Columns, choice: Choice, is_kept: NDArray[np.bool_], settings: TargetSettings
) -> pa.Table:
    kept = {name: values[is_kept] for name, values in rows.items()}
    n = int(is_kept.sum())
    columns: dict[str, object] = {name: kept.get(name, pa.nulls(n)) for name in CANDIDATES.names}
    for band in ("g", "r", "z", "w1", "w2"):
        flux = kept.get(f"FLUX_{band.upper()}")
        if flux is not None:
            columns[f"flux_{band}"] = (flux * NANOJANSKY_PER_NANOMAGGY).astype(np.float32)
    columns["parent"] = choice.parent[is_kept]
    for name in ("control", "target_class"):
        words = getattr(choice, name)[is_kept]
        columns[name] = pa.array(words, mask=words == "")
    columns["split"] = assign_splits(
        kept["TARGET_RA"],
        kept["TARGET_DEC"],
        {
            Split.VALIDATION.value: settings.validation_fraction,
            Split.TEST.value: settings.test_fraction,
        },
        rest=Split.TRAIN.value,
    )
    return columns_to_table(CANDIDATES, columns)
