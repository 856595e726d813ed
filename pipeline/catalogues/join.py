"""The join of positions with an indexed catalogue, by DuckDB straight off Parquet."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline.catalogues.index import INDEX_ORDER
from pipeline.science.match import choose_order, find_reachable_cells, measure_separations

# The engine's own separations may differ in the last bits: it keeps a little more than the radius,
# and the exact cut is made once, below.
_SLACK = 1e-6
_PAIRS = """
    SELECT p.position, s.file_row_number AS source, s.ra, s.dec
    FROM read_parquet(?, file_row_number = true) s JOIN probes p ON (s.cell >> {shift}) = p.cell
    WHERE abs(s.dec - p.dec) <= {reach} AND
        pow(sin(radians(s.dec - p.dec) / 2), 2) + cos(radians(s.dec)) * cos(radians(p.dec))
        * pow(sin(radians(s.ra - p.ra) / 2), 2) <= {haversine}
"""


@dataclass(frozen=True)
class Pairs:
    """Positions and sources within the radius: `position`, `source` (rows), `separation` arcsec."""

    position: NDArray[np.int64]
    source: NDArray[np.int64]
    separation: NDArray[np.float64]


def find_pairs(
    index: Path, ra: NDArray, dec: NDArray, radius: float, *, threads: int = 1,
    memory_mb: int = 1000,
) -> Pairs:  # fmt: skip
    """Find every source of an index within a radius of each position.

    Parameters
    ----------
    index : Path
        Of `build_index`.
    ra, dec : ndarray, shape (n,)
        ICRS, degrees, finite, at the epoch of the index.
    radius : float
        Arcsec, inclusive.
    threads, memory_mb : int
        Of the engine; what does not fit goes to disk beside the index.

    Returns
    -------
    Pairs
        In order of position, then separation.
    """
    import duckdb

    order = choose_order(radius)
    cells = find_reachable_cells(ra, dec, radius, order)
    probes = pa.table(
        {
            "position": cells.row.astype(np.int32),
            "cell": cells.cell,
            "ra": ra[cells.row],
            "dec": dec[cells.row],
        }
    )
    reach = (radius + _SLACK) / 3600
    query = _PAIRS.format(
        shift=2 * (INDEX_ORDER - order), reach=repr(reach),
        haversine=repr(float(np.sin(np.radians(reach) / 2) ** 2)),
    )  # fmt: skip
    with duckdb.connect() as connection:
        connection.execute(f"SET memory_limit = '{memory_mb}MB'; SET threads = {threads}")
        connection.execute("SET temp_directory = ?", [str(index.parent)])
        connection.register("probes", probes)
        found = connection.sql(query, params=[str(index)]).to_arrow_table()
    position, source = (found[name].to_numpy().astype(np.int64) for name in ("position", "source"))
    separation = measure_separations(
        ra[position], dec[position], found["ra"].to_numpy(), found["dec"].to_numpy()
    )
    inside = np.flatnonzero(separation <= radius)
    inside = inside[np.lexsort((source[inside], separation[inside], position[inside]))]
    return Pairs(position[inside], source[inside], separation[inside])


def read_sources(index: Path, rows: NDArray[np.int64]) -> pa.Table:
    """Return rows of an index in the given order; only their row groups are read."""
    file = pq.ParquetFile(index)
    wanted, place = np.unique(rows, return_inverse=True)
    parts, start = [file.schema_arrow.empty_table()], 0
    for number in range(file.num_row_groups):
        stop = start + file.metadata.row_group(number).num_rows
        inside = wanted[(wanted >= start) & (wanted < stop)] - start
        if len(inside):
            parts.append(file.read_row_group(number).take(pa.array(inside)))
        start = stop
    return pa.concat_tables(parts).take(pa.array(place))
