"""Rest-frame windows in memory, as training sees them."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import torch
from torch import Tensor

from catalog_schema.vocabulary import Parent, Split
from pipeline.errors import UserError
from pipeline.lake.store import Store, to_matrix

# Rows copied to a device at a time.
_ROWS_AT_ONCE = 8192


@dataclass(frozen=True)
class Windows:
    """Rest-frame windows in memory: flux, weight (n, m), start, split, targetid (n,)."""

    flux: Tensor
    weight: Tensor
    start: Tensor
    split: np.ndarray
    targetid: np.ndarray

    def take(self, rows: np.ndarray) -> "Windows":
        """Return the windows of a mask or of row numbers."""
        return Windows(*(getattr(self, field.name)[rows] for field in fields(self)))

    def part(self, split: Split) -> "Windows":
        """Return the windows of one split."""
        return self.take(self.split == split.value)

    def hold_on(self, device: torch.device) -> "Windows":
        """Return the windows in a device's memory: on a GPU as float16, so that all of DR1 fits."""
        if device.type == "cpu":
            return self
        largest = torch.finfo(torch.float16).max
        flux, weight = (
            torch.cat(
                [
                    rows.to(device).clamp(-largest, largest).half()
                    for rows in values.split(_ROWS_AT_ONCE)
                ]
            )
            for values in (self.flux, self.weight)
        )
        return replace(self, flux=flux, weight=weight, start=self.start.to(device))

    def look(self, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return flux, weight, both float32, and start of some rows, where they are held."""
        return self.flux[rows].float(), self.weight[rows].float(), self.start[rows]

    @property
    def n_bytes(self) -> int:
        """Bytes of the windows in memory."""
        return self.flux.nbytes + self.weight.nbytes

    def batches(self, size: int) -> Sequence[Tensor]:
        """Return the row numbers in order, in batches."""
        return torch.arange(len(self), device=self.start.device).split(size)

    def __len__(self) -> int:
        return len(self.start)


def load_windows(store: Store, paths: Sequence[Path]) -> Windows:
    """Read every rest-frame window of the core parent into memory, shards in order."""
    columns = ["TARGETID", "parent", "split", "window_start", "rest_flux", "rest_weight"]
    is_core = pc.field("parent") == Parent.CORE.value
    core = store.map(lambda path: store.read(path, columns).filter(is_core), paths)
    tables = [table for table in core if table.num_rows]
    if not tables:
        raise UserError(f"{store.root}: no rest-frame spectrum to train on; see `qad status`")
    flux, weight = (
        torch.from_numpy(np.concatenate([to_matrix(table[name]) for table in tables]))
        for name in ("rest_flux", "rest_weight")
    )
    start, split, targetid = (
        np.concatenate([table[name].to_numpy() for table in tables])
        for name in ("window_start", "split", "TARGETID")
    )
    starts = torch.from_numpy(start.astype(np.int64))
    return Windows(flux, weight, starts, split.astype(str), targetid)
