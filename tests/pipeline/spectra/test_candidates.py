"""Candidates of a catalogue, however it is cut into blocks."""

from collections import Counter

import pyarrow as pa
from desi_tree import Rows, join_rows, make_rows

from pipeline.lake.layout import Shard
from pipeline.settings.spectra import TargetSettings
from pipeline.spectra.candidates import select_candidates
from pipeline.spectra.desi.selection import choose_blocks


def select(*blocks: Rows) -> tuple[pa.Table, Counter[tuple[Shard, str]]]:
    settings = TargetSettings()
    return select_candidates(choose_blocks(blocks, settings), settings)


def test_blocks_do_not_matter() -> None:
    bad = make_rows(6, 40, ZWARN=[4, 0, 4, 4, 4, 4], OBJTYPE="SKY")
    rows = join_rows(make_rows(9), bad, make_rows(2, 3), make_rows(5, 50, HEALPIX=7))
    whole, counts = select(rows)
    parts = [{name: values[i : i + 3] for name, values in rows.items()} for i in range(0, 22, 3)]
    pieces, same_counts = select(*parts)
    assert pieces.equals(whole)
    assert same_counts == counts
    assert counts.total() == 22
    assert counts[Shard("main", "dark", 100), "duplicate_row"] == 2
