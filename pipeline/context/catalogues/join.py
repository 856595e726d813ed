"""The join of positions with an indexed catalogue, straight off Parquet.

Both are in order of sky cells, so a search in the sorted cells finds the sources of each; only
these are measured.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.context.catalogues.index import INDEX_ORDER
from pipeline.context.science.match import choose_order, find_reachable_cells, measure_separations
from pipeline.lake.files import opening
from pipeline.lake.seals import SealedGroups, guard_sealed

# Pairs measured at a time: where everything lies in few cells there are many of them.
_MOST_CANDIDATES = 2_000_000


@dataclass(frozen=True)
class Pairs:
    """Positions and sources within the radius: `position`, `source` (rows), `separation` arcsec."""

    position: NDArray[np.int64]
    source: NDArray[np.int64]
    separation: NDArray[np.float64]


def find_pairs(index: Path, ra: NDArray, dec: NDArray, radius: float) -> Pairs:
    """Find every source of an index within a radius of each position.

    Parameters
    ----------
    index : Path
        Of `build_index`.
    ra, dec : ndarray, shape (n,)
        ICRS, degrees, finite, at the epoch of the index.
    radius : float
        Arcsec, inclusive.

    Returns
    -------
    Pairs
        In order of position, then separation.
    """
    order = choose_order(radius)
    width = 1 << 2 * (INDEX_ORDER - order)
    cells = find_reachable_cells(ra, dec, radius, order)
    by_cell = np.argsort(cells.cell)
    row, start = cells.row[by_cell], cells.cell[by_cell] * width
    parts = [(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))]
    for group in _read_groups(index):
        # The cells that begin before the group ends, and end after it begins.
        low, high = np.searchsorted(start, [group.first_cell - width + 1, group.last_cell + 1])
        if low == high:
            continue
        cell = group.read("cell")
        first, stop = (np.searchsorted(cell, start[low:high] + add) for add in (0, width))
        count = stop - first
        if not count.any():
            continue
        source_ra, source_dec = group.read("ra"), group.read("dec")
        for place, source in _expand(first, count):
            position = row[low + place]
            separation = measure_separations(
                ra[position], dec[position], source_ra[source], source_dec[source]
            )
            near = np.flatnonzero(separation <= radius)
            parts.append((position[near], group.first_row + source[near], separation[near]))
    position, source, separation = (np.concatenate(values) for values in zip(*parts, strict=True))
    inside = np.lexsort((source, separation, position))
    return Pairs(position[inside], source[inside], separation[inside])


def read_sources(index: Path, rows: NDArray[np.int64], columns: Sequence[str]) -> pa.Table:
    """Return rows of an index in the given order; only their row groups are read."""
    wanted, place = np.unique(rows, return_inverse=True)
    with _open_index(index) as file:
        footer = file.footer
        sizes = [footer.row_group(n).num_rows for n in range(footer.num_row_groups)]
        starts = np.cumsum([0, *sizes])
        bounds = np.searchsorted(wanted, starts)
        parts = [footer.schema.to_arrow_schema().empty_table().select(columns)]
        for number in np.flatnonzero(np.diff(bounds)).tolist():
            inside = wanted[bounds[number] : bounds[number + 1]] - starts[number]
            with guard_sealed(index):
                group = file.read(number, columns)
            parts.append(group.take(pa.array(inside)))
    return pa.concat_tables(parts).take(pa.array(place))


def verify_index(index: Path) -> None:
    """Compare every row group of an index with what was written; DataError if it is damaged."""
    with _open_index(index) as file, guard_sealed(index):
        for number in range(file.footer.num_row_groups):
            file.read(number, file.footer.schema.to_arrow_schema().names)


@dataclass(frozen=True)
class _Group:
    """A row group of an index: where it begins, and the range of its cells."""

    index: Path
    file: SealedGroups
    number: int
    first_row: int
    first_cell: int
    last_cell: int

    def read(self, column: str) -> NDArray:
        """Return one column."""
        with guard_sealed(self.index):
            return self.file.read(self.number, [column])[column].to_numpy()


@contextmanager
def _open_index(index: Path) -> Iterator[SealedGroups]:
    with opening(index) as file:
        with guard_sealed(index):
            groups = SealedGroups(file)
        yield groups


def _read_groups(index: Path) -> Iterator[_Group]:
    with _open_index(index) as file:
        place, first_row = file.footer.schema.to_arrow_schema().get_field_index("cell"), 0
        for number in range(file.footer.num_row_groups):
            group = file.footer.row_group(number)
            cells = group.column(place).statistics
            yield _Group(index, file, number, first_row, cells.min, cells.max)
            first_row += group.num_rows


def _expand(
    first: NDArray[np.int64], count: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.int64]]]:
    """Yield, in bounded parts, pairs of a place in `first` and each of its `count` rows from it."""
    total = np.cumsum(count)
    stops = np.searchsorted(total, np.arange(_MOST_CANDIDATES, total[-1], _MOST_CANDIDATES))
    for begin, stop in zip([0, *stops], [*stops, len(count)], strict=True):
        many = count[begin:stop]
        place = np.repeat(np.arange(begin, stop), many)
        before = np.repeat(np.cumsum(many) - many, many)
        yield place, first[place] + np.arange(len(place)) - before
