"""Windows in memory and on scratch: rows keep together, batches leave none out, nothing is left."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from lake_runs import finished_shards

from catalog_schema.vocabulary import Split
from pipeline.errors import UserError
from pipeline.lake.store import Store
from pipeline.spectra.model import training_windows
from pipeline.spectra.model.training_windows import (
    ScratchWindows,
    Windows,
    WindowSet,
    needs_scratch,
    open_windows,
)

SIZES = st.integers(1, 30)


def make(n: int, seed: int = 0) -> Windows:
    """Return windows each of whose values tell their row."""
    rng = np.random.default_rng(seed)
    row = torch.arange(n)
    flux = row[:, None] + torch.zeros(n, 4)
    return Windows(flux, flux + 100, row * 10, rng.choice(Split.values(), n), row.numpy() + 1000)


def list_rows(windows: Windows) -> list[int]:
    """Return which rows these were, after a check that their parts belong together."""
    row = windows.flux[:, 0].long()
    assert (windows.flux == row[:, None]).all()
    assert (windows.weight == row[:, None] + 100).all()
    assert (windows.start == row * 10).all()
    assert (windows.targetid == row.numpy() + 1000).all()
    return row.tolist()


@given(n=SIZES, seed=st.integers(0, 99))
def test_a_choice_of_rows_keeps_their_parts_together(n: int, seed: int) -> None:
    windows = make(n, seed)
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, n, rng.integers(0, 9))
    assert list_rows(windows.take(rows)) == rows.tolist()
    mask = rng.random(n) < 0.5
    assert list_rows(windows.take(mask)) == np.flatnonzero(mask).tolist()
    parts = [list_rows(windows.part(split)) for split in Split]
    assert sorted(row for part in parts for row in part) == list(range(n))
    for split in Split:
        assert set(windows.part(split).split) <= {split.value}


@given(n=SIZES, size=st.integers(1, 9))
def test_batches_are_all_rows_in_order(n: int, size: int) -> None:
    windows = make(n)
    batches = [rows for rows, _ in windows.read_batches(windows.order, size)]
    assert torch.cat(batches).tolist() == list(range(n))
    assert all(len(batch) == size for batch in batches[:-1])
    assert 0 < len(batches[-1]) <= size


@given(n=SIZES, size=st.integers(1, 9))
def test_a_look_is_of_the_rows_in_single_precision(n: int, size: int) -> None:
    windows = make(n)
    halved = Windows(
        windows.flux.half(), windows.weight.half(), windows.start, windows.split, windows.targetid
    )
    for rows, look in windows.read_batches(windows.order, size):
        for flux, weight, start in (look, windows.look(rows), halved.look(rows)):
            assert flux.dtype == weight.dtype == torch.float32
            assert flux[:, 0].tolist() == rows.tolist()
            assert (weight - flux == 100).all()
            assert start.tolist() == (10 * rows).tolist()


def test_on_the_processor_nothing_is_copied_and_bytes_are_those_of_the_spectra() -> None:
    windows = make(5)
    assert windows.hold_on(torch.device("cpu")) is windows
    assert windows.n_bytes == 2 * 5 * 4 * 4
    assert len(windows) == 5
    assert {field.name for field in fields(windows)} == set(vars(windows))


def test_on_another_device_they_are_held_in_half_precision() -> None:
    windows = make(3)
    held = windows.hold_on(torch.device("meta"))
    assert (held.flux.dtype, held.weight.dtype) == (torch.float16, torch.float16)
    assert held.n_bytes * 2 == windows.n_bytes
    assert {part.device.type for part in (held.flux, held.weight, held.start)} == {"meta"}
    assert held.targetid is windows.targetid


@pytest.mark.parametrize("on_scratch", [False, True])
def test_nothing_to_train_on_is_one_line(store: Store, on_scratch: bool) -> None:
    with (
        pytest.raises(UserError, match="no rest-frame spectrum to train on"),
        open_windows(store, [], on_scratch=on_scratch),
    ):
        pass


class Pair(NamedTuple):
    """The same windows in memory and on scratch."""

    held: WindowSet
    on_scratch: WindowSet


@contextmanager
def open_both(store: Store) -> Iterator[Pair]:
    paths = [store.lake.shard("restframe", s) for s in finished_shards(store, "preprocess")]
    with (
        open_windows(store, paths, on_scratch=False) as held,
        open_windows(store, paths, on_scratch=True) as on_scratch,
    ):
        yield Pair(held, on_scratch)


@pytest.fixture
def pair(finished: Store) -> Iterator[Pair]:
    with open_both(finished) as both:
        yield both


def assert_alike(one: tuple, two: tuple) -> None:
    """Compare what two looks see: start exactly, pixels as float16 keeps them."""
    assert torch.equal(one[2], two[2])
    for ours, theirs in zip(one[:2], two[:2], strict=True):
        assert ours.dtype == theirs.dtype == torch.float32
        assert torch.equal(ours.clamp(-65504, 65504).half().float(), theirs)


def test_a_file_holds_what_memory_holds_as_float16(pair: Pair) -> None:
    held, scratch = pair
    assert len(held) == len(scratch) > 40
    assert (held.targetid == scratch.targetid).all()
    assert (held.split == scratch.split).all()
    assert_alike(held.look(held.order), scratch.look(scratch.order))
    for split in Split:
        one, two = held.part(split), scratch.part(split)
        assert (one.targetid == two.targetid).all()
        assert_alike(one.look(one.order), two.look(two.order))


@pytest.mark.parametrize("size", [1, 7, 64, 10_000])
def test_batches_from_a_file_are_those_asked_for(
    pair: Pair, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In any order, of a part, some rows at a time, over gaps that are read and that are not."""
    monkeypatch.setattr(training_windows, "_ROWS_AT_ONCE", 16)
    monkeypatch.setattr(training_windows, "_GAP_ROWS", 2)
    monkeypatch.setattr(training_windows, "_RUN_ROWS", 3)
    some = np.random.default_rng(0).random(len(pair.held)) < 0.4
    held, scratch = (windows.take(some) for windows in pair)
    order = torch.randperm(len(held), generator=torch.Generator().manual_seed(1))
    seen = []
    for rows, look in scratch.read_batches(order, size):
        assert_alike(held.look(rows), look)
        seen.append(rows)
    assert torch.equal(torch.cat(seen), order)
    assert {len(rows) for rows in seen[:-1]} <= {size}


