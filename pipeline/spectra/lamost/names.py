"""How LAMOST calls the files of its low-resolution spectra, and its catalogue."""

import re
from collections.abc import Iterable
from typing import NamedTuple

from pipeline.spectra.listed_files import ListedFiles, list_files

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


def parse_name(path: str) -> Name | None:
    """Read the name of a spectrum's file; None if it is none."""
    match = _SPEC.fullmatch(path)
    if match is None:
        return None
    return Name(int(match["lmjd"]), match["plan"], int(match["sp"]), int(match["fibre"]))


def sort_files(location: str, paths: Iterable[str]) -> ListedFiles[Name]:
    """Tell spectra and the catalogue; a shard is a plan and its night. See `list_files`."""
    return list_files(location, paths, parse_name, _TABLE, lambda name: (name.plan, name.lmjd))
