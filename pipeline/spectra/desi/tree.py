"""Where DESI's files lie: by HEALPix pixel, by pixel of adaptive size (UNIQPIX), or by tile.

One reduction may have several layouts. In each a shard is one file of coadds, and the shard's third
number is the one that names this file:

========== =============================== ==========================================
layout     below the reduction's folder    number
========== =============================== ==========================================
HEALPix    healpix/SURVEY/PROGRAM/n÷100/n  nside 64 NESTED pixel (fuji, iron, loa)
UNIQPIX    spectra/SURVEY/PROGRAM/n÷100/n  pixel + 4 nside², nside varies (matterhorn)
tiles      tiles/cumulative/TILEID/NIGHT   10 TILEID + petal
========== =============================== ==========================================

Sources: desidatamodel, ``SPECPROD/{healpix,spectra,tiles,zcatalog}``; desispec ``io.meta``.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from catalog_schema.desi import HEALPIX_ORDER, SPECPROD
from pipeline.errors import DataError
from pipeline.fits.tables import read_columns
from pipeline.lake.layout import Shard
from pipeline.transport.sources import Source, SourceFile

_PIXEL_FILE = re.compile(
    r"(?P<kind>\w+)-(?P<survey>\w+)-(?P<program>\w+)-(?P<number>\d{1,9})\.fits(\.gz)?",
    re.ASCII,
)
_TILE_FILE = re.compile(
    r"(?P<tile>\d{1,8})/(?P<night>\d{8})/"
    r"(?P<kind>\w+)-(?P<petal>\d)-(?P=tile)-thru(?P=night)\.fits(\.gz)?",
    re.ASCII,
)
# Folder of DR1's named reduction, below the folder or prefix that holds ``spectro/``.
REDUCTION = f"spectro/redux/{SPECPROD}"
# Parts of a redshift catalogue of version 2, which are row-matched: HDU, and end of the name.
_PARTS = {"ZCATALOG": "", "ZCATALOG_IMAGING": "-imaging", "ZCATALOG_EXTRA": "-extra"}
# What a shard's spectra may be in: coadded, or the single exposures, which are coadded here.
_SPECTRA = ("coadd", "spectra")

Columns = Mapping[str, NDArray]


@dataclass(frozen=True)
class DesiTree(ABC):
    """A tree of one reduction; the source's location holds ``spectro/``."""

    source: Source
    specprod: str = SPECPROD

    folder: ClassVar[str]
    # Catalogue of all surveys and programs, and its columns that say in which file a row's
    # spectrum is.
    catalogue: ClassVar[str]
    file_columns: ClassVar[tuple[str, ...]]

    @property
    def root(self) -> str:
        """Location of the tree, for messages."""
        return self.source.location

    @property
    def layout(self) -> Callable[[Source], "DesiTree"]:
        """What makes the same tree of another source, e.g. in a worker."""
        return partial(type(self), specprod=self.specprod)

    @property
    def reduction(self) -> str:
        """Folder of the named reduction."""
        return f"spectro/redux/{self.specprod}"

    @property
    def redshift_catalogue(self) -> SourceFile:
        """Merged redshift catalogue of all surveys and programs, in one file (version 1)."""
        return self.source.file(
            f"{self.reduction}/zcatalog/v1/{self.catalogue}-{self.specprod}.fits"
        )

    @property
    def catalogue_parts(self) -> dict[str, SourceFile]:
        """The three row-matched files of a redshift catalogue of version 2 (loa and later)."""
        stem = f"{self.reduction}/zcatalog/v2/zall/{self.catalogue}-{self.specprod}"
        return {hdu: self.source.file(f"{stem}{end}.fits") for hdu, end in _PARTS.items()}

    def find_redshift_catalogue(self) -> dict[str, SourceFile]:
        """Return the files of the redshift catalogue by HDU, or nothing where there is none.

        A file may be gzipped. DR1 has no version 2, so it is not asked for it.
        """
        if self.specprod != SPECPROD and self._find(self.catalogue_parts["ZCATALOG"]):
            return {hdu: self._find(file) or file for hdu, file in self.catalogue_parts.items()}
        file = self._find(self.redshift_catalogue)
        return {"ZCATALOG": file} if file else {}

    @abstractmethod
    def file(self, kind: str, shard: Shard) -> SourceFile:
        """Name a shard's file: coadd, spectra, redrock, qso_mgii or qso_qn."""

    def find_file(self, kind: str, shard: Shard) -> SourceFile:
        """Name a shard's file, or what is there in its place.

        That is its gzipped variant, and for a coadd the single exposures.
        """
        plain = [self.file(name, shard) for name in self._list_kinds(kind)]
        return next((found for file in plain if (found := self._find(file))), plain[0])

    def identify(self, kind: str, shard: Shard) -> str:
        """Return what changes whenever a shard's file does.

        A file that is absent or closed has an identity too: reading it says which, and mending it
        changes the identity.
        """
        for name in self._list_kinds(kind):
            plain = self.file(name, shard)
            for file in (plain, self.source.file(f"{plain.path}.gz")):
                with suppress(DataError):
                    return file.stat().identity
        return "absent"

    def find_shards(self, kind: str) -> list[Shard]:
        """List the shards that have a file of this kind, in order."""
        found = self._list_files(f"{self.reduction}/{self.folder}/")
        return sorted({shard for name, shard in found if name in self._list_kinds(kind)})

    @abstractmethod
    def number(self, rows: Columns) -> NDArray[np.int64]:
        """Return the number of the file of each row of the catalogue, shape (n,)."""

    @abstractmethod
    def find_pixels(self, numbers: NDArray) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return HEALPix order and NESTED pixel in which a file's targets lie, shapes (n,).

        Order -1 where the layout does not tell.
        """

    @abstractmethod
    def _list_files(self, prefix: str) -> Iterator[tuple[str, Shard]]: ...

    @staticmethod
    def _list_kinds(kind: str) -> tuple[str, ...]:
        return _SPECTRA if kind == "coadd" else (kind,)

    def _find(self, plain: SourceFile) -> SourceFile | None:
        packed = self.source.file(f"{plain.path}.gz")
        return next((file for file in (plain, packed) if file.exists()), None)


@dataclass(frozen=True)
class HealpixTree(DesiTree):
    """Spectra of DR1 and DR2, grouped by pixels of one size."""

    folder = "healpix"
    catalogue = "zall-pix"
    file_columns = ("HEALPIX",)

    def file(self, kind: str, shard: Shard) -> SourceFile:
        """See `DesiTree.file`."""
        survey, program, number = shard.check()
        folder = f"{self.reduction}/{self.folder}/{survey}/{program}/{number // 100}/{number}"
        return self.source.file(f"{folder}/{kind}-{shard}.fits")

    def number(self, rows: Columns) -> NDArray[np.int64]:
        """See `DesiTree.number`."""
        return np.asarray(rows[self.file_columns[0]], np.int64)

    def find_pixels(self, numbers: NDArray) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """See `DesiTree.find_pixels`."""
        pixels = np.asarray(numbers, np.int64)
        return np.full(pixels.shape, HEALPIX_ORDER), pixels

    def _list_files(self, prefix: str) -> Iterator[tuple[str, Shard]]:
        for path in self.source.list(prefix):
            if found := _PIXEL_FILE.fullmatch(path.rpartition("/")[2]):
                number = int(found["number"])
                yield found["kind"], Shard(found["survey"], found["program"], number)


@dataclass(frozen=True)
class UniqpixTree(HealpixTree):
    """Spectra of matterhorn and later, grouped by pixels that hold about as many targets each."""

    folder = "spectra"
    file_columns = ("UNIQPIX",)

    def find_pixels(self, numbers: NDArray) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """See `DesiTree.find_pixels`."""
        numbers = np.asarray(numbers, np.int64)
        with np.errstate(divide="ignore"):
            order = np.floor(np.log2(np.maximum(numbers // 4, 0)) / 2)
        order = np.where(np.isfinite(order), order, -1).astype(np.int64)
        return order, numbers - np.where(order < 0, 0, 4 * 4 ** np.maximum(order, 0))


@dataclass(frozen=True)
class TileTree(DesiTree):
    """Spectra coadded within a tile over all its nights, one file for each petal."""

    folder = "tiles/cumulative"
    catalogue = "zall-tilecumulative"
    file_columns = ("TILEID", "PETAL_LOC")

    def file(self, kind: str, shard: Shard) -> SourceFile:
        """See `DesiTree.file`; of a tile with several last nights the latest counts."""
        tile, petal = divmod(shard.check().healpix, 10)
        prefix = f"{self.reduction}/{self.folder}/{tile}/"
        found = (_TILE_FILE.search(path) for path in self.source.list(prefix))
        night = max((match["night"] for match in found if match), default="00000000")
        return self.source.file(f"{prefix}{night}/{kind}-{petal}-{tile}-thru{night}.fits")

    def number(self, rows: Columns) -> NDArray[np.int64]:
        """See `DesiTree.number`."""
        tile, petal = (np.asarray(rows[name], np.int64) for name in self.file_columns)
        return 10 * tile + petal

    def find_pixels(self, numbers: NDArray) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """See `DesiTree.find_pixels`; a tile is no pixel."""
        unknown = np.full(np.shape(numbers), -1)
        return unknown, unknown

    @cached_property
    def _programs(self) -> dict[int, tuple[str, str]]:
        """Survey and program of each tile, which only the list of tiles tells."""
        plain = self.source.file(f"{self.reduction}/tiles-{self.specprod}.fits")
        file = self._find(plain) or plain
        rows = read_columns(file, "TILE_COMPLETENESS", ("TILEID", "SURVEY", "PROGRAM"))
        names = zip(rows["SURVEY"].tolist(), rows["PROGRAM"].tolist(), strict=True)
        return dict(zip(rows["TILEID"].tolist(), names, strict=True))

    def _list_files(self, prefix: str) -> Iterator[tuple[str, Shard]]:
        for path in self.source.list(prefix):
            found = _TILE_FILE.fullmatch(path.removeprefix(prefix))
            if found and int(found["tile"]) in self._programs:
                tile = int(found["tile"])
                yield found["kind"], Shard(*self._programs[tile], 10 * tile + int(found["petal"]))


# By the name under which a survey is asked for; the first that a tree has is read by default.
LAYOUTS: dict[str, type[DesiTree]] = {
    "desi-healpix": HealpixTree,
    "desi-uniqpix": UniqpixTree,
    "desi-tiles": TileTree,
}
REDUCTIONS = "spectro/redux"
# Public releases, as their folder is called, and their named reductions.
_RELEASES = {"edr": "fuji", "dr1": SPECPROD, "dr2": "loa"}


def list_reductions(folder: Path) -> list[str]:
    """Return the named reductions of a local tree, in order; none where there is no tree."""
    return sorted(path.name for path in (folder / REDUCTIONS).glob("*") if path.is_dir())


def recognise_tree(source: Source, name: str = "") -> DesiTree:
    """Recognise the reduction and the layout of a tree.

    Parameters
    ----------
    source : Source
        A local tree is looked into: of several reductions DR1's is taken, or else the latest, as
        their names rise in the alphabet; of several layouts the first of `LAYOUTS`. The reduction
        of a remote one follows from the release that its address names.
    name : str
        One of `LAYOUTS`, or another for what is there.
    """
    default: type[DesiTree] = HealpixTree
    if source.is_remote:
        specprod = _RELEASES.get(source.location.rpartition("/")[2], SPECPROD)
    else:
        folder, found = Path(source.location, REDUCTIONS), list_reductions(Path(source.location))
        specprod = SPECPROD if SPECPROD in found or not found else found[-1]
        there = (tree for tree in LAYOUTS.values() if (folder / specprod / tree.folder).is_dir())
        default = next(there, HealpixTree)
    return LAYOUTS.get(name, default)(source, specprod)
