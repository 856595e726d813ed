"""Writes folders as LAMOST publishes them: spectra in both layouts, and a catalogue."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

LMJD, PLAN, NUMBER = 56650, "HD083217N451811V01", 2310
WAVE = 10 ** (3.5682 + 1e-4 * np.arange(3909))
COLUMNS = ["obsid", "lmjd", "planid", "spid", "fiberid", "ra", "dec"]
COLUMNS += ["snri", "class", "z", "z_err", "fibertype"]


def make_row(fibre: int, **changes: Any) -> dict[str, Any]:
    """Return the row of a quasar in the catalogue; all are on spectrograph 3."""
    return {
        "obsid": NUMBER * 10**5 + 3000 + fibre,
        "lmjd": LMJD,
        "planid": PLAN,
        "spid": 3,
        "fiberid": fibre,
        "ra": 80 + 0.02 * fibre,
        "dec": 30.0,
        "snri": 12.5,
        "class": "QSO",
        "z": 1.5 + 0.01 * fibre,
        "z_err": 1e-4,
        "fibertype": "Obj",
        **changes,
    }


def make_spectrum(fibre: int, wave: np.ndarray = WAVE) -> dict[str, np.ndarray]:
    """Return a flat spectrum of 300 counts with errors of 30."""
    noise = np.random.default_rng(fibre).standard_normal(len(wave))
    return {
        "FLUX": 300 + 30 * noise,
        "IVAR": np.full(len(wave), 1 / 900),
        "WAVELENGTH": wave,
        "ANDMASK": np.zeros(len(wave)),
        "ORMASK": np.zeros(len(wave)),
    }


def write_file(
    folder: Path,
    row: Mapping[str, Any],
    *,
    is_old: bool = False,
    header: Mapping[str, Any] = {},
    **columns: np.ndarray,
) -> Path:
    """Write a spectrum; `header` replaces keywords, `columns` what it holds."""
    keywords = {
        "OBSID": row["obsid"],
        "PLANID": row["planid"],
        "LMJD": row["lmjd"],
        "SPID": row["spid"],
        "FIBERID": row["fiberid"],
        "RA": row["ra"],
        "DEC": row["dec"],
        "SNRI": row["snri"],
        "CLASS": row["class"],
        "Z": row["z"],
        "Z_ERR": row["z_err"],
        "FIBERTYP": row["fibertype"],
        "FIBERMAS": 0,
        "VACUUM": True,
        **header,
    }
    values = make_spectrum(row["fiberid"]) | columns
    if is_old:
        hdus = fits.HDUList([fits.PrimaryHDU(np.array(list(values.values()), np.float32))])
    else:
        table = fits.BinTableHDU.from_columns(
            [fits.Column(n, f"{len(v)}E", array=[v]) for n, v in values.items()], name="COADD"
        )
        hdus = fits.HDUList([fits.PrimaryHDU(), table])
    hdus[0].header.update(keywords)
    name = "spec-{lmjd}-{planid}_sp{spid:02d}-{fiberid:03d}.fits".format_map(row)
    folder.mkdir(parents=True, exist_ok=True)
    hdus.writeto(folder / name, overwrite=True)
    return folder / name


def write_files(
    folder: Path, rows: Sequence[Mapping[str, Any]], is_old: bool = False
) -> list[Path]:
    """Write a file for each row."""
    return [write_file(folder, row, is_old=is_old) for row in rows]


def write_catalogue(folder: Path, rows: Sequence[Mapping[str, Any]], bar: str = "|") -> Path:
    """Write the general catalogue."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "dr9_v1.0_LRS_catalogue.csv"
    lines = [bar.join(COLUMNS), *(bar.join(str(row[name]) for name in COLUMNS) for row in rows)]
    path.write_text("\n".join(lines) + "\n")
    return path
