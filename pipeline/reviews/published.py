"""The objects of a release, against which reviews are checked."""

import json
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline.errors import UserError
from pipeline.lake.layout import Shard

COLUMNS = ("SURVEY", "PROGRAM", "HEALPIX", "TARGETID", "Z", "SPECTYPE")
CATALOGUE = Path("catalog") / "quasars.parquet"


class PublishedObject(NamedTuple):
    """The key of an object and what DESI says of it."""

    shard: Shard
    z: float
    spectype: str


class Published:
    """Version and sample of a release, and its objects.

    Parameters
    ----------
    version, sample : str
    rows : pyarrow.Table
        `COLUMNS` of the catalogue.
    """

    def __init__(self, version: str, sample: str, rows: pa.Table) -> None:
        self.version, self.sample, self._rows = version, sample, rows

    def __contains__(self, targetid: int) -> bool:
        return self._find_row(targetid) is not None

    def __len__(self) -> int:
        return int(self._rows.num_rows)

    def find(self, targetid: int) -> PublishedObject:
        """Return an object.

        Raises
        ------
        UserError
            If the release lacks it.
        """
        row = self._find_row(targetid)
        if row is None:
            raise UserError(
                f"TARGETID {targetid} is not in release {self.version}; only published objects "
                "can be reviewed"
            )
        [found] = self._rows.slice(row, 1).to_pylist()
        shard = Shard(found["SURVEY"], found["PROGRAM"], found["HEALPIX"])
        return PublishedObject(shard, found["Z"], found["SPECTYPE"] or "")

    def _find_row(self, targetid: int) -> int | None:
        ids, order = self._index
        # Beyond 64 bits NumPy would not compare integers.
        is_fit = -(2**63) <= targetid < 2**63
        place = int(np.searchsorted(ids, targetid)) if is_fit else len(ids)
        return int(order[place]) if place < len(ids) and ids[place] == targetid else None

    @cached_property
    def _index(self) -> tuple[NDArray[np.int64], NDArray[np.intp]]:
        targetid = self._rows["TARGETID"].to_numpy()
        order = np.argsort(targetid)
        return targetid[order], order


def read_published(folder: Path) -> Published:
    """Read the objects of a release.

    Raises
    ------
    UserError
        If the folder is no release, or one of before there were reviews.
    """
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        rows = pq.read_table(folder / CATALOGUE, columns=list(COLUMNS))
        return Published(manifest["version"], manifest["source"]["sample"], rows)
    except (OSError, ValueError, pa.ArrowInvalid) as error:
        raise UserError(
            f"{folder} is no readable release ({error}); give a folder below releases/"
        ) from None
    except KeyError as error:
        raise UserError(
            f"release {folder} does not state its {error}: an older version of qad made it; build "
            "another one"
        ) from None
