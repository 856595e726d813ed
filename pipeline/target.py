"""Stage `target`: the parent sample, every row of the redshift catalogue kept or counted out."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import reduce
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from catalog_schema.tables import TARGETS
from catalog_schema.vocabulary import Parent, RedshiftSource, ShardState, Split
from pipeline.config import Config, TargetSettings
from pipeline.desi_files import iterate_columns, read_columns
from pipeline.errors import DataError, UserError
from pipeline.layout import REDUCTION, DesiTree, Shard, is_remote
from pipeline.ledger import Outcome
from pipeline.science.sky import assign_splits
from pipeline.shards import Report, summarise
from pipeline.sources import open_source
from pipeline.store import Store, columns_to_table, digest, make_fingerprint

STAGE = "target"
REVISION = 1

NANOJANSKY_PER_NANOMAGGY = 3631.0
# FIBERSTATUS 8 is bit 3, RESTRICTED: informative only (DESI DR1 documentation).
_GOOD_FIBERSTATUS = (0, 8)

_REQUIRED = ("TARGETID", "Z", "ZWARN", "SPECTYPE", "TARGET_RA", "TARGET_DEC", "OBJTYPE")
_OPTIONAL = (
    "ZERR", "DELTACHI2", "COADD_FIBERSTATUS", "DESI_TARGET", "EBV", "COADD_NUMEXP",
    "COADD_EXPTIME", "MEAN_MJD", "DESINAME", "ZCAT_PRIMARY",
    "FLUX_G", "FLUX_R", "FLUX_Z", "FLUX_W1", "FLUX_W2",
)  # fmt: skip
_SHARD_COLUMNS = ("SURVEY", "PROGRAM", "HEALPIX")
_REDSHIFT_COLUMNS = ("TARGETID", "Z", "ZERR", "ZWARN", "SPECTYPE", "DELTACHI2")

Columns = dict[str, NDArray]


def target(store: Store, config: Config) -> Report:
    """Make the core parent sample from the redshift catalogue, or from redrock files.

    The core parent is DESI's own definition of a useful quasar: a primary target spectrum with
    ZWARN = 0, SPECTYPE = QSO and a good fibre. Rows are dropped by the first gate they fail.

    Parameters
    ----------
    store : Store
    config : Config
        Reads ``run.source`` (a tree in the DR1 layout), ``acquire`` and ``target``.

    Returns
    -------
    Report
        Of the dataset `targets`, one row per spectrum, ordered by shard and TARGETID.

    Raises
    ------
    UserError
        If the source holds no DESI tree or no quasar.
    """
    tree = find_tree(store, config)
    [(path, fingerprint)] = plan(store, config).items()
    ledger = store.ledger
    if store.find_done(path, fingerprint):
        booked = [replace(outcome, skipped=True) for outcome in ledger.outcomes(STAGE)]
        if booked:
            return replace(summarise(TARGETS.name, booked), made=0, skipped=1)
    unreadable: list[Outcome] = []
    kept, counts = _select(_read_catalogue(tree, unreadable), config.target)
    outcomes = [*_book(counts), *unreadable]
    report = summarise(TARGETS.name, outcomes)
    if not report.n_made:
        raise UserError(
            f"{tree.root}: none of {counts.total()} rows is a quasar of the core parent"
        )
    # Booked first: a run killed in between finds no file and does it again.
    ledger.keep_only(STAGE, [outcome.shard for outcome in outcomes])
    ledger.record(outcomes)
    store.write(
        path, _to_targets(kept, config.target), TARGETS, fingerprint=fingerprint,
        n_expected=counts.total(), n_made=len(kept["TARGETID"]), dropped=report.dropped,
    )  # fmt: skip
    return replace(report, made=1)


def plan(store: Store, config: Config) -> dict[Path, str]:
    """Return the file that the stage is to make and its fingerprint."""
    inputs = _identify(find_tree(store, config))
    fingerprint = make_fingerprint(STAGE, REVISION, [config.target], inputs)
    return {store.lake.table(TARGETS.name): fingerprint}


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
        if not (source / REDUCTION).is_dir():
            raise UserError(
                f"source {source}: no {REDUCTION} below it; give the folder that holds spectro/"
            )
    return DesiTree(open_source(location, config.acquire))


def find_mock(store: Store, config: Config) -> Path:
    """Return the folder of the mock survey that these settings make."""
    return store.lake.mock(digest(config.mock)[:8])


def find_gates(rows: Mapping[str, NDArray], settings: TargetSettings) -> NDArray[np.str_]:
    """Name the first gate that each row fails by itself; empty where the row is kept.

    Parameters
    ----------
    rows : mapping
        Columns of the redshift catalogue, shape (n,); a flag column that the source lacks passes.
    settings : TargetSettings

    Returns
    -------
    ndarray of str, shape (n,)
    """
    redshift = rows["Z"]
    every = np.ones(len(redshift), bool)
    status = rows.get("COADD_FIBERSTATUS")
    fails = {
        "no_redshift": ~np.isfinite(redshift),
        "not_a_target": rows["OBJTYPE"] != "TGT",
        "negative_targetid": rows["TARGETID"] <= 0,
        "not_quasar": rows["SPECTYPE"] != "QSO",
        "redshift_warning": rows["ZWARN"] != 0,
        "bad_fiberstatus": ~every if status is None else ~np.isin(status, _GOOD_FIBERSTATUS),
        "not_primary": ~rows.get("ZCAT_PRIMARY", every).astype(bool),
        "redshift_outside_range": (redshift < settings.z_min) | (redshift > settings.z_max),
    }
    return np.select(list(fails.values()), list(fails), default="")


def _identify(tree: DesiTree) -> list[str]:
    if _has_catalogue(tree):
        return [tree.redshift_catalogue.stat().identity]
    files = [
        tree.file(kind, s) for s in tree.find_shards("redrock") for kind in ("redrock", "coadd")
    ]
    return [file.stat().identity for file in files if file.exists()]


def _has_catalogue(tree: DesiTree) -> bool:
    try:
        return tree.redshift_catalogue.exists()
    except DataError as error:
        raise UserError(str(error)) from None


def _read_catalogue(tree: DesiTree, unreadable: list[Outcome]) -> Iterator[Columns]:
    """Yield the redshift catalogue in blocks of rows: DR1's does not fit in memory."""
    if not _has_catalogue(tree):
        yield _read_redrock_files(tree, unreadable)
        return
    required = (*_SHARD_COLUMNS, *_REQUIRED)
    try:
        yield from iterate_columns(tree.redshift_catalogue, "ZCATALOG", required, _OPTIONAL)
    except DataError as error:
        raise UserError(str(error)) from None


