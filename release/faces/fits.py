"""The graded rows as FITS, with units, UCDs and descriptions in the header."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from release.faces.astropy_table import (
    accepting_desi_units,
    keep_texts,
    read_graded,
    rewrite_texts,
    select,
    to_ascii,
)
from release.faces.face import Face, Manifest
from release.manifest import find_kind, read_kind

FILE = "vo/anomalies.fits"


def write(folder: Path, manifest: Manifest) -> None:
    """Write ``vo/anomalies.fits``: every column of the graded rows, texts as ASCII."""
    table = find_kind(manifest).main_table
    from astropy.io import fits

    (folder / FILE).parent.mkdir(exist_ok=True)
    with accepting_desi_units():
        rows = read_graded(folder, table.columns)
        rewrite_texts(rows, to_ascii)
        hdu = fits.table_to_hdu(rows)
        hdu.name = "ANOMALIES"
        for number, column in enumerate(table.columns, start=1):
            hdu.header[f"TCOMM{number}"] = to_ascii(column.description)
            hdu.header[f"TUCD{number}"] = column.ucd
        # A remark of ours instead of the time, so that bytes repeat.
        hdu.add_checksum(when=f"release {manifest['version']}")
        hdu.writeto(folder / FILE)


def read_back(folder: Path) -> Mapping[str, Any]:
    """Return every column of the rows."""
    table = read_kind(folder).main_table
    from astropy.table import Table

    with accepting_desi_units():
        return select(Table.read(folder / FILE, format="fits", hdu=1), table.columns)


FACE = Face(
    name="fits",
    files=(FILE,),
    paragraph="The graded rows as FITS with units and UCDs; texts are ASCII.",
    write=write,
    read_back=read_back,
    spell=partial(keep_texts, rewrite=to_ascii),
)
