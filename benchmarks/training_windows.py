"""Measures what an epoch costs that reads its windows from the scratch file of a large survey.

Usage: python benchmarks/training_windows.py [--windows 60000] [--root FOLDER]

Windows of a survey's size in the file (below --root) and the same in memory; batches of
``train.batch_size`` in a drawn order, and nothing learnt from them. Prints microseconds per window
by the clock, with the file dropped from the page cache before, of our shuffled blocks; of a plain
permutation, window by window; of memory. And how much memory the pass took.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np
import torch
from side_by_side import read_peak

from pipeline.config import Config
from pipeline.spectra.grids import make_run_grid
from pipeline.spectra.model.training_windows import ScratchWindows, Windows, WindowSet

_WRITTEN_ROWS = 256


def write_scratch(file: IO[bytes], n: int) -> ScratchWindows:
    """Return windows of noise in a file."""
    rng = np.random.default_rng(0)
    n_pixels = make_run_grid(Config()).window
    values = rng.standard_normal((_WRITTEN_ROWS, 2, n_pixels)).astype(np.float16)
    for first in range(0, n, _WRITTEN_ROWS):
        file.write(values[: n - first].tobytes())
    file.flush()
    os.fsync(file.fileno())
    start, nothing = torch.zeros(n, dtype=torch.int64), np.zeros(n)
    return ScratchWindows(file, n_pixels, np.arange(n), start, nothing, nothing)


def read_one_by_one(windows: ScratchWindows, order: torch.Tensor, size: int) -> Iterator[object]:
    """Yield batches of an order, each row read by itself."""
    for rows in order.split(size):
        yield [windows.look(row[None]) for row in rows]


def time_pass(windows: WindowSet, size: int, *, is_plain: bool = False) -> float:
    """Return the wall seconds of a pass; a file is read from the disk."""
    generator = torch.Generator().manual_seed(0)
    if isinstance(windows, ScratchWindows):
        os.posix_fadvise(windows.file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    begin = time.perf_counter()
    if is_plain and isinstance(windows, ScratchWindows):
        order = torch.randperm(len(windows), generator=generator)
        batches: Iterator[object] = read_one_by_one(windows, order, size)
    else:
        batches = windows.read_batches(windows.draw_order(generator), size)
    for _ in batches:
        pass
    return time.perf_counter() - begin


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--windows", type=int, default=60_000)
    parser.add_argument("--root", type=Path)
    options = parser.parse_args()
    n, size = options.windows, Config().train.batch_size
    with tempfile.TemporaryFile(dir=options.root) as file:
        scratch = write_scratch(file, n)
        before = read_peak()
        seconds = {"shuffled blocks": time_pass(scratch, size)}
        taken = read_peak() - before
        seconds["plain permutation"] = time_pass(scratch, size, is_plain=True)
        flux, weight, start = scratch.look(scratch.order)
        held = Windows(flux, weight, start, scratch.split, scratch.targetid)
        seconds["in memory"] = time_pass(held, size)
    n_bytes = 4 * n * scratch.n_pixels
    print(
        f"{n:,} windows of {scratch.n_pixels} pixels, {n_bytes / 1e9:.2f} GB; {taken:.0f} MB taken"
    )
    for name, total in seconds.items():
        micros, speed = 1e6 * total / n, n_bytes / total / 1e6
        ratio = total / seconds["shuffled blocks"]
        print(f"{name:18}{micros:8.0f} us/window{speed:8.0f} MB/s{ratio:7.2f}")


if __name__ == "__main__":
    main()
