"""Where the files of DESI's tree lie."""

import re
from contextlib import suppress
from dataclasses import dataclass

from catalog_schema.desi import SPECPROD
from pipeline.errors import DataError
from pipeline.lake.layout import Shard
from pipeline.transport.sources import Source, SourceFile

_FILE_NAME = re.compile(
    r"(?P<kind>\w+)-(?P<survey>\w+)-(?P<program>\w+)-(?P<healpix>\d{1,9})\.fits(\.gz)?",
    re.ASCII,
)
# Folder of the named reduction, below the folder or prefix that holds ``spectro/``.
REDUCTION = f"spectro/redux/{SPECPROD}"


@dataclass(frozen=True)
class DesiTree:
    """A tree in the DR1 layout; the source's location holds ``spectro/``."""

    source: Source

    @property
    def root(self) -> str:
        """Location of the tree, for messages."""
        return self.source.location

    @property
    def redshift_catalogue(self) -> SourceFile:
        """Merged redshift catalogue of all surveys and programs."""
        return self.source.file(f"{REDUCTION}/zcatalog/v1/zall-pix-{SPECPROD}.fits")

    def find_redshift_catalogue(self) -> SourceFile:
        """Name the redshift catalogue, or its gzipped variant where only that is there."""
        return self._find(self.redshift_catalogue)

    def file(self, kind: str, shard: Shard) -> SourceFile:
        """Name a shard's file: coadd, redrock, qso_mgii or qso_qn."""
        survey, program, pixel = shard.check()
        folder = f"{REDUCTION}/healpix/{survey}/{program}/{pixel // 100}/{pixel}"
        return self.source.file(f"{folder}/{kind}-{shard}.fits")

    def find_file(self, kind: str, shard: Shard) -> SourceFile:
        """Name a shard's file, or its gzipped variant where only that is there."""
        return self._find(self.file(kind, shard))

    def identify(self, kind: str, shard: Shard) -> str:
        """Return what changes whenever a shard's file does.

        A file that is absent or closed has an identity too: reading it says which, and mending it
        changes the identity.
        """
        plain = self.file(kind, shard)
        for file in (plain, self.source.file(f"{plain.path}.gz")):
            with suppress(DataError):
                return file.stat().identity
        return "absent"

    def find_shards(self, kind: str) -> list[Shard]:
        """List the shards that have a file of this kind, in order."""
        names = (path.rpartition("/")[2] for path in self.source.list(f"{REDUCTION}/healpix/"))
        found = (_FILE_NAME.fullmatch(name) for name in names)
        shards = {
            Shard(match["survey"], match["program"], int(match["healpix"]))
            for match in found
            if match and match["kind"] == kind
        }
        return sorted(shards)

    def _find(self, plain: SourceFile) -> SourceFile:
        packed = self.source.file(f"{plain.path}.gz")
        return packed if not plain.exists() and packed.exists() else plain
