"""What the rows of a catalogue say: position, its error, and what is carried along."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline.context.catalogues.reader import has_decimal_comma
from pipeline.context.science.match import propagate
from pipeline.errors import UserError
from pipeline.science.sky import are_positions
from pipeline.settings.context import CatalogueSettings
from pipeline.user_tables.units import find_factor
from pipeline.user_tables.values import holds_angles, read_angles, read_numbers

# No number in JSON beyond this is the same in every reader.
_MOST_EXACT = 2**53


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
        _read_degrees(origin, block, name, catalogue.position_unit, notes, hours=hours)
        for name, hours in ((catalogue.ra, True), (catalogue.dec, False))
    )
    is_good = are_positions(ra, dec)
    ra, dec = np.where(is_good, np.mod(ra, 360), 0.0), np.where(is_good, dec, 0.0)
    if catalogue.pm_ra and catalogue.pm_dec and catalogue.epoch is not None:
        pm_ra, pm_dec = (
            _read_floats(origin, block, name) for name in (catalogue.pm_ra, catalogue.pm_dec)
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
    errors = _read_floats(origin, block, catalogue.error) * catalogue.error_scale
    return np.where(np.isfinite(errors) & (errors > 0), errors, constant)


def write_attributes(block: pa.Table, keep: list[str]) -> list[str | None]:
    """Write the carried columns of each row as a JSON object; what is missing is left out.

    Whole numbers beyond 2^53 are written as text, for many readers of JSON would change them.
    """
    if not keep:
        return [None] * block.num_rows
    columns = [_prepare(block[name]).to_pylist() for name in keep]
    rows = zip(*columns, strict=True)
    return [
        json.dumps({n: v for n, v in zip(keep, row, strict=True) if v is not None}, default=str)
        for row in rows
    ]


def _read_degrees(
    origin: object, block: pa.Table, name: str, unit: str, notes: list[str], hours: bool
) -> NDArray[np.float64]:
    if holds_angles(block[name]):
        # Marks between the parts say more than a unit does.
        comma = has_decimal_comma(block.schema.field(name))
        return read_angles(f"catalogue {origin}", name, block[name], hours, comma)
    values = _read_floats(origin, block, name)
    stated = (block.schema.field(name).metadata or {}).get(b"unit")
    if not unit and stated == b"":
        notes.append(f"column {name} has no unit: taken as degrees; position_unit says otherwise")
    text = unit or (stated or b"").decode() or "deg"
    try:
        factor = find_factor(text, "deg")
    except ValueError:
        raise UserError(
            f"catalogue {origin}: column {name} is in {text!r}, which is no angle; "
            "set position_unit to deg, rad or hourangle"
        ) from None
    return values * factor if factor != 1 else values


def _read_floats(origin: object, block: pa.Table, name: str) -> NDArray[np.float64]:
    comma = has_decimal_comma(block.schema.field(name))
    return read_numbers(f"catalogue {origin}", name, block[name], comma)


def _prepare(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_floating(column.type):
        return pc.if_else(pc.is_finite(column), column, None)
    if pa.types.is_integer(column.type) and len(column):
        extent = pc.min_max(column).as_py()
        if max(abs(extent["min"] or 0), abs(extent["max"] or 0)) > _MOST_EXACT:
            return column.cast(pa.string())
    return column
