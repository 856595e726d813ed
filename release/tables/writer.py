"""Writer of published Parquet tables: bounded memory, whole metadata, the same bytes every time."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from catalog_schema.column import Table, arrow_schema
from pipeline.lake.store import parquet_options
from release.tables.footer import make_footer

_CATALOGUE_ROWS = 100_000


class TableWriter:
    """Writes a published table piece by piece.

    Row groups are cut at fixed rows, so the bytes do not depend on how the rows arrive.

    Parameters
    ----------
    path : Path
    table : Table
        Schema of the rows.
    notes : mapping of str to str
        Entries of the file's metadata, e.g. licence and acknowledgement.
    lengths : mapping of str to int
        Longest value of each string column without a vocabulary.
    **sizes : int
        Sizes of open dimensions, as in `catalog_schema.tables.arrow_schema`.
    """

    def __init__(
        self,
        path: Path,
        table: Table,
        notes: Mapping[str, str],
        lengths: Mapping[str, int],
        **sizes: int,
    ) -> None:
        schema = arrow_schema(table, **sizes)
        options = parquet_options(schema)
        self.schema = schema.with_metadata({**notes, **make_footer(table, schema, lengths)})
        self.n_rows = 0
        self._group_rows = options.pop("row_group_size", _CATALOGUE_ROWS)
        self._waiting: list[pa.Table] = []
        path.parent.mkdir(parents=True, exist_ok=True)
        self._writer = pq.ParquetWriter(path, self.schema, write_page_index=True, **options)

    def write(self, data: pa.Table) -> None:
        """Append rows, cast to the schema's types."""
        self._waiting.append(data.select(self.schema.names).cast(self.schema))
        self.n_rows += data.num_rows
        while sum(part.num_rows for part in self._waiting) >= self._group_rows:
            self._flush()

    def __enter__(self) -> "TableWriter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._writer:
            if self._waiting and error is None:
                self._flush()

    def _flush(self) -> None:
        data = pa.concat_tables(self._waiting)
        head, rest = data.slice(0, self._group_rows), data.slice(self._group_rows)
        self._writer.write_table(head.combine_chunks(), row_group_size=self._group_rows)
        self._waiting = [rest] if rest.num_rows else []


def write_table(
    path: Path,
    table: Table,
    parts: Iterable[pa.Table],
    notes: Mapping[str, str],
    lengths: Mapping[str, int],
    **sizes: int,
) -> int:
    """Write a published table from an iterable of pieces; return its number of rows.

    The parameters are those of `TableWriter`.
    """
    with TableWriter(path, table, notes, lengths, **sizes) as writer:
        for part in parts:
            writer.write(part)
    return writer.n_rows


def write_whole(path: Path, table: Table, data: pa.Table, notes: Mapping[str, str]) -> None:
    """Write a published table that is in memory."""
    write_table(path, table, [data], notes, measure_strings(data, table))


def find_open_strings(table: Table) -> list[str]:
    """List the string columns without a vocabulary."""
    return [c.name for c in table.columns if c.type == pa.string() and c.vocabulary is None]


def measure_strings(data: pa.Table, table: Table) -> dict[str, int]:
    """Return the longest value of each string column without a vocabulary."""
    longest = {name: pc.max(pc.utf8_length(data[name])) for name in find_open_strings(table)}
    return {name: length.as_py() or 1 for name, length in longest.items()}
