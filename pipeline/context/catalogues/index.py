"""The index of a local catalogue: valid, unrepeated rows at the wanted epoch, in order of cells."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.context.catalogues.reader import read_blocks
from pipeline.context.catalogues.rows import (
    find_errors,
    list_columns,
    normalise_positions,
    write_attributes,
)
from pipeline.context.science.match import find_survivors
from pipeline.errors import UserError
from pipeline.lake.files import opening, replacing
from pipeline.lake.seals import READ_FAULTS, check_columns, close_seal, read_footer, sealing
from pipeline.science.sky import find_cells
from pipeline.settings.context import CatalogueSettings
from pipeline.user_tables.reader import list_parts
from pipeline.user_tables.values import read_names

# The order of HATS' own index: cells of 0.4 milliarcsec.
INDEX_ORDER = 29
_FACTS = b"qad.index"
_GROUP_ROWS = 122_880
# So many rows do not lie within a few degrees of the sky's zero by chance.
_ENOUGH_ROWS = 100
# A search decodes three columns of every row; dictionaries and zstd would take thrice as long.
_LAYOUT = {"compression": "lz4", "use_dictionary": False}
_SCHEMA = pa.schema(
    [
        ("cell", pa.int64()),
        ("ra", pa.float64()),
        ("dec", pa.float64()),
        ("error", pa.float64()),
        ("match_id", pa.string()),
        ("attributes", pa.string()),
        ("row", pa.int64()),
    ]
)
_SORTED = """
    SELECT * FROM read_parquet(?)
    QUALIFY row_number() OVER (PARTITION BY cell, ra, dec, match_id ORDER BY "row") = 1
    ORDER BY cell, "row"
