"""DESI's trees as a survey, and the mock, which is laid out like one."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

import pyarrow as pa

from catalog_schema.desi import SAMPLING
from catalog_schema.grids import Sampling
from pipeline.config import Config
from pipeline.errors import UserError
from pipeline.lake.layout import Shard, is_remote
from pipeline.lake.store import Store
from pipeline.settings.spectra import ExtractSettings, TargetSettings
from pipeline.settings.transport import AcquireSettings
from pipeline.spectra.desi.afterburners import KINDS, read_findings
from pipeline.spectra.desi.coadd_file import check_coadd, open_coadd
from pipeline.spectra.desi.placement import refuse_misplaced
from pipeline.spectra.desi.redshift_catalogue import identify_catalogue, read_catalogue
from pipeline.spectra.desi.selection import choose_blocks
from pipeline.spectra.desi.shard_spectra import read_shard
from pipeline.spectra.desi.tree import REDUCTION, DesiTree, list_reductions, recognise_tree
from pipeline.spectra.survey import CheckedFile, Choice, Columns, Findings, Reading, Wanted
from pipeline.transport.places import find_mock
from pipeline.transport.sources import booking, open_source


@dataclass(frozen=True)
class DesiSurvey:
    """A tree of one reduction in one layout; see `pipeline.spectra.survey.Survey`.

    Attributes
    ----------
    location : str
        Folder or address that holds ``spectro/``.
    acquire : AcquireSettings
    layout : type of DesiTree
    specprod : str
        Name of the reduction.
    """

    location: str
    acquire: AcquireSettings
    layout: type[DesiTree]
    specprod: str

    sampling: ClassVar[Sampling] = SAMPLING
    has_catalogue: ClassVar[bool] = True

    @staticmethod
    def recognise(source: str) -> bool:
        """Take the mock, every remote source, and what is no file or folder without a tree."""
        place = Path(source)
        is_absent = source == "mock" or is_remote(source) or not place.exists()
        return is_absent or bool(list_reductions(place))

    @classmethod
    def open(cls, store: Store, config: Config) -> Self:
        """Recognise reduction and layout, of several the one that ``run.survey`` names.

        Raises
        ------
        UserError
            If there is no tree, or nothing in it.
        """
        location = _locate(store, config)
        tree = recognise_tree(open_source(location, config.acquire), config.run.survey)
        return cls(tree.root, config.acquire, type(tree), tree.specprod)

    @property
    def tree(self) -> DesiTree:
        """The tree, on connections that are kept."""
        return self.layout(open_source(self.location, self.acquire), self.specprod)

    def identify_catalogue(self) -> list[str]:
        """See `Survey.identify_catalogue`."""
        return identify_catalogue(self.tree)

    def catalogue(
        self, settings: TargetSettings, unreadable: dict[Shard, str], notes: list[str]
    ) -> Iterator[tuple[Columns, Choice]]:
        """See `Survey.catalogue`; rows that are not where they say are dropped, if they are few."""
        blocks = choose_blocks(read_catalogue(self.tree, unreadable), settings)
        yield from refuse_misplaced(self.location, blocks)

    def identify_findings(self, shard: Shard) -> tuple[str, ...]:
        """See `Survey.identify_findings`."""
        tree = self.tree
        return tuple(tree.identify(kind, shard) for kind in KINDS)

    def find(self, shard: Shard, candidates: pa.Table, settings: TargetSettings) -> Findings:
        """See `Survey.find`; the afterburners speak of the extended parent."""
        with booking(self.tree.source) as source:
            return read_findings(self.layout(source, self.specprod), shard, candidates, settings)

    def identify(self, shard: Shard) -> str:
        """See `Survey.identify`."""
        return self.tree.identify("coadd", shard)

    def inspect(self, shard: Shard, index: Path) -> CheckedFile:
        """See `Survey.inspect`; only headers and wavelengths are read."""
        with booking(self.tree.source) as source:
            file = self.layout(source, self.specprod).find_file("coadd", shard)
            coadd = open_coadd(file, index)
            check_coadd(coadd)
            size, identity = file.stat() if file.path.endswith(".gz") else coadd.ahead.stat
        return CheckedFile(file.path, size, coadd.n_rows, identity, source.counts)

    def read(self, shard: Shard, wanted: Wanted, settings: ExtractSettings) -> Reading:
        """See `Survey.read`."""
        with booking(self.tree.source) as source:
            return read_shard(source, wanted, settings.ivar_floor, self.acquire)


def _locate(store: Store, config: Config) -> str:
    location = config.run.source
    if location == "mock":
        return str(find_mock(store, config))
    source = Path(location)
    if not is_remote(location) and not source.is_dir():
        raise UserError(f"source {source}: no such folder; give a tree in the DR1 layout or `mock`")
    if not is_remote(location) and not list_reductions(source):
        raise UserError(
            f"source {source}: no {REDUCTION} below it; give the folder that holds spectro/"
        )
    return location
