"""Kinds of tables that strangers hand over, each with a small sound one and its reader."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
from astropy.table import Table
from fits_kinds import Kind

from pipeline.context.catalogues.index import build_index
from pipeline.errors import UserError
from pipeline.lake.layout import Shard
from pipeline.reviews.prospect import read_csv
from pipeline.settings.context import CatalogueSettings
from pipeline.spectra.loose.redshift_table import read_redshifts
from pipeline.spectra.loose.spectrum_table import read_spectrum
from portal.data.uploads import UploadError, guess_columns, read_list


def _make_rows() -> dict[str, list]:
    rng = np.random.default_rng(3)
    n = 40
    return {
        "TARGETID": [39633559463397282 + k for k in range(n)],
        "Z": rng.uniform(0.5, 4, n).round(5).tolist(),
        "TARGET_RA": rng.uniform(0, 360, n).tolist(),
        "TARGET_DEC": rng.uniform(-90, 90, n).tolist(),
        "SPECTYPE": ["QSO", "GALAXY"] * (n // 2),
        "ZWARN": [0, 4] * (n // 2),
    }


def _write_table(path: Path) -> None:
    columns = _make_rows()
    if path.suffix == ".parquet":
        pq.write_table(pa.table(columns), path)
    elif path.suffix == ".feather":
        pyarrow.feather.write_feather(pa.table(columns), path, compression="uncompressed")
    else:
        formats = {
            ".fits": "fits",
            ".vot": "votable",
            ".ecsv": "ascii.ecsv",
            ".csv": "ascii.csv",
            ".txt": "ascii.basic",
            ".mrt": "ascii.mrt",
            ".tbl": "ascii.ipac",
        }
        Table(columns).write(path, format=formats[path.suffix])


def _write_spectrum(path: Path) -> None:
    wave = 3600 + 0.8 * np.arange(7781)
    rows = np.column_stack([wave, np.sin(wave), np.ones(len(wave))])[:600]
    np.savetxt(path, rows, "%.5g", delimiter=",", header="wave,flux,ivar", comments="")


def _write_reviews(path: Path) -> None:
    head = "TARGETID,VI_scanner,VI_quality,VI_issue,VI_z,VI_spectype,VI_comment\n"
    path.write_text(head + f'{39633559463397282},ABC,4,R,2.3,QSO,"fine, I ""think"""\n' * 20)


def _read_catalogue(path: Path) -> object:
    settings = CatalogueSettings(
        id="TARGETID", ra="TARGET_RA", dec="TARGET_DEC", keep=["Z", "SPECTYPE"]
    )
    out = path.with_name("index.parquet")
    try:
        return build_index([path], settings, 2015.5, 200, out)
    finally:
        out.unlink(missing_ok=True)


class _Anything:
    """A release that knows every object."""

    sample, version, shard = "main", "0.1.0", Shard("main", "dark", 1)

    def find(self, targetid: int) -> "_Anything":
        return self


def _read_reviews(path: Path) -> object:
    return read_csv(path, _Anything())


def _read_upload(path: Path) -> object:
    try:
        return guess_columns(read_list(path.name, path.read_bytes()))
    except UploadError as error:
        raise UserError(str(error)) from None


def _make(suffix: str, write: Callable[[Path], None], read: Callable[[Path], object]) -> Kind:
    def write_into(folder: Path) -> Path:
        path = folder / f"input{suffix}"
        write(path)
        return path

    return Kind(write_into, read)


_TABLES = (".csv", ".txt", ".fits", ".parquet", ".vot", ".ecsv")
KINDS: dict[str, Kind] = {
    **{
        f"redshifts{s}": _make(s, _write_table, read_redshifts)
        for s in (*_TABLES, ".feather", ".mrt", ".tbl")
    },
    **{f"catalogue{s}": _make(s, _write_table, _read_catalogue) for s in _TABLES},
    **{f"upload{s}": _make(s, _write_table, _read_upload) for s in (".csv", ".fits", ".vot")},
    "spectrum.csv": _make(".csv", _write_spectrum, read_spectrum),
    "reviews.csv": _make(".csv", _write_reviews, _read_reviews),
}
