"""Rest-frame windows as training sees them: in memory, or of a large survey in a scratch file."""

import os
import shutil
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from itertools import chain, pairwise
from pathlib import Path
from typing import IO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from numpy.typing import NDArray
from torch import Tensor

from catalog_schema.vocabulary import Parent, Split
from pipeline.errors import UserError
from pipeline.lake.files import guard_root
from pipeline.lake.store import Store, to_matrix

# Rows copied to a device, or read from the scratch file and mixed, at a time.
_ROWS_AT_ONCE = 8192
# Rows that stay together in the scratch file, some MB of it: read one by one from anywhere they
# would take a disk longer than the network takes to learn from them.
_BLOCK_ROWS = 64
# So few unwanted rows between wanted ones are read with them.
_GAP_ROWS = 8
# Wanted rows of one reading.
_RUN_ROWS = 512
_FILES_AT_ONCE = 32
_HALF_MAX = torch.finfo(torch.float16).max
# In memory: all windows, those of one split, and of these what one member learns from.
_COPIES = 3
_KEYS = ("TARGETID", "split", "window_start")
_PIXELS = ("rest_flux", "rest_weight")

Look = tuple[Tensor, Tensor, Tensor]


class WindowSet(ABC):
    """Rest-frame windows, wherever their pixels lie.

    Attributes
    ----------
    start : Tensor of int64, shape (n,)
    split, targetid : ndarray, shape (n,)
    """

    start: Tensor
    split: NDArray
    targetid: NDArray

    @abstractmethod
    def take(self, rows: NDArray) -> "WindowSet":
        """Return the windows of a mask or of row numbers."""

    @abstractmethod
    def hold_on(self, device: torch.device) -> "WindowSet":
        """Return the windows in a device's memory: on a GPU as float16, so that all of DR1 fits."""

    @abstractmethod
    def look(self, rows: Tensor) -> Look:
        """Return flux, weight, both float32, and start of some rows, where they are held."""

    @abstractmethod
    def draw_order(self, generator: torch.Generator) -> Tensor:
        """Return all row numbers in a random order, shape (n,)."""

    @abstractmethod
    def read_batches(self, order: Tensor, size: int) -> Iterator[tuple[Tensor, Look]]:
        """Yield row numbers of an order in batches, each with what `look` returns of them."""

    @property
    @abstractmethod
    def n_bytes(self) -> int:
        """Bytes of pixels in memory."""

    @property
    def order(self) -> Tensor:
        """The row numbers in order, shape (n,)."""
        return torch.arange(len(self), device=self.start.device)

    def part(self, split: Split) -> "WindowSet":
        """Return the windows of one split."""
        return self.take(self.split == split.value)

    def __len__(self) -> int:
        return len(self.start)


@dataclass(frozen=True)
class Windows(WindowSet):
    """Rest-frame windows in memory: flux, weight (n, m), start, split, targetid (n,)."""

    flux: Tensor
    weight: Tensor
    start: Tensor
    split: NDArray
    targetid: NDArray

    def take(self, rows: NDArray) -> "Windows":
        """Return the windows of a mask or of row numbers."""
        return Windows(*(getattr(self, field.name)[rows] for field in fields(self)))

    def hold_on(self, device: torch.device) -> "Windows":
        """Return the windows in a device's memory: on a GPU as float16, so that all of DR1 fits."""
        return self if device.type == "cpu" else _hold_halved(self, device)

    def look(self, rows: Tensor) -> Look:
        """Return flux, weight, both float32, and start of some rows, where they are held."""
        return self.flux[rows].float(), self.weight[rows].float(), self.start[rows]

    def draw_order(self, generator: torch.Generator) -> Tensor:
        """Return all row numbers in a random order, shape (n,)."""
        return torch.randperm(len(self), generator=generator).to(self.start.device)

    def read_batches(self, order: Tensor, size: int) -> Iterator[tuple[Tensor, Look]]:
        """Yield row numbers of an order in batches, each with what `look` returns of them."""
        for rows in order.split(size):
            yield rows, self.look(rows)

    @property
    def n_bytes(self) -> int:
        """Bytes of the windows in memory."""
        return self.flux.nbytes + self.weight.nbytes


