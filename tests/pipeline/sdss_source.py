"""Writes folders as SDSS publishes them: spec files with keywords and their row, and spAll."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from spec_files import write_spec

PLATE, MJD = 4055, 55359
FORMATS = {
    "PLATE": "J",
    "MJD": "J",
    "FIBERID": "J",
    "PLUG_RA": "D",
    "PLUG_DEC": "D",
    "Z": "E",
    "Z_ERR": "E",
    "ZWARNING": "J",
    "CLASS": "6A",
    "OBJTYPE": "16A",
    "SPECPRIMARY": "B",
    "CHUNK": "16A",
    "EXTINCTION": "5E",
}


def make_row(fibre: int, **changes: Any) -> dict[str, Any]:
    """Return the row of a quasar in spAll."""
    return {
        "PLATE": PLATE,
        "MJD": MJD,
        "FIBERID": fibre,
        "PLUG_RA": 180 + 0.02 * fibre,
        "PLUG_DEC": 30.0,
        "Z": 1.5 + 0.01 * fibre,
        "Z_ERR": 1e-4,
        "ZWARNING": 0,
        "CLASS": "QSO",
        "OBJTYPE": "QSO",
        "SPECPRIMARY": 1,
        "CHUNK": "boss3",
        "EXTINCTION": 0.1 * np.array([4.239, 3.303, 2.285, 1.698, 1.263]),
        **changes,
    }


def make_table(rows: Sequence[Mapping[str, Any]], name: str) -> fits.BinTableHDU:
    """Return rows as a table."""
    columns = [
        fits.Column(key, FORMATS[key], array=np.array([row[key] for row in rows]))
        for key in FORMATS
        if key in rows[0]
    ]
    return fits.BinTableHDU.from_columns(columns, name=name)


def write_file(folder: Path, row: Mapping[str, Any], header: Mapping[str, Any] = {}) -> Path:
    """Write a spec file with its row and keywords; `header` replaces keywords."""
    name = f"spec-{row['PLATE']:04d}-{row['MJD']}-{row['FIBERID']:04d}.fits"
    rng = np.random.default_rng(row["FIBERID"])
    flux = 10 + rng.standard_normal(3828)
    path = write_spec(folder / name, flux=flux.astype(np.float32))
    with fits.open(path, mode="update") as hdus:
        hdus[0].header.update(
            {
                "PLATEID": row["PLATE"],
                "MJD": row["MJD"],
                "FIBERID": row["FIBERID"],
                "PLUG_RA": row["PLUG_RA"],
                "PLUG_DEC": row["PLUG_DEC"],
                "VACUUM": True,
                **header,
            }
        )
        hdus.append(make_table([row], "SPALL"))
    return path


def write_files(folder: Path, rows: Sequence[Mapping[str, Any]]) -> list[Path]:
    """Write a file for each row."""
    return [write_file(folder, row) for row in rows]


def write_catalogue(folder: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    """Write spAll, whose table has no name, as IDL leaves it."""
    path = folder / "spAll-v5_13_0.fits"
    folder.mkdir(parents=True, exist_ok=True)
    fits.HDUList([fits.PrimaryHDU(), make_table(rows, "")]).writeto(path, overwrite=True)
    return path
