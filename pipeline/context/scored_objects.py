"""The scored objects and their positions, around which catalogues are searched."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from catalog_schema.tables import SCORES, TARGETS, TIERS
from catalog_schema.vocabulary import Tier
from catalog_schema.waist import ROW_KEY
from pipeline.errors import UserError
from pipeline.lake.align import align
from pipeline.lake.store import digest_rows
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

    @cached_property
    def content(self) -> str:
        """Digest of keys and positions."""
        return digest_rows(self._rows)

    @cached_property
    def graded_content(self) -> str:
        """Digest of keys, positions and which are graded."""
        return digest_rows(self._rows.append_column("is_graded", pa.array(self.is_graded)))

    @property
    def _rows(self) -> pa.Table:
        positions = {"ra": self.ra, "dec": self.dec}
        return pa.table({**{name: self.keys[name] for name in ROW_KEY}, **positions})


def read_objects(run: Run) -> Objects:
    """Return the scored objects with the positions of their targets.

    Raises
    ------
    DataError
        If the earlier stages have not run.
    UserError
        If nothing was scored.
    """
    tiers = run.read(TIERS.name, [*ROW_KEY, "tier"])
    shards = run.list_shards(SCORES.name)
    if not shards:
        raise UserError(
            f"{run.store.root}: no spectrum was scored; `qad status` says where they went"
        )
    columns = [*ROW_KEY, "TARGET_RA", "TARGET_DEC"]
    targets = pa.concat_tables(run.read_shards(TARGETS.name, shards, columns).values())
    tiers = tiers.sort_by([(name, "ascending") for name in ROW_KEY])
    placed = align(targets, tiers, what=TARGETS.name)
    ra, dec = (pc.fill_null(placed[f"TARGET_{name}"], np.nan).to_numpy() for name in ("RA", "DEC"))
    is_graded = pc.not_equal(tiers["tier"], Tier.NONE.value).to_numpy()
    return Objects(tiers.select(ROW_KEY).combine_chunks(), ra, dec, is_graded)
