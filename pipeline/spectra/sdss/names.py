"""How SDSS, BOSS and eBOSS call spectra and their files: PLATE, MJD and FIBERID.

SDSS's own SPECOBJID is no key here: with plates above 8191 it exceeds 63 bits, and it holds the
reduction as well (data model of specObj).
"""

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.errors import UserError

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


@dataclass(frozen=True)
class SpecFiles:
    """The files of a source.

    Attributes
    ----------
    paths : dict of int to str
        The first file of each spectrum, by TARGETID.
    repeats : tuple of int
        TARGETIDs of further files of the same spectra.
    table : str
        The summary catalogue; empty where there is none.
    others : tuple of str
        What is neither.
    """

    paths: dict[int, str]
    repeats: tuple[int, ...]
    table: str
    others: tuple[str, ...]

    @cached_property
    def by_plate(self) -> dict[int, list[int]]:
        """TARGETIDs of each plate, in order."""
        plates: dict[int, list[int]] = defaultdict(list)
        for targetid in sorted(self.paths):
            plates[split_targetid(targetid)[0]].append(targetid)
        return plates


def sort_files(location: str, names: Iterable[str]) -> SpecFiles:
    """Tell spectra and the summary catalogue among the files of a source.

    Raises
    ------
    UserError
        If there are several catalogues: one of them must count.
    """
    paths: dict[int, str] = {}
    repeats, tables, others = [], [], []
    for name in sorted(names):
        if match := _SPEC.fullmatch(name):
            targetid = int(make_targetid(*(int(word) for word in match.groups())))
            if paths.setdefault(targetid, name) != name:
                repeats.append(targetid)
        elif _TABLE.fullmatch(name):
            tables.append(name)
        else:
            others.append(name)
    if len(tables) > 1:
        raise UserError(f"source {location}: {' and '.join(tables)} are catalogues; keep one")
    return SpecFiles(paths, tuple(repeats), tables[0] if tables else "", tuple(others))
