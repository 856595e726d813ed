"""How SDSS, BOSS and eBOSS call spectra and their files: PLATE, MJD and FIBERID.

SDSS's own SPECOBJID is no key here: with plates above 8191 it exceeds 63 bits, and it holds the
reduction as well (data model of specObj).
"""

import re
from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.spectra.listed_files import ListedFiles, list_files

_SPEC = re.compile(r"(?:.*/)?spec-(\d{4,6})-(\d{5})-(\d{4})\.fits(?:\.gz)?", re.ASCII)
_TABLE = re.compile(r"(?:.*/)?(?:spAll|specObj)-[\w.-]+?\.fits(?:\.gz)?", re.ASCII)
# Decimal digits of FIBERID, and of MJD and FIBERID.
_FIBRE, _NIGHT = 10**4, 10**9


def make_targetid(plate: ArrayLike, mjd: ArrayLike, fibre: ArrayLike) -> NDArray[np.int64]:
    """Return PLATE 10^9 + MJD 10^4 + FIBERID, shape (n,): the digits of the file's name."""
    high, middle, low = (np.asarray(values, np.int64) for values in (plate, mjd, fibre))
    return high * _NIGHT + middle * _FIBRE + low


def split_targetid(targetid: int) -> tuple[int, int, int]:
    """Return PLATE, MJD and FIBERID."""
    plate, rest = divmod(targetid, _NIGHT)
    return plate, *divmod(rest, _FIBRE)


def parse_name(path: str) -> int | None:
    """Read the TARGETID of a spectrum's file; None if it is none."""
    match = _SPEC.fullmatch(path)
    return int(make_targetid(*(int(word) for word in match.groups()))) if match else None


def sort_files(location: str, paths: Iterable[str]) -> ListedFiles[int]:
    """Tell spectra, by TARGETID, and the catalogue; a shard is a plate. See `list_files`."""
    return list_files(location, paths, parse_name, _TABLE, lambda name: split_targetid(name)[0])
