"""Rows of a survey's catalogue that may enter a parent sample, and a count of all others."""

from collections import Counter
from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from catalog_schema.tables import CANDIDATES
from catalog_schema.vocabulary import Split
from catalog_schema.waist import ROW_KEY, SHARD_KEY
from pipeline.lake.layout import Shard
from pipeline.lake.store import columns_to_table
from pipeline.science.sky import assign_splits
from pipeline.settings.spectra import TargetSettings
from pipeline.spectra.survey import Choice, Columns

_ORDER = [(name, "ascending") for name in ROW_KEY]


def select_candidates(
    blocks: Iterable[tuple[Columns, Choice]], settings: TargetSettings
) -> tuple[pa.Table, Counter[tuple[Shard, str]]]:
    """Keep the candidates, and count all rows by shard and gate; the gate of the kept is empty.

    Parameters
    ----------
    blocks : iterable of (Columns, Choice)
        A survey's catalogue, block by block; only what is kept of a block stays in memory.
    settings : TargetSettings
        Its shares of the sky.
    """
    counts: Counter[tuple[Shard, str]] = Counter()
    parts = []
    for rows, choice in blocks:
        is_kept = choice.parent != ""
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