def _select(
    blocks: Iterable[Columns], settings: TargetSettings
) -> tuple[Columns, Counter[tuple[Shard, str]]]:
    """Keep the rows that pass every gate, and count all rows by shard and gate."""
    counts: Counter[tuple[Shard, str]] = Counter()
    parts = []
    for rows in blocks:
        gates = find_gates(rows, settings)
        counts.update(_count(rows, gates))
        parts.append({name: values[gates == ""] for name, values in rows.items()})
    kept = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    is_repeat = _find_repeats(kept)
    repeats = {name: values[is_repeat] for name, values in kept.items()}
    for (shard, gate), count in _count(repeats, np.full(is_repeat.sum(), "duplicate_row")).items():
        counts[shard, gate] += count
        counts[shard, ""] -= count
    return {name: values[~is_repeat] for name, values in kept.items()}, counts


def _read_redrock_files(tree: DesiTree, failed: list[Outcome]) -> Columns:
    parts = []
    shards = tree.find_shards("redrock")
    if not shards:
        raise UserError(
            f"source {tree.root}: neither a redshift catalogue nor a redrock file in it"
        )
    for shard in shards:
        try:
            parts.append(_read_redrock(tree, shard))
        except DataError as error:
            failed.append(Outcome(shard, STAGE, ShardState.FAILED, n_expected=0, error=str(error)))
    if not parts:
        raise UserError(failed[0].error or "no readable redrock file")
    shared = reduce(lambda names, part: names & part.keys(), parts[1:], set(parts[0]))
    rows = {n: np.concatenate([part[n] for part in parts]) for n in parts[0] if n in shared}
    rows["ZCAT_PRIMARY"] = _find_primary(rows)
    return rows


