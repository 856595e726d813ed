"""How LAMOST calls the files of its low-resolution spectra, and its catalogue."""

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from pipeline.errors import UserError

_SPEC = re.compile(
    r"(?:.*/)?spec-(?P<lmjd>\d{5})-(?P<plan>\w[\w.+=-]{0,90})_sp(?P<sp>\d{2})-(?P<fibre>\d{3})"
    r"\.fits?(?:\.gz)?",
    re.ASCII,
)
# dr9_v1.0_LRS_catalogue.csv, dr5.fits and their like; the catalogues of stars are others.
_TABLE = re.compile(
    r"(?:.*/)?dr\d+(?:_v[\d.]+)?(?:_(?:LRS|LR)?_?(?:catalogue|catalog|general))?\.(?:csv|fits)"
    r"(?:\.gz)?",
    re.ASCII,
)


class Name(NamedTuple):
    """Local modified Julian day, plan, spectrograph and fibre of a spectrum: its file's name."""

    lmjd: int
    plan: str
    spectrograph: int
    fibre: int

    def __str__(self) -> str:
        return f"spec-{self.lmjd}-{self.plan}_sp{self.spectrograph:02d}-{self.fibre:03d}"


@dataclass(frozen=True)
class LamostFiles:
    """The files of a source.

    Attributes
    ----------
    paths : dict of Name to str
        The first file of each spectrum.
    repeats : tuple of Name
        Further files of the same spectra.
    table : str
        The catalogue; empty where there is none.
    others : tuple of str
        What is neither.
    """

    paths: dict[Name, str]
    repeats: tuple[Name, ...]
    table: str
    others: tuple[str, ...]

    @cached_property
    def by_plan(self) -> dict[tuple[str, int], list[Name]]:
        """Names of each plan and night, in order."""
        plans: dict[tuple[str, int], list[Name]] = defaultdict(list)
        for name in sorted(self.paths):
            plans[name.plan, name.lmjd].append(name)
        return plans


def parse_name(path: str) -> Name | None:
    """Read the name of a spectrum's file; None if it is none."""
    match = _SPEC.fullmatch(path)
    if match is None:
        return None
    return Name(int(match["lmjd"]), match["plan"], int(match["sp"]), int(match["fibre"]))


def sort_files(location: str, paths: Iterable[str]) -> LamostFiles:
    """Tell spectra and the catalogue among the files of a source.

    Raises
    ------
    UserError
        If there are several catalogues: one of them must count.
    """
    found: dict[Name, str] = {}
    repeats, tables, others = [], [], []
    for path in sorted(paths):
        if name := parse_name(path):
            if found.setdefault(name, path) != path:
                repeats.append(name)
        elif _TABLE.fullmatch(path):
            tables.append(path)
        else:
            others.append(path)
    if len(tables) > 1:
        raise UserError(f"source {location}: {' and '.join(tables)} are catalogues; keep one")
    return LamostFiles(found, tuple(repeats), tables[0] if tables else "", tuple(others))
