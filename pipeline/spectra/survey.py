"""What a survey of spectra is asked for, and which survey a source is of."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from catalog_schema.desi import SAMPLING
from catalog_schema.grids import Sampling
from pipeline.config import Config
from pipeline.errors import UserError
from pipeline.lake.layout import Shard, is_remote
from pipeline.settings.spectra import TargetSettings
from pipeline.spectra.desi.selection import Choice
from pipeline.spectra.desi.tree import LAYOUTS, list_reductions
from pipeline.spectra.science.coadd import Spectra


class Survey(Protocol):
    """A source of spectra: a catalogue of redshifts, and files that hold a shard's spectra each."""

    sampling: Sampling

    def catalogue(self) -> Iterator[Mapping[str, NDArray]]:
        """Yield the rows of the catalogue in blocks, under the names of `candidates`.

        SURVEY, PROGRAM and HEALPIX together name a shard: a file of spectra.
        """

    def select(self, rows: Mapping[str, NDArray], settings: TargetSettings) -> Choice:
        """Say which parent sample each row may enter, or by which gate it is dropped."""

    def identify(self, shard: Shard) -> str:
        """Return what changes whenever the file of a shard does."""

    def read(self, shard: Shard, targetids: NDArray[np.int64]) -> Spectra:
        """Read the spectra of some targets, as far as the file has them.

        Raises
        ------
        DataError
            If the file is missing or damaged.
        """


# How the spectra of each survey are sampled.
SAMPLINGS: dict[str, Sampling] = dict.fromkeys(("desi", "mock", "loose", *LAYOUTS), SAMPLING)


def find_survey(source: str, name: str = "") -> str:
    """Return the name of the survey that a source is of.

    Parameters
    ----------
    source : str
        ``mock``, a file, a folder, or an ``s3://`` or ``http(s)://`` address.
    name : str
        As asked for; empty, the survey is recognised: ``loose`` of files without a tree, else
        ``desi``.

    Raises
    ------
    UserError
        If no survey has that name.
    """
    if name and name not in SAMPLINGS:
        raise UserError(f"run.survey {name!r} is none of {', '.join(sorted(SAMPLINGS))}")
    if name or source == "mock":
        return name or "mock"
    place = Path(source)
    is_loose = not is_remote(source) and place.exists() and not list_reductions(place)
    return "loose" if is_loose else "desi"


def find_sampling(config: Config) -> Sampling:
    """Return the grid and the arms of the survey that a run reads."""
    return SAMPLINGS[find_survey(config.run.source, config.run.survey)]
