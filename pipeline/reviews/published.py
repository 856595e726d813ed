"""The objects of a release, against which reviews are checked."""

import json
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import UserError
from pipeline.layout import Shard

_CATALOGUE = "catalog/quasars.parquet"


@dataclass(frozen=True)
class PublishedObject:
    """The key of an object and what DESI says of it."""

    shard: Shard
    z: float
    spectype: str


@dataclass(frozen=True)
class Published:
    """Version and sample of a release, and its objects by TARGETID."""

    version: str
    sample: str
    objects: dict[int, PublishedObject]

    def find(self, targetid: int) -> PublishedObject:
        """Return an object.

        Raises
        ------
        UserError
            If the release lacks it.
        """
        try:
            return self.objects[targetid]
        except KeyError:
            raise UserError(
                f"TARGETID {targetid} is not in release {self.version}; only published objects "
                "can be reviewed"
            ) from None


def read_published(folder: Path) -> Published:
    """Read the objects of a release.

    Raises
    ------
    UserError
        If the folder is no release, or one of before there were reviews.
    """
    names = ["SURVEY", "PROGRAM", "HEALPIX", "TARGETID", "Z", "SPECTYPE"]
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        rows = pq.read_table(folder / _CATALOGUE, columns=names)
        version, sample = manifest["version"], manifest["source"]["sample"]
    except (OSError, ValueError, pa.ArrowInvalid) as error:
        raise UserError(
            f"{folder} is no readable release ({error}); give a folder below releases/"
        ) from None
    except KeyError as error:
        raise UserError(
            f"release {folder} does not state its {error}: an older version of qad made it; build "
            "another one"
        ) from None
    columns = (rows[name].to_pylist() for name in names)
    objects = {
        targetid: PublishedObject(Shard(survey, program, healpix), z, spectype or "")
        for survey, program, healpix, targetid, z, spectype in zip(*columns, strict=True)
    }
    return Published(version, sample, objects)
