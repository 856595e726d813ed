"""Every path of the project: DESI's tree, the lake below a data root, and the releases."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from pipeline.errors import UserError

SPECPROD = "iron"
_FILE_NAME = re.compile(r"^(?P<kind>\w+)-(?P<survey>\w+)-(?P<program>\w+)-(?P<healpix>\d+)\.fits$")
_VERSION = re.compile(r"\d+\.\d+\.\d+")


class Shard(NamedTuple):
    """Unit of DESI files, of parallelism, of resume and of the completeness ledger.

    `healpix` is the nside 64 NESTED pixel; it is known to this file and to `shards.py` only.
    """

    survey: str
    program: str
    healpix: int

    def __str__(self) -> str:
        return f"{self.survey}-{self.program}-{self.healpix}"


@dataclass(frozen=True)
class DesiTree:
    """A local tree in the DR1 layout; `root` is the folder that holds ``spectro/``."""

    root: Path

    @property
    def reduction(self) -> Path:
        """Folder of the named reduction."""
        return self.root / "spectro" / "redux" / SPECPROD

    @property
    def redshift_catalogue(self) -> Path:
        """Merged redshift catalogue of all surveys and programs."""
        return self.reduction / "zcatalog" / "v1" / f"zall-pix-{SPECPROD}.fits"

    def file(self, kind: str, shard: Shard) -> Path:
        """Path of a shard's file: coadd, redrock, qso_mgii or qso_qn."""
        folder = self.reduction / "healpix" / shard.survey / shard.program
        pixel = str(shard.healpix)
        return folder / str(shard.healpix // 100) / pixel / f"{kind}-{shard}.fits"

    def find_shards(self, kind: str) -> list[Shard]:
        """List the shards that have a file of this kind, in order."""
        found = (
            _FILE_NAME.match(path.name)
            for path in self.reduction.glob(f"healpix/*/*/*/*/{kind}-*.fits")
        )
        return sorted(
            Shard(match["survey"], match["program"], int(match["healpix"]))
            for match in found
            if match
        )


@dataclass(frozen=True)
class Lake:
    """Paths of the datasets below a data root."""

    root: Path

    def dataset(self, name: str) -> Path:
        """File of a global dataset, or folder of a sharded one."""
        return self.root / "lake" / name

    def table(self, name: str) -> Path:
        """File of a global dataset."""
        return self.dataset(name) / f"{name}.parquet"

    def shard(self, name: str, shard: Shard) -> Path:
        """File of one shard of a sharded dataset."""
        return self.dataset(name) / shard.survey / shard.program / f"{shard.healpix}.parquet"

    def model(self, model_id: str) -> Path:
        """Folder of a trained model."""
        return self.root / "models" / model_id

    def checkpoint(self, model_id: str) -> Path:
        """File from which an interrupted training resumes."""
        return self.root / "models" / f".{model_id}.checkpoint"

    @property
    def ledger(self) -> Path:
        """SQLite file of the ledger."""
        return self.root / "ledger.sqlite"

    @property
    def lock(self) -> Path:
        """File that one process at a time holds."""
        return self.root / ".lock"

    def mock(self, name: str) -> Path:
        """Tree of a mock survey, named by the digest of its settings."""
        return self.root / "mock" / name

    @property
    def config(self) -> Path:
        """Resolved configuration of the last run."""
        return self.root / "config.json"

    def applied(self, name: str) -> Path:
        """Data root of foreign spectra scored with a finished model."""
        return self.root / "applied" / name

    def release(self, version: str) -> Path:
        """Folder of a release.

        Raises
        ------
        UserError
            If the version is not of the form X.Y.Z.
        """
        if not _VERSION.fullmatch(version):
            raise UserError(f"version {version!r} is not of the form X.Y.Z; try --version 0.1.0")
        return self.root / "releases" / version
