"""The graded rows as VOTable 1.4 and as FITS, with units, UCDs and descriptions inside."""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from catalog_schema import contents
from catalog_schema.column import Column
from catalog_schema.tables import QUASARS

if TYPE_CHECKING:
    from astropy.io.fits import BinTableHDU
    from astropy.table import MaskedColumn, Table
    from astropy.units import UnitBase

VOTABLE, FITS = "vo/anomalies.vot", "vo/anomalies.fits"
# Stands for null among integers; FITS says so by TNULL, VOTable by a bit.
_NULL = -(2**31)
_FRAME = "icrs"


def write_vo(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Write ``vo/anomalies.vot`` (BINARY2) and ``vo/anomalies.fits``.

    Parameters
    ----------
    folder : Path
        The release with ``catalog/anomalies.parquet``.
    manifest : mapping
    """
    from astropy.io.votable import from_table
    from astropy.io.votable.tree import CooSys

    (folder / "vo").mkdir(exist_ok=True)
    with accepting_desi_units():
        rows = _read_rows(folder / contents.ANOMALIES)
        votable = from_table(rows, table_id="anomalies")
        votable.version = "1.4"
        votable.description = f"{manifest['title']}, release {manifest['version']}"
        votable.resources[0].coordinate_systems.append(CooSys(ID=_FRAME, system="ICRS"))
        for field in votable.iter_fields_and_params():
            if field.ucd.startswith("pos.eq."):
                field.ref = _FRAME
        votable.to_xml(str(folder / VOTABLE), tabledata_format="binary2")
        _make_hdu(rows, manifest["version"]).writeto(folder / FITS)


@contextmanager
def accepting_desi_units() -> Iterator[None]:
    """Keep astropy from warning of Angstrom and erg: deprecated in VOUnit, they are DESI's."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def parse_unit(text: str) -> "UnitBase":
    """Return a unit of the schema."""
    from astropy.units import Unit

    with accepting_desi_units():
        return Unit(text, format="vounit")


def to_ascii(text: str | None) -> str:
    """Return one line of ASCII; FITS and the CDS know nothing else."""
    return " ".join((text or "").split()).encode("ascii", "replace").decode()


def _read_rows(path: Path) -> "Table":
    from astropy.table import Table

    data = pq.read_table(path)
    return Table([_read_column(data[column.name], column) for column in QUASARS.columns])


def _read_column(data: pa.ChunkedArray, column: Column) -> "MaskedColumn":
    from astropy.table import MaskedColumn

    is_null = data.is_null().to_numpy()
    if column.array is not None:
        values = data.combine_chunks().flatten().to_numpy().reshape(-1, data.type.list_size)
        is_null = np.broadcast_to(is_null[:, None], values.shape)
    elif pa.types.is_string(column.type):
        texts = data.fill_null("").to_pylist()
        # VOTable has no strings of length 1.
        width = max([2, *map(len, texts)])
        values = np.array(texts, dtype=f"U{width}")
    else:
        values = data.fill_null(pa.scalar(0).cast(column.type)).to_numpy()
    return MaskedColumn(
        values,
        column.name,
        mask=is_null,
        description=column.description,
        unit=parse_unit(column.unit) if column.unit else None,
        fill_value=_NULL if pa.types.is_integer(column.type) else None,
        meta={"ucd": column.ucd},
    )


def _make_hdu(rows: "Table", version: str) -> "BinTableHDU":
    from astropy.io import fits

    for name in [name for name in rows.colnames if rows[name].dtype.kind == "U"]:
        lines = [to_ascii(text) for text in rows[name].filled("")]
        rows[name] = np.array(lines, dtype=str)
    hdu = fits.table_to_hdu(rows)
    hdu.name = "ANOMALIES"
    for number, column in enumerate(QUASARS.columns, start=1):
        hdu.header[f"TCOMM{number}"] = to_ascii(column.description)
        hdu.header[f"TUCD{number}"] = column.ucd
    # A remark of ours instead of the time, so that bytes repeat.
    hdu.add_checksum(when=f"release {version}")
    return hdu
