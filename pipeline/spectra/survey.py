"""What a survey of spectra is asked for, and the records in which it answers.

A survey is a frozen dataclass of plain values: it travels to workers, and opens its source when it
is asked for something. `pipeline/spectra/surveys.py` lists those that there are.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, NamedTuple, Protocol, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from catalog_schema.grids import Sampling
from catalog_schema.vocabulary import RedshiftSource
from pipeline.config import Config
from pipeline.lake.layout import Shard
from pipeline.lake.store import Store
from pipeline.settings.spectra import ExtractSettings, TargetSettings
from pipeline.spectra.science.coadd import Spectra
from pipeline.transport.transfer import Counts

# Name of a column to its values, shape (n,).
Columns = Mapping[str, NDArray]


class Choice(NamedTuple):
    """Where each row of a catalogue goes, shapes (n,): its parent, or else the gate it fails.

    `control` and `target_class` are empty where none applies.
    """

    parent: NDArray[np.str_]
    control: NDArray[np.str_]
    target_class: NDArray[np.str_]
    gate: NDArray[np.str_]


@dataclass(frozen=True)
class Findings:
    """What is to be said of a shard's candidates beside their catalogue, shapes (n,).

    Attributes
    ----------
    z, zerr : ndarray of float
        The redshift to be scored at.
    z_source : ndarray of str
        Its `RedshiftSource`.
    qso_maskbits : ndarray of int
        Which finders call it a quasar; 0 where none is asked.
    is_confirmed : ndarray of bool
        Whether it stays in its parent sample; what does not is dropped by `not_confirmed`.
    is_other : ndarray of bool
        Whether a file gives another redshift than the catalogue: dropped by `redshift_mismatch`.
    notes : tuple of str
    counts : Counts
        What was fetched.
    """

    z: NDArray[np.float64]
    zerr: NDArray[np.float64]
    z_source: NDArray[np.str_]
    qso_maskbits: NDArray[np.int32]
    is_confirmed: NDArray[np.bool_]
    is_other: NDArray[np.bool_]
    notes: tuple[str, ...] = ()
    counts: Counts = field(default_factory=Counts)


@dataclass(frozen=True)
class CheckedFile:
    """A shard's file of spectra, found whole: path below the source, bytes, spectra, identity."""

    file_name: str
    n_bytes: int
    n_rows: int
    identity: str
    counts: Counts = field(default_factory=Counts)


@dataclass(frozen=True)
class Wanted:
    """Which spectra of a shard are wanted, and of which file.

    Attributes
    ----------
    file_name, identity : str
        Of the file as it was checked.
    targetid : ndarray of int64, shape (n,)
    ra, dec : ndarray of float, shape (n,)
        Where the catalogue has the targets, ICRS, degrees.
    index : Path
        Where in the lake a survey may keep what it knows of the file's inside.
    """

    file_name: str
    identity: str
    targetid: NDArray[np.int64]
    ra: NDArray[np.float64]
    dec: NDArray[np.float64]
    index: Path


@dataclass(frozen=True)
class Reading:
    """Spectra of a shard's targets, and what became of the others.

    Attributes
    ----------
    spectra : Spectra
    dropped : dict
        Targets dropped by each gate; with the spectra they are all that were wanted.
    notes : tuple of str
    places : ndarray of int, shape (3, n), optional
        Night, petal and fibre of the spectra; -1 is not known.
    counts : Counts
        What was fetched.
    """

    spectra: Spectra
    dropped: dict[str, int]
    notes: tuple[str, ...] = ()
    places: NDArray[np.int64] | None = None
    counts: Counts = field(default_factory=Counts)


class Survey(Protocol):
    """A source of spectra: a catalogue of redshifts, and files that hold a shard's spectra each.

    A shard is named by the columns SURVEY, PROGRAM and HEALPIX of its rows: two words and a number.
    """

    sampling: ClassVar[Sampling]
    # Of loose files it is False: they are scored with a finished model, one by one.
    has_catalogue: ClassVar[bool]

    @staticmethod
    def recognise(source: str) -> bool:
        """Say whether a source looks like this survey's."""

    @classmethod
    def open(cls, store: Store, config: Config) -> Self:
        """Return the survey at ``run.source``.

        Raises
        ------
        UserError
            If it is not there.
        """

    @property
    def location(self) -> str:
        """Where it lies, for messages."""

    def identify_catalogue(self) -> Sequence[str]:
        """Return what changes whenever a file that `catalogue` reads does."""

    def catalogue(
        self, settings: TargetSettings, unreadable: dict[Shard, str], notes: list[str]
    ) -> Iterator[tuple[Columns, Choice]]:
        """Yield the rows of the catalogue in blocks, and where they go.

        Parameters
        ----------
        settings : TargetSettings
        unreadable : dict
            Filled with the shards whose rows cannot be read, and why.
        notes : list of str
            Filled with what is to be told of single rows.

        Yields
        ------
        rows : dict
            Columns under the names of `candidates`: those of its key, TARGET_RA, TARGET_DEC and Z
            at least.
        choice : Choice

        Raises
        ------
        UserError
            If the catalogue cannot be read or believed.
        """

    def identify_findings(self, shard: Shard) -> tuple[str, ...]:
        """Return what changes whenever a file that `find` reads does; nothing where it reads none.

        A file that is not there has an identity too.
        """

    def find(self, shard: Shard, candidates: pa.Table, settings: TargetSettings) -> Findings:
        """Say what other files know of a shard's candidates; of none, `keep_redshifts`.

        Raises
        ------
        DataError
            If a file is damaged.
        """

    def identify(self, shard: Shard) -> str:
        """Return what changes whenever the file of a shard's spectra does, or its absence."""

    def inspect(self, shard: Shard, index: Path) -> CheckedFile:
        """Check the file of a shard's spectra, as far as that can be done without reading them.

        Parameters
        ----------
        shard : Shard
        index : Path
            Where in the lake a survey may keep what it finds of the file's inside.

        Raises
        ------
        DataError
            If it is missing or damaged.
        """

    def read(self, shard: Shard, wanted: Wanted, settings: ExtractSettings) -> Reading:
        """Read the spectra of some targets, as far as the file has them.

        Raises
        ------
        DataError
            If the file is missing, changed or damaged.
        """


def keep_redshifts(candidates: pa.Table) -> Findings:
    """Return what is to be said of candidates of which no other file speaks."""
    n = candidates.num_rows
    return Findings(
        candidates["Z"].to_numpy(),
        candidates["ZERR"].to_numpy(),
        np.full(n, RedshiftSource.CATALOGUE.value),
        np.zeros(n, np.int32),
        np.ones(n, bool),
        np.zeros(n, bool),
    )
