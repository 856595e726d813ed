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
from numpy.typing import NDArray

from pipeline.catalogues.reader import list_parts, read_blocks
from pipeline.config import CatalogueSettings
from pipeline.errors import UserError, first_line
from pipeline.lake_files import replacing
from pipeline.science.match import find_survivors, propagate
from pipeline.science.sky import find_cells

# The order of HATS' own index: cells of 0.4 milliarcsec.
INDEX_ORDER = 29
_FACTS = b"qad.index"
_GROUP_ROWS = 122_880
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
    notes: dict[str, None] = field(default_factory=dict)


def build_index(
    paths: list[Path], catalogue: CatalogueSettings, epoch: float, memory_mb: int, out: Path,
    threads: int = 1,
) -> IndexFacts:  # fmt: skip
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
                for block in read_blocks(path, list_columns(catalogue)):
                    writer.write_table(_normalise(path, block, catalogue, epoch, census))
        n_good = census.n_rows - census.n_bad
        if not n_good:
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


def list_columns(catalogue: CatalogueSettings) -> list[str]:
    """List the catalogue's columns that are read."""
    named = (catalogue.id, catalogue.ra, catalogue.dec, catalogue.pm_ra, catalogue.pm_dec)
    return [name for name in dict.fromkeys((*named, catalogue.error, *catalogue.keep)) if name]


def normalise_positions(
    origin: object, block: pa.Table, catalogue: CatalogueSettings, epoch: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_], list[str]]:
    """Return ra, dec (degrees, ICRS, at the epoch), which of them are valid, and notes, (n,)."""
    notes: list[str] = []
    ra, dec = (
        _to_degrees(origin, block, name, catalogue.position_unit, notes)
        for name in (catalogue.ra, catalogue.dec)
    )
    with np.errstate(invalid="ignore"):
        is_good = (ra >= -180) & (ra <= 360) & (np.abs(dec) <= 90)
    ra, dec = np.where(is_good, np.mod(ra, 360), 0.0), np.where(is_good, dec, 0.0)
    if catalogue.pm_ra and catalogue.pm_dec and catalogue.epoch is not None:
        pm_ra, pm_dec = (
            _to_floats(origin, block, name) for name in (catalogue.pm_ra, catalogue.pm_dec)
        )
        ra, dec = propagate(ra, dec, pm_ra, pm_dec, epoch - catalogue.epoch)
    return ra, dec, is_good, notes


def find_errors(
    origin: object, block: pa.Table, catalogue: CatalogueSettings
) -> NDArray[np.float64]:
    """Return the one-sigma errors per axis in arcsec, NaN where none is known, shape (n,)."""
    constant = catalogue.position_error or np.nan
    if not catalogue.error:
        return np.full(block.num_rows, constant)
    errors = _to_floats(origin, block, catalogue.error) * catalogue.error_scale
    return np.where(np.isfinite(errors) & (errors > 0), errors, constant)


def write_attributes(block: pa.Table, keep: list[str]) -> list[str | None]:
    """Write the carried columns of each row as a JSON object; what is missing is left out."""
    if not keep:
        return [None] * block.num_rows
    columns = [_replace_nan(block[name]).to_pylist() for name in keep]
    rows = zip(*columns, strict=True)
    return [
        json.dumps({n: v for n, v in zip(keep, row, strict=True) if v is not None}, default=str)
        for row in rows
    ]


def _normalise(
    path: Path, block: pa.Table, catalogue: CatalogueSettings, epoch: float, census: _Census
) -> pa.Table:
    ra, dec, is_good, notes = normalise_positions(path, block, catalogue, epoch)
    census.notes |= dict.fromkeys(f"{path.name}: {note}" for note in notes)
    row = census.n_rows + np.arange(block.num_rows)
    census.n_rows += block.num_rows
    census.n_bad += int(np.count_nonzero(~is_good))
    texts = block[catalogue.id].cast(pa.string()) if catalogue.id else pa.nulls(len(row), "string")
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
    rows: Path, out: Path, limits: str, catalogue: CatalogueSettings, paths: list[Path],
    census: _Census,
) -> IndexFacts:  # fmt: skip
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
        n_kept = 0
        for block in blocks:
            writer.write_table(block.cast(_SCHEMA))
            n_kept += block.num_rows
        content = _hash_files(paths)
        n_duplicates = census.n_rows - census.n_bad - n_kept
        facts = IndexFacts(content, n_kept, census.n_bad, n_duplicates, tuple(census.notes))
        writer.add_key_value_metadata({_FACTS: json.dumps(vars(facts))})
    return facts


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


def _to_degrees(
    origin: object, block: pa.Table, name: str, unit: str, notes: list[str]
) -> NDArray[np.float64]:
    from astropy import units

    values = _to_floats(origin, block, name)
    stated = (block.schema.field(name).metadata or {}).get(b"unit")
    if not unit and stated == b"":
        notes.append(f"column {name} has no unit: taken as degrees; position_unit says otherwise")
    text = unit or (stated or b"").decode() or "deg"
    try:
        factor = units.Unit(text).to(units.deg)
    except (ValueError, units.UnitConversionError):
        raise UserError(
            f"catalogue {origin}: column {name} is in {text!r}, which is no angle; "
            "set position_unit to deg, rad or hourangle"
        ) from None
    return values * factor if factor != 1 else values


def _to_floats(origin: object, block: pa.Table, name: str) -> NDArray[np.float64]:
    column = block[name]
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        # Arrow knows no plus sign, with which declinations are often written.
        trimmed = pc.replace_substring_regex(pc.utf8_trim_whitespace(column), r"^\+([0-9.])", r"\1")
        column = pc.if_else(pc.equal(trimmed, ""), None, trimmed)
    try:
        return column.cast(pa.float64()).to_numpy().astype(float)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise UserError(
            f"catalogue {origin}: column {name} does not hold decimal numbers "
            f"({first_line(error)}); convert sexagesimal or text values to degrees"
        ) from None


def _replace_nan(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if not pa.types.is_floating(column.type):
        return column
    return pc.if_else(pc.is_finite(column), column, None)


def _read_facts(path: Path) -> IndexFacts | None:
    try:
        metadata = pq.read_metadata(path).metadata or {}
    except (OSError, pa.ArrowInvalid):
        return None
    values = json.loads(metadata[_FACTS])
    return IndexFacts(**{**values, "notes": tuple(values["notes"])})
