"""Every path of the project: DESI's tree, the lake below a data root, and the releases."""

import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pipeline.errors import DataError
from pipeline.lake.files import locate
from pipeline.names import check_name, check_version, is_version

if TYPE_CHECKING:
    from pipeline.transport.sources import Source, SourceFile

SPECPROD = "iron"
_FILE_NAME = re.compile(
    r"(?P<kind>\w+)-(?P<survey>\w+)-(?P<program>\w+)-(?P<healpix>\d{1,9})\.fits(\.gz)?",
    re.ASCII,
)
# Folder of the named reduction, below the folder or prefix that holds ``spectro/``.
REDUCTION = f"spectro/redux/{SPECPROD}"
_REMOTE = re.compile(r"^(s3|https?)://")
# A model's folder is whole when it has this file.
MODEL_CARD = "model.json"
# Tables beside it: the population of the scores, and the classifier.
MODEL_NULL, MODEL_NORMS, MODEL_TAXONOMY = "null.parquet", "norms.parquet", "taxonomy.parquet"


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

    def check(self) -> "Shard":
        """Return the shard; UserError if its names, which a catalogue gave, cannot be paths."""
        check_name(self.survey, "SURVEY")
        check_name(self.program, "PROGRAM")
        return self

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

    def find_redshift_catalogue(self) -> "SourceFile":
        """Name the redshift catalogue, or its gzipped variant where only that is there."""
        return self._find(self.redshift_catalogue)

    def file(self, kind: str, shard: Shard) -> "SourceFile":
        """Name a shard's file: coadd, redrock, qso_mgii or qso_qn."""
        survey, program, pixel = shard.check()
        folder = f"{REDUCTION}/healpix/{survey}/{program}/{pixel // 100}/{pixel}"
        return self.source.file(f"{folder}/{kind}-{shard}.fits")

    def find_file(self, kind: str, shard: Shard) -> "SourceFile":
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

    def _find(self, plain: "SourceFile") -> "SourceFile":
        packed = self.source.file(f"{plain.path}.gz")
        return packed if not plain.exists() and packed.exists() else plain


@dataclass(frozen=True)
class Lake:
    """Paths of a data root: datasets and models, which may be in a bucket, and the local rest.

    Every path lies below the root or the bucket's prefix: UserError if a name would lead elsewhere.
    """

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

    @property
    def datasets(self) -> Path:
        """Folder of all datasets."""
        return self.home / "lake"

    def dataset(self, name: str) -> Path:
        """Folder of a dataset."""
        return self.datasets / check_name(name, "dataset")

    def table(self, name: str) -> Path:
        """File of a global dataset."""
        return self.dataset(name) / f"{name}.parquet"

    def shard(self, name: str, shard: Shard) -> Path:
        """File of one shard of a sharded dataset."""
        survey, program, pixel = shard.check()
        return self.dataset(name) / survey / program / f"{pixel:d}.parquet"

    def index(self, shard: Shard) -> Path:
        """File that says where the HDUs of a shard's coadd lie."""
        survey, program, pixel = shard.check()
        return self.dataset("index") / survey / program / f"{pixel:d}.json"

    def catalogue(self, name: str, catalogue: str) -> Path:
        """File of one external catalogue in a dataset that has one for each."""
        return self.dataset(name) / f"{check_name(catalogue, 'catalogue')}.parquet"

    def source_index(self, catalogue: str, content: str) -> Path:
        """Index of a local copy of an external catalogue, by its content."""
        name = f"{check_name(catalogue, 'catalogue')}-{check_name(content, 'content')}.parquet"
        return self.root / "cache" / "catalogues" / name

    @property
    def service_cache(self) -> Path:
        """Folder of what services have answered."""
        return self.root / "cache" / "services"

    @property
    def models(self) -> Path:
        """Folder of all models."""
        return self.home / "models"

    def model(self, model_id: str) -> Path:
        """Folder of a trained model."""
        return self.models / check_name(model_id, "model")

    def checkpoint(self, model_id: str) -> Path:
        """File from which an interrupted training resumes."""
        return self.models / f".{check_name(model_id, 'model')}.checkpoint"

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
        return self.root / "mock" / check_name(name, "mock survey")

    def queue(self, version: str) -> Path:
        """Objects of a release to be reviewed next, as last ranked."""
        return self.root / "queue" / f"{check_version(version)}.parquet"

    @property
    def config(self) -> Path:
        """Resolved configuration of the last run."""
        return self.root / "config.json"

    def applied(self, name: str) -> Path:
        """Data root of foreign spectra scored with a finished model."""
        return self.root / "applied" / check_name(name, "data root")

    def release(self, version: str) -> Path:
        """Folder of a release.

        Raises
        ------
        UserError
            If the version is not of the form X.Y.Z.
        """
        return self.root / "releases" / check_version(version)

    @property
    def releases(self) -> list[Path]:
        """Folders of the releases, the newest version last; what else lies beside them is none."""
        found = (path.parent for path in self.root.glob("releases/*/manifest.json"))
        releases = [path for path in found if is_version(path.name)]
        return sorted(releases, key=lambda path: [int(part) for part in path.name.split(".")])
