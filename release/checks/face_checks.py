"""Checks that the faces for other programs hold the graded rows, in their order."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from catalog_schema import contents
from release.faces import cds, votable
from release.faces.site import LIST, OBJECTS, read_listed

_NAMES = ["TARGETID", "q_value"]


def check_same_rows(path: Path, target: str) -> list[str]:
    """TARGETID and q-value are those of ``catalog/anomalies.parquet``, row by row."""
    expected = pq.ParquetFile(path / contents.ANOMALIES).read(columns=_NAMES)
    with votable.accepting_desi_units():
        found = _READERS[target](path)
    wrong = [
        name
        for name, values in found.items()
        if not np.array_equal(np.asarray(values), expected[name].to_numpy())
    ]
    return [f"{name} is not that of anomalies.parquet" for name in wrong]


def _read_votable(path: Path) -> dict[str, Any]:
    from astropy.io.votable import parse_single_table

    rows = parse_single_table(path / votable.VOTABLE).to_table()
    return {name: rows[name] for name in _NAMES}


def _read_fits(path: Path) -> dict[str, Any]:
    from astropy.io import fits

    with fits.open(path / votable.FITS, checksum=True) as hdus:
        return {name: np.array(hdus[1].data[name]) for name in _NAMES}


def _read_cds(path: Path) -> dict[str, Any]:
    from astropy.io import ascii as tables

    if not (path / cds.TABLE).stat().st_size:
        return {name: [] for name in _NAMES}
    rows = tables.read(path / cds.TABLE, format="cds", readme=str(path / cds.README))
    return {name: rows[name] for name in _NAMES}


def _read_site(path: Path) -> dict[str, Any]:
    pages = {page.stem for page in (path / OBJECTS).iterdir()}
    return {"TARGETID": [int(each) for each in read_listed(path) if each in pages]}


_READERS: dict[str, Callable[[Path], dict[str, Any]]] = {
    votable.VOTABLE: _read_votable,
    votable.FITS: _read_fits,
    cds.TABLE: _read_cds,
    LIST: _read_site,
}
TARGETS = tuple(_READERS)
