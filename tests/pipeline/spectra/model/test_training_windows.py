"""Windows in memory: rows keep together, batches leave none out."""

from dataclasses import fields

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from catalog_schema.vocabulary import Split
from pipeline.errors import UserError
from pipeline.lake.store import Store
from pipeline.spectra.model.training_windows import Windows, load_windows

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
    batches = make(n).batches(size)
    assert torch.cat(list(batches)).tolist() == list(range(n))
    assert all(len(batch) == size for batch in batches[:-1])
    assert 0 < len(batches[-1]) <= size


@given(n=SIZES, size=st.integers(1, 9))
def test_a_look_is_of_the_rows_in_single_precision(n: int, size: int) -> None:
    windows = make(n)
    halved = Windows(
        windows.flux.half(), windows.weight.half(), windows.start, windows.split, windows.targetid
    )
    for rows in windows.batches(size):
        for flux, weight, start in (windows.look(rows), halved.look(rows)):
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


def test_nothing_to_train_on_is_one_line(store: Store) -> None:
    with pytest.raises(UserError, match="no rest-frame spectrum to train on"):
        load_windows(store, [])