"""


@dataclass(frozen=True)
class IndexFacts:
    """What became of the rows of a local catalogue, and what the user should know of it."""

    digest: str
    n_sources: int
    n_bad_positions: int
    n_duplicates: int
    notes: tuple[str, ...] = ()


@dataclass
class _Census:
    """Counts that grow while the blocks pass."""

    n_rows: int = 0
    n_bad: int = 0
    extent: float = 0.0
    notes: dict[str, None] = field(default_factory=dict)


def build_index(
    paths: list[Path],
    catalogue: CatalogueSettings,
    epoch: float,
    memory_mb: int,
    out: Path,
    threads: int = 1,
) -> IndexFacts:
    """Write the index of a local catalogue, or find it done.

    Rows whose position is missing, not finite or off the sphere are counted and left out; so are
    repeated rows (same position and identifier: the first stays) and, where several files are
    joined, rows within the duplicate radius of a preferred one, whose identifiers the survivor
    carries as ``same_position`` among its attributes.

    Parameters
    ----------
    paths : list of Path
        In order of preference.
    catalogue : CatalogueSettings
    epoch : float
        Julian epoch to which positions are moved where the catalogue has proper motions.
    memory_mb : int
        Memory of the sort; beyond it goes to disk.
    out : Path
    threads : int
        Of the sort.

    Raises
    ------
    UserError
        If a file cannot be read, lacks a column, or has no valid position.
    """
    if (facts := _read_facts(out)) is not None:
        return facts
    scratch = out.with_name(f".{out.name}.rows.tmp")
    scratch.parent.mkdir(parents=True, exist_ok=True)
    census = _Census()
    try:
        with pq.ParquetWriter(scratch, _SCHEMA, compression="zstd") as writer:
            for path in paths:
                for block in read_blocks(path, list_columns(catalogue), catalogue.keep):
                    writer.write_table(_normalise(path, block, catalogue, epoch, census))
        n_good = census.n_rows - census.n_bad
        if not census.n_rows:
            census.notes["the catalogue has no rows"] = None
        elif n_good >= _ENOUGH_ROWS and census.extent < 2 * np.pi and not catalogue.position_unit:
            census.notes[
                f"{catalogue.ra} is below 6.29 and {catalogue.dec} within 1.58 in all rows: if "
                "these are radians, set position_unit"
            ] = None
        elif not n_good:
            names = ", ".join(path.name for path in paths)
            raise UserError(
                f"catalogue {names}: none of {census.n_rows} rows has a valid position in "
                f"{catalogue.ra} and {catalogue.dec}; these must be degrees, or set position_unit"
            )
        with replacing(out) as partial:
            limits = f"SET memory_limit = '{memory_mb}MB'; SET threads = {threads}"
            return _write_index(scratch, partial, limits, catalogue, paths, census)
    finally:
        scratch.unlink(missing_ok=True)


def _normalise(
    path: Path, block: pa.Table, catalogue: CatalogueSettings, epoch: float, census: _Census
) -> pa.Table:
    ra, dec, is_good, notes = normalise_positions(path, block, catalogue, epoch)
    census.notes |= dict.fromkeys(f"{path.name}: {note}" for note in notes)
    row = census.n_rows + np.arange(block.num_rows)
    census.n_rows += block.num_rows
    census.n_bad += int(np.count_nonzero(~is_good))
    census.extent = max(census.extent, float(np.max(np.maximum(ra, 4 * np.abs(dec)), initial=0.0)))
    texts = pa.nulls(len(row), "string")
    if catalogue.id:
        texts = read_names(f"catalogue {path}", catalogue.id, block[catalogue.id])
    columns = {
        "cell": find_cells(ra, dec, INDEX_ORDER),
        "ra": ra,
        "dec": dec,
        "error": find_errors(path, block, catalogue),
        "match_id": texts,
        "attributes": pa.array(write_attributes(block, catalogue.keep), pa.string()),
        "row": row,
    }
    return pa.table(columns, schema=_SCHEMA).filter(pa.array(is_good))


def _write_index(
    rows: Path,
    out: Path,
    limits: str,
    catalogue: CatalogueSettings,
    paths: list[Path],
    census: _Census,
) -> IndexFacts:
    import duckdb

    with duckdb.connect() as connection, pq.ParquetWriter(out, _SCHEMA, **_LAYOUT) as writer:
        connection.execute(limits)
        connection.execute("SET temp_directory = ?", [str(out.parent)])
        reader = connection.sql(_SORTED, params=[str(rows)]).to_arrow_reader(_GROUP_ROWS)
        blocks: Iterator[pa.Table] = (
            _name_rows(pa.Table.from_batches([batch])) for batch in reader
        )
        if len(paths) > 1:
            blocks = _join_lists(pa.concat_tables(blocks), catalogue)
        n_kept, checks = 0, []
        for block in blocks:
            for group in _cut_groups(block.cast(_SCHEMA)):
                writer.write_table(group)
                checks.append(check_columns([group], _SCHEMA.names))
                n_kept += group.num_rows
        content = _hash_files(paths)
        n_duplicates = census.n_rows - census.n_bad - n_kept
        facts = IndexFacts(content, n_kept, census.n_bad, n_duplicates, tuple(census.notes))
        writer.add_key_value_metadata({_FACTS: json.dumps(vars(facts)), **sealing(checks)})
    close_seal(out)
    return facts


def _cut_groups(rows: pa.Table) -> Iterator[pa.Table]:
    for first in range(0, rows.num_rows, _GROUP_ROWS):
        yield rows.slice(first, _GROUP_ROWS)


def _hash_files(paths: list[Path]) -> str:
    sha = hashlib.sha256()
    for path in paths:
        for part in list_parts(path):
            with part.open("rb") as handle:
                sha.update(hashlib.file_digest(handle, "sha256").digest())
    return sha.hexdigest()


def _name_rows(table: pa.Table) -> pa.Table:
    """Give rows without an identifier their number in the file, from 1."""
    numbers = pc.binary_join_element_wise("row ", pc.add(table["row"], 1).cast("string"), "")
    named = pc.coalesce(table["match_id"], numbers)
    return table.set_column(table.schema.get_field_index("match_id"), "match_id", named)


def _join_lists(rows: pa.Table, catalogue: CatalogueSettings) -> Iterator[pa.Table]:
    preferred = rows.sort_by("row")
    survivor = find_survivors(
        preferred["ra"].to_numpy(), preferred["dec"].to_numpy(), catalogue.duplicate_radius
    )
    names = preferred["match_id"].to_pylist()
    merged: dict[int, list[str]] = {}
    for row in np.flatnonzero(survivor != np.arange(len(survivor))).tolist():
        merged.setdefault(int(survivor[row]), []).append(names[row])
    texts = preferred["attributes"].to_pylist()
    for row, others in merged.items():
        texts[row] = json.dumps({**json.loads(texts[row] or "{}"), "same_position": others})
    place = preferred.schema.get_field_index("attributes")
    preferred = preferred.set_column(place, "attributes", pa.array(texts, pa.string()))
    kept = preferred.filter(pa.array(survivor == np.arange(len(survivor))))
    yield kept.sort_by([("cell", "ascending"), ("row", "ascending")])


def _read_facts(path: Path) -> IndexFacts | None:
    try:
        with opening(path) as file:
            values = json.loads(read_footer(file).metadata[_FACTS])
    except (*READ_FAULTS, KeyError):
        return None
    return IndexFacts(**{**values, "notes": tuple(values["notes"])})
