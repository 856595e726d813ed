"""Every path of the project: DESI's tree, the lake below a data root, and the releases."""

import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pipeline.errors import DataError, UserError
from pipeline.lake_files import locate

if TYPE_CHECKING:
    from pipeline.sources import Source, SourceFile

SPECPROD = "iron"
_FILE_NAME = re.compile(r"^(?P<kind>\w+)-(?P<survey>\w+)-(?P<program>\w+)-(?P<healpix>\d+)\.fits$")
# Folder of the named reduction, below the folder or prefix that holds ``spectro/``.
REDUCTION = f"spectro/redux/{SPECPROD}"
_REMOTE = re.compile(r"^(s3|https?)://")
# A model's folder is whole when it has this file.
MODEL_CARD = "model.json"
# Tables beside it: the population of the scores, and the classifier.
MODEL_NULL, MODEL_NORMS, MODEL_TAXONOMY = "null.parquet", "norms.parquet", "taxonomy.parquet"
_VERSION = re.compile(r"\d+\.\d+\.\d+")


def is_remote(location: str) -> bool:
    """Say whether a location is an S3 or HTTP address."""
    return bool(_REMOTE.match(location))


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
    """A tree in the DR1 layout; the source's location holds ``spectro/``."""

    source: "Source"

    @property
    def root(self) -> str:
        """Location of the tree, for messages."""
        return self.source.location

    @property
    def redshift_catalogue(self) -> "SourceFile":
        """Merged redshift catalogue of all surveys and programs."""
        return self.source.file(f"{REDUCTION}/zcatalog/v1/zall-pix-{SPECPROD}.fits")

    def file(self, kind: str, shard: Shard) -> "SourceFile":
        """Name a shard's file: coadd, redrock, qso_mgii or qso_qn."""
        survey, program, pixel = shard
        folder = f"{REDUCTION}/healpix/{survey}/{program}/{pixel // 100}/{pixel}"
        return self.source.file(f"{folder}/{kind}-{shard}.fits")

    def find_file(self, kind: str, shard: Shard) -> "SourceFile":
        """Name a shard's file, or its gzipped variant where only that is there."""
        plain = self.file(kind, shard)
        packed = self.source.file(f"{plain.path}.gz")
        return packed if not plain.exists() and packed.exists() else plain

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
        found = (_FILE_NAME.match(name) for name in names)
        return sorted(
            Shard(match["survey"], match["program"], int(match["healpix"]))
            for match in found
            if match and match["kind"] == kind
        )


@dataclass(frozen=True)
class Lake:
    """Paths of a data root: datasets and models, which may be in a bucket, and the local rest."""

    root: Path
    url: str = ""

    @property
    def home(self) -> Path:
        """Where datasets and models are: the bucket's prefix if there is one, or the root."""
        return locate(self.url) if self.url else self.root

    @property
    def local_dataset_folder(self) -> Path:
        """Folder of the datasets on this machine; empty where they are in a bucket."""
        return self.root / "lake"

    def dataset(self, name: str) -> Path:
        """File of a global dataset, or folder of a sharded one."""
        return self.home / "lake" / name

    def table(self, name: str) -> Path:
        """File of a global dataset."""
        return self.dataset(name) / f"{name}.parquet"

    def shard(self, name: str, shard: Shard) -> Path:
        """File of one shard of a sharded dataset."""
        return self.dataset(name) / shard.survey / shard.program / f"{shard.healpix}.parquet"

    def index(self, shard: Shard) -> Path:
        """File that says where the HDUs of a shard's coadd lie."""
        return self.dataset("index") / shard.survey / shard.program / f"{shard.healpix}.json"

    def catalogue(self, name: str, catalogue: str) -> Path:
        """File of one external catalogue in a dataset that has one for each."""
        return self.dataset(name) / f"{catalogue}.parquet"

    def source_index(self, catalogue: str, content: str) -> Path:
        """Index of a local copy of an external catalogue, by its content."""
        return self.root / "cache" / "catalogues" / f"{catalogue}-{content}.parquet"

    @property
    def service_cache(self) -> Path:
        """Folder of what services have answered."""
        return self.root / "cache" / "services"

    def model(self, model_id: str) -> Path:
        """Folder of a trained model."""
        return self.home / "models" / model_id

    def checkpoint(self, model_id: str) -> Path:
        """File from which an interrupted training resumes."""
        return self.home / "models" / f".{model_id}.checkpoint"

    @property
    def ledger(self) -> Path:
        """SQLite file of the ledger."""
        return self.root / "ledger.sqlite"

    @property
    def lock(self) -> Path:
        """File that one process at a time holds."""
        return self.root / ".lock"

    @property
    def tracking(self) -> Path:
        """Folder of MLflow's record of trainings."""
        return self.root / "tracking"

    @property
    def trials(self) -> Path:
        """What the last search for settings has tried."""
        return self.root / "trials.parquet"

    def mock(self, name: str) -> Path:
        """Tree of a mock survey, named by the digest of its settings."""
        return self.root / "mock" / name

    def queue(self, version: str) -> Path:
        """Objects of a release to be reviewed next, as last ranked."""
        return self.root / "queue" / f"{version}.parquet"

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
            raise UserError(f"version {version!r} is not of the form X.Y.Z; try 0.1.0")
        return self.root / "releases" / version

    @property
    def releases(self) -> list[Path]:
        """Folders of the releases, the newest version last; what else lies beside them is none."""
        found = (path.parent for path in self.root.glob("releases/*/manifest.json"))
        releases = [path for path in found if _VERSION.fullmatch(path.name)]
        return sorted(releases, key=lambda path: [int(part) for part in path.name.split(".")])
