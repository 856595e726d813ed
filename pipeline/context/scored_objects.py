"""The scored objects and their positions, around which catalogues are searched."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from catalog_schema.vocabulary import Tier
from catalog_schema.waist import ROW_KEY
from pipeline.errors import UserError
from pipeline.lake.align import align
from pipeline.lake.layout import Shard
from pipeline.lake.store import digest, digest_rows
from pipeline.run import Run


@dataclass(frozen=True)
class Objects:
    """The scored objects: key columns, position in degrees (n,), and which are graded."""

    keys: pa.Table
    ra: NDArray[np.float64]
    dec: NDArray[np.float64]
    is_graded: NDArray[np.bool_]

    @property
    def has_position(self) -> NDArray[np.bool_]:
        """Which objects have a position, shape (n,)."""
        return np.isfinite(self.ra) & np.isfinite(self.dec)


class ScoredObjects:
    """The scored objects of a run; their positions, a file for each shard, are read when needed.

    Parameters
    ----------
    run : Run

    Raises
    ------
    DataError
        If the earlier stages have not run.
    UserError
        If nothing was scored.
    """

    def __init__(self, run: Run) -> None:
        self._run, self._shards = run, run.list_shards("scores")
        tiers = run.read("tiers", [*ROW_KEY, "tier"])
        if not self._shards:
            raise UserError(
                f"{run.store.root}: nothing was scored; `qad status` says where they went"
            )
        self._tiers = tiers.sort_by([(name, "ascending") for name in ROW_KEY]).combine_chunks()
        self._is_graded = pc.not_equal(self._tiers["tier"], Tier.NONE.value)

    def __len__(self) -> int:
        return int(self._tiers.num_rows)

    @cached_property
    def content(self) -> str:
        """Digest of keys and of the targets, whose positions are looked at."""
        return digest(digest_rows(self._tiers.select(ROW_KEY)), self._run.find_content("targets"))

    @cached_property
    def graded_content(self) -> str:
        """The same, and which are graded."""
        return digest(self.content, digest_rows(pa.table({"is_graded": self._is_graded})))

    @cached_property
    def objects(self) -> Objects:
        """The objects themselves."""
        return _read_objects(self._run, self._shards, self._tiers, self._is_graded)


def _read_objects(
    run: Run, shards: list[Shard], tiers: pa.Table, is_graded: pa.ChunkedArray
) -> Objects:
    """Return the scored objects with the positions of their targets."""
    columns = [*ROW_KEY, "TARGET_RA", "TARGET_DEC"]
    targets = pa.concat_tables(run.read_shards("targets", shards, columns).values())
    placed = align(targets, tiers, what="targets")
    ra, dec = (pc.fill_null(placed[f"TARGET_{name}"], np.nan).to_numpy() for name in ("RA", "DEC"))
    return Objects(tiers.select(ROW_KEY), ra, dec, is_graded.to_numpy())