@dataclass(frozen=True)
class ScratchWindows(WindowSet):
    """Rest-frame windows whose pixels lie in a scratch file, as float16.

    Attributes
    ----------
    file : file object
        Flux and weight of one window after the other.
    n_pixels : int
        Of a window.
    place : ndarray of int64, shape (n,)
        Which windows of the file these are.
    start : Tensor of int64, shape (n,)
    split, targetid : ndarray, shape (n,)
    """

    file: IO[bytes]
    n_pixels: int
    place: NDArray[np.int64]
    start: Tensor
    split: NDArray
    targetid: NDArray

    def take(self, rows: NDArray) -> "ScratchWindows":
        """Return the windows of a mask or of row numbers; no pixel is read."""
        return replace(
            self,
            place=self.place[rows],
            start=self.start[rows],
            split=self.split[rows],
            targetid=self.targetid[rows],
        )

    def hold_on(self, device: torch.device) -> WindowSet:
        """Return the windows in a device's memory: on a GPU as float16, so that all of DR1 fits."""
        return self if device.type == "cpu" else _hold_halved(self, device)

    def look(self, rows: Tensor) -> Look:
        """Return flux, weight, both float32, and start of some rows, read from the file."""
        _, look = next(self.read_batches(rows, max(len(rows), 1)))
        return look

    def draw_order(self, generator: torch.Generator) -> Tensor:
        """Return all row numbers in a random order, shape (n,).

        Blocks that lie together in the file are drawn, and the rows of as many as are read at a
        time are mixed: a batch has rows of up to 128 places of the survey.
        """
        blocks = self.order.split(_BLOCK_ROWS)
        drawn = torch.cat([blocks[k] for k in torch.randperm(len(blocks), generator=generator)])
        return torch.cat(
            [
                rows[torch.randperm(len(rows), generator=generator)]
                for rows in drawn.split(_ROWS_AT_ONCE)
            ]
        )

    def read_batches(self, order: Tensor, size: int) -> Iterator[tuple[Tensor, Look]]:
        """Yield row numbers of an order in batches, each with what `look` returns of them."""
        for rows in order.split(max(_ROWS_AT_ONCE // size, 1) * size):
            place = self.place[rows.numpy()]
            by_place = np.argsort(place, kind="stable")
            pixels = torch.from_numpy(self._read(place[by_place]))
            where = torch.empty(len(rows), dtype=torch.int64)
            where[torch.from_numpy(by_place)] = torch.arange(len(rows))
            for batch, own in zip(rows.split(size), where.split(size), strict=True):
                flux, weight = pixels[own].float().unbind(1)
                yield batch, (flux, weight, self.start[batch])

    @property
    def n_bytes(self) -> int:
        """Bytes of pixels in memory: those mixed at a time."""
        return min(len(self), _ROWS_AT_ONCE) * self._row_bytes

    @property
    def _row_bytes(self) -> int:
        return 2 * self.n_pixels * np.dtype(np.float16).itemsize

    def _read(self, place: NDArray[np.int64]) -> NDArray[np.float16]:
        """Return the pixels of windows in the file's order, shape (k, 2, m)."""
        found = np.empty((len(place), 2, self.n_pixels), np.float16)
        is_full = np.arange(1, len(place)) % _RUN_ROWS == 0
        breaks = np.flatnonzero((np.diff(place) > _GAP_ROWS) | is_full) + 1
        edges = [0, *breaks.tolist(), len(place)]
        for first, last in pairwise(edges):
            if first == last:
                continue
            whole = np.empty((place[last - 1] - place[first] + 1, 2, self.n_pixels), np.float16)
            _fill(whole, self.file, int(place[first]) * self._row_bytes)
            found[first:last] = whole[place[first:last] - place[first]]
        return found


def needs_scratch(n_rows: int, n_pixels: int, memory_limit: float) -> bool:
    """Say whether windows do not fit into a number of GiB, with the copies that training makes."""
    return _COPIES * 2 * 4 * n_rows * n_pixels > memory_limit * 2**30


@contextmanager
def open_windows(store: Store, paths: Sequence[Path], *, on_scratch: bool) -> Iterator[WindowSet]:
    """Read every rest-frame window of the core parent, shards in order.

    Parameters
    ----------
    store : Store
    paths : sequence of Path
        Files of `restframe`.
    on_scratch : bool
        Whether the pixels go to a file below the data root, a few shards at a time, instead of into
        memory. It has no name: it is gone with the block, or with the process, however that ends.

    Raises
    ------
    UserError
        If there is no window, or the scratch file has no space.
    """
    keys = pa.concat_tables([table.select(_KEYS) for table in _read_core(store, paths, _KEYS)])
    tables = _read_core(store, paths, _PIXELS)
    first = next(tables)
    n_pixels = first["rest_flux"].type.list_size
    start = torch.from_numpy(keys["window_start"].to_numpy().astype(np.int64))
    split, targetid = keys["split"].to_numpy().astype(str), keys["TARGETID"].to_numpy()
    pixels = (
        [torch.from_numpy(to_matrix(table[name])) for name in _PIXELS]
        for table in chain([first], tables)
    )
    if not on_scratch:
        flux, weight = _gather(pixels, len(start), n_pixels)
        yield Windows(flux, weight, start, split, targetid)
        return
    folder = store.root if store.root.is_dir() else Path(tempfile.gettempdir())
    with _open_scratch(folder) as file:
        with guard_root(folder):
            _require_space(folder, 2 * 2 * n_pixels * len(start))
            for both in pixels:
                file.write(torch.stack([_halve(values) for values in both], 1).numpy().tobytes())
            file.flush()
        yield ScratchWindows(file, n_pixels, np.arange(len(start)), start, split, targetid)


def _open_scratch(folder: Path) -> IO[bytes]:
    with guard_root(folder):
        return tempfile.TemporaryFile(dir=folder)


def _read_core(store: Store, paths: Sequence[Path], columns: Sequence[str]) -> Iterator[pa.Table]:
    """Yield the rows of the core parent, shard by shard, where there are any."""
    is_core = pc.field("parent") == Parent.CORE.value
    is_empty = True
    for first in range(0, len(paths), _FILES_AT_ONCE):
        some = paths[first : first + _FILES_AT_ONCE]
        for table in store.map(lambda path: store.read(path, ["parent", *columns]), some):
            core = table.filter(is_core)
            if core.num_rows:
                is_empty = False
                yield core
    if is_empty:
        raise UserError(f"{store.root}: no rest-frame spectrum to train on; see `qad status`")


def _gather(pixels: Iterator[Sequence[Tensor]], n: int, n_pixels: int) -> tuple[Tensor, Tensor]:
    """Join flux and weight of the shards; beside the whole there is one shard at a time."""
    flux, weight = torch.empty(2, n, n_pixels).unbind(0)
    done = 0
    for of_flux, of_weight in pixels:
        rows = slice(done, done := done + len(of_flux))
        flux[rows], weight[rows] = of_flux, of_weight
    return flux, weight


def _hold_halved(windows: WindowSet, device: torch.device) -> Windows:
    """Return windows in a device's memory as float16; beside the whole there are a few rows."""
    n, n_pixels = len(windows), windows.look(windows.order[:1])[0].shape[1]
    flux, weight = (torch.empty(n, n_pixels, dtype=torch.float16, device=device) for _ in range(2))
    for rows, look in windows.read_batches(windows.order, _ROWS_AT_ONCE):
        own = slice(int(rows[0]), int(rows[-1]) + 1)
        flux[own], weight[own] = (_halve(values.to(device)) for values in look[:2])
    return Windows(flux, weight, windows.start.to(device), windows.split, windows.targetid)


def _halve(values: Tensor) -> Tensor:
    return values.clamp(-_HALF_MAX, _HALF_MAX).half()


def _require_space(folder: Path, n_bytes: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < n_bytes:
        raise UserError(
            f"{folder}: training needs {n_bytes / 2**30:.1f} GiB of scratch space, and "
            f"{free / 2**30:.1f} GiB are free; free some, or raise train.memory_limit"
        )


def _fill(values: NDArray, file: IO[bytes], offset: int) -> None:
    """Read an array from a place in a file; one call need not return all of it."""
    left = values.reshape(-1).view(np.uint8).data
    while left:
        n_read = os.preadv(file.fileno(), [left], offset)
        if not n_read:
            raise OSError("the scratch file of training ended early")
        left, offset = left[n_read:], offset + n_read
