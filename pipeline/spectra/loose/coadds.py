"""FITS files of a folder that is no survey tree: coadds, their redrock files, and others."""

import re
from pathlib import Path

from pipeline.errors import DataError
from pipeline.spectra.desi.coadd_file import open_coadd
from pipeline.transport.sources import local_file

_FITS = re.compile(r".+\.(fits?|fts)(\.(gz|fz))?", re.IGNORECASE)
_COADD, _REDROCK = "coadd-", "redrock-"


def is_fits(path: Path) -> bool:
    """Say whether a file's name is that of a FITS file, packed or not."""
    return bool(_FITS.fullmatch(path.name))


def explain_stranger(path: Path) -> str | None:
    """Say why a FITS file of a folder is not read as a coadd; None for a coadd.

    By its name a coadd is one in any state, so that a damaged one is told and not left out.
    """
    if path.name.startswith(_COADD):
        return None
    beside = _find_beside(path, _COADD)
    if beside:
        return f"{beside.name} is there"
    try:
        coadd = open_coadd(local_file(path))
        return None if coadd.n_rows and coadd.arms else "it holds no spectrum"
    except DataError as error:
        return str(error).removeprefix(f"{path}: ")


def is_companion(path: Path) -> bool:
    """Say whether a file is the redrock file of a coadd beside it."""
    return path.name.startswith(_REDROCK) and _find_beside(path, _COADD) is not None


def find_redrock(coadd: Path) -> Path | None:
    """Return the redrock file beside a coadd, packed or not."""
    if not coadd.name.startswith(_COADD):
        return None
    return _find_beside(coadd, _REDROCK)


def _find_beside(path: Path, kind: str) -> Path | None:
    """Return the file of another kind, plain or packed, whose name goes on like a file's."""
    rest = path.name.partition("-")[2].removesuffix(".gz").removesuffix(".fz")
    found = (path.with_name(f"{kind}{rest}{packed}") for packed in ("", ".gz", ".fz"))
    return next((other for other in found if other.exists()), None)
