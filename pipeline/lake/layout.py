"""Every path of the project's own: the lake below a data root, and the releases."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from pipeline.lake.files import locate
from pipeline.names import check_name, check_version, is_version

_REMOTE = re.compile(r"^(s3|https?)://")
# A model's folder is whole when it has this file.
MODEL_CARD = "model.json"
# Tables beside it: the population of the scores, the classifier, and how its members were observed.
MODEL_NULL, MODEL_NORMS, MODEL_TAXONOMY = "null.parquet", "norms.parquet", "taxonomy.parquet"
MODEL_TRAITS = "traits.parquet"


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
