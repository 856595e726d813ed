"""The objects of a release, against which reviews are checked."""

import json
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from catalog_schema.kinds import find_kind
from catalog_schema.waist import ROW_KEY
from pipeline.errors import UserError
from pipeline.lake.layout import Shard

# What a person is shown or asked of an object, where the list has it.
_SHOWN = ("Z", "SPECTYPE")


class PublishedObject(NamedTuple):
    """The key of an object and what is said of it, as far as its kind of data has it."""

    shard: Shard
    z: float | None
    spectype: str


class Published:
    """Version and sample of a release, and its objects.

    Parameters
    ----------
    version, sample, kind : str
        `kind` is the kind of data.
    rows : pyarrow.Table
        Keys of the catalogue, with `_SHOWN` where it has them.
    """

    def __init__(self, version: str, sample: str, kind: str, rows: pa.Table) -> None:
        self.version, self.sample, self.kind, self._rows = version, sample, kind, rows

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
        return PublishedObject(shard, found.get("Z"), found.get("SPECTYPE") or "")

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
        kind = find_kind(manifest)
        file = folder / kind.main_file
        known = [name for name in _SHOWN if name in pq.read_schema(file).names]
        rows = pq.read_table(file, columns=[*ROW_KEY, *known])
        sample = manifest["source"]["sample"]
        return Published(manifest["version"], sample, kind.name, rows)
    except (OSError, ValueError, pa.ArrowInvalid) as error:
        raise UserError(
            f"{folder} is no readable release ({error}); give a folder below releases/"
        ) from None
    except KeyError as error:
        raise UserError(
            f"release {folder} does not state its {error}: an older version of qad made it; build "
            "another one"
        ) from None