def _read_redrock(tree: DesiTree, shard: Shard) -> Columns:
    """Join a redrock file's tables; a target of the coadd without a redshift gets Z = NaN."""
    path = tree.file("redrock", shard)
    redshifts = read_columns(path, "REDSHIFTS", _REDSHIFT_COLUMNS)
    required = tuple(name for name in _REQUIRED if name not in redshifts)
    optional = tuple(name for name in _OPTIONAL if name not in redshifts)
    fibermap = read_columns(path, "FIBERMAP", ("TARGETID", *required), optional)
    if not np.array_equal(redshifts["TARGETID"], fibermap["TARGETID"]):
        raise DataError(f"{path}: REDSHIFTS and FIBERMAP list different targets; fetch it again")
    rows = {**fibermap, **redshifts}
    coadd = tree.file("coadd", shard)
    if coadd.exists():
        observed = read_columns(coadd, "FIBERMAP", ("TARGETID", *required), optional)
        rows = _append_unfitted(rows, observed)
    n = len(rows["TARGETID"])
    return {
        **rows,
        "SURVEY": np.full(n, shard.survey),
        "PROGRAM": np.full(n, shard.program),
        "HEALPIX": np.full(n, shard.healpix),
    }


def _append_unfitted(rows: Columns, observed: Columns) -> Columns:
    is_new = ~np.isin(observed["TARGETID"], rows["TARGETID"])
    if not is_new.any():
        return rows
    n = int(is_new.sum())
    unknown = {
        "Z": np.full(n, np.nan), "ZERR": np.full(n, np.nan), "DELTACHI2": np.full(n, np.nan),
        "ZWARN": np.zeros(n, np.int64), "SPECTYPE": np.full(n, ""),
    }  # fmt: skip
    added = {name: values[is_new] for name, values in observed.items()} | unknown
    return {name: np.concatenate([rows[name], added[name]]) for name in rows if name in added}


def _find_primary(rows: Columns) -> NDArray[np.bool_]:
    """Mark the best spectrum of each target: fitted, no warning, longest exposed, clearest."""
    exposed = rows.get("COADD_EXPTIME", np.zeros(len(rows["Z"])))
    is_doubtful = ~np.isfinite(rows["Z"]) | (rows["ZWARN"] != 0)
    order = np.lexsort((-rows["DELTACHI2"], -exposed, is_doubtful, rows["TARGETID"]))
    is_first = np.ones(len(order), bool)
    is_first[1:] = rows["TARGETID"][order][1:] != rows["TARGETID"][order][:-1]
    is_primary = np.empty(len(order), bool)
    is_primary[order] = is_first
    return is_primary


def _find_repeats(rows: Mapping[str, NDArray]) -> NDArray[np.bool_]:
    order = np.lexsort((rows["TARGETID"], rows["HEALPIX"], rows["PROGRAM"], rows["SURVEY"]))
    same = np.ones(max(len(order) - 1, 0), bool)
    for name in (*_SHARD_COLUMNS, "TARGETID"):
        same &= rows[name][order][1:] == rows[name][order][:-1]
    is_repeat = np.zeros(len(order), bool)
    is_repeat[order[1:]] = same
    return is_repeat


def _count(rows: Columns, gates: NDArray[np.str_]) -> Counter[tuple[Shard, str]]:
    keys = pa.table({name: rows[name] for name in _SHARD_COLUMNS} | {"gate": gates})
    counts = keys.group_by([*_SHARD_COLUMNS, "gate"]).aggregate([([], "count_all")]).to_pylist()
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


def _to_targets(rows: Columns, settings: TargetSettings) -> pa.Table:
    n = len(rows["TARGETID"])
    columns: dict[str, object] = {name: rows.get(name, pa.nulls(n)) for name in TARGETS.names}
    for band in ("g", "r", "z", "w1", "w2"):
        flux = rows.get(f"FLUX_{band.upper()}")
        if flux is not None:
            columns[f"flux_{band}"] = (flux * NANOJANSKY_PER_NANOMAGGY).astype(np.float32)
    columns["parent"] = np.full(n, Parent.CORE.value)
    columns["z_source"] = np.full(n, RedshiftSource.REDROCK.value)
    columns["split"] = assign_splits(
        rows["TARGET_RA"],
        rows["TARGET_DEC"],
        {
            Split.VALIDATION.value: settings.validation_fraction,
            Split.TEST.value: settings.test_fraction,
        },
        rest=Split.TRAIN.value,
    )
    table = columns_to_table(TARGETS, columns)
    return table.sort_by([(name, "ascending") for name in (*_SHARD_COLUMNS, "TARGETID")])