def make_scratch(n: int) -> ScratchWindows:
    """Return windows whose pixels nobody reads."""
    nothing = np.zeros(n)
    return ScratchWindows(None, 4, np.arange(n), torch.zeros(n, dtype=int), nothing, nothing)  # type: ignore[arg-type]


@given(n=SIZES, seed=st.integers(0, 99))
def test_orders_have_every_row_once_and_follow_the_seed(n: int, seed: int) -> None:
    for windows in (make(n), make_scratch(n)):
        one, two = (windows.draw_order(torch.Generator().manual_seed(seed)) for _ in range(2))
        assert torch.equal(one, two)
        assert sorted(one.tolist()) == list(range(n))


def test_in_memory_the_order_is_a_plain_permutation() -> None:
    generators = [torch.Generator().manual_seed(4) for _ in range(2)]
    expected = torch.randperm(30, generator=generators[0])
    assert torch.equal(make(30).draw_order(generators[1]), expected)


def test_order_on_scratch_mixes_places_but_reads_blocks() -> None:
    n, at_once, block = 40_000, training_windows._ROWS_AT_ONCE, training_windows._BLOCK_ROWS
    order = make_scratch(n).draw_order(torch.Generator().manual_seed(0))
    for rows in order.split(at_once)[:-1]:
        # What is read at a time are whole blocks, but for those cut at its ends.
        places, counts = np.unique(rows.numpy() // block, return_counts=True)
        assert len(places) <= at_once // block + 2
        assert np.count_nonzero(counts != block) <= 3
        # A batch has rows from all over what was read.
        assert len(np.unique(rows[:64].numpy() // block)) > 40


def count_files(root: Path) -> int:
    return sum(path.is_file() for path in root.rglob("*"))


@pytest.mark.parametrize("error", [None, RuntimeError, KeyboardInterrupt])
def test_nothing_is_left_of_the_scratch_file(
    finished: Store, error: type[BaseException] | None
) -> None:
    n_files = count_files(finished.root)
    try:
        with open_both(finished) as (_, scratch):
            assert count_files(finished.root) == n_files
            descriptor = scratch.file.fileno()
            assert os.fstat(descriptor).st_nlink == 0
            assert os.fstat(descriptor).st_size == len(scratch) * 2 * 2 * scratch.n_pixels
            if error:
                raise error
    except (RuntimeError, KeyboardInterrupt):
        pass
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)
    assert count_files(finished.root) == n_files


def test_too_little_space_is_one_line_before_anything_is_written(
    finished: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(finished.root)._replace(free=1000)
    monkeypatch.setattr(training_windows.shutil, "disk_usage", lambda _: usage)
    with (
        pytest.raises(UserError, match=r"GiB of scratch space, and 0\.0 GiB are free") as caught,
        open_both(finished),
    ):
        pass
    assert "\n" not in str(caught.value)
    assert str(finished.root) in str(caught.value)


def test_an_error_of_the_disk_while_training_is_not_the_scratch_file_s(finished: Store) -> None:
    with pytest.raises(PermissionError, match="elsewhere"), open_both(finished):
        raise PermissionError(13, "elsewhere")


def test_memory_is_counted_with_the_copies() -> None:
    n_bytes = 3 * 8 * 1000 * 512
    limit = n_bytes / 2**30
    assert not needs_scratch(1000, 512, limit)
    assert needs_scratch(1001, 512, limit)


def test_on_another_device_a_file_is_held_in_half_precision(pair: Pair) -> None:
    held = pair.on_scratch.hold_on(torch.device("meta"))
    assert isinstance(held, Windows)
    assert held.flux.dtype == held.weight.dtype == torch.float16
    assert held.flux.shape == (len(pair.held), pair.held.flux.shape[1])
    assert pair.on_scratch.hold_on(torch.device("cpu")) is pair.on_scratch
