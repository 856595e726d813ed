"""Rows of the redshift catalogue that may enter a parent sample, and a count of all others."""

from collections import Counter
from collections.abc import Callable, Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from catalog_schema.tables import CANDIDATES, ROW_KEY, SHARD_KEY
from catalog_schema.vocabulary import Split
from pipeline.lake.layout import Shard
from pipeline.lake.store import columns_to_table
from pipeline.science.sky import assign_splits
from pipeline.settings.spectra import TargetSettings
from pipeline.spectra.desi.placement import OUTSIDE_PIXEL, suspect
from pipeline.spectra.desi.redshift_catalogue import Columns
from pipeline.spectra.desi.selection import Choice, choose_rows

NANOJANSKY_PER_NANOMAGGY = 3631.0
_ORDER = [(name, "ascending") for name in ROW_KEY]


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
