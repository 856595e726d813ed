"""Checkpoints: a state comes back whole, or is refused; the old one stays till the new is there."""

from pathlib import Path

import pytest
import torch
from bits import flip_bit

from pipeline.errors import UserError
from pipeline.spectra.model.checkpoint import load_checkpoint, read_checkpoint, save_checkpoint

STATE = {"epoch": 3, "weights": torch.arange(6.0).reshape(2, 3), "rates": [0.1, 0.2]}
CPU = torch.device("cpu")


def test_a_state_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "c.pt"
    save_checkpoint(path, STATE)
    save_checkpoint(path, {**STATE, "epoch": 4})
    found = load_checkpoint(path, CPU)
    assert (found["epoch"], found["rates"]) == (4, [0.1, 0.2])
    assert torch.equal(found["weights"], STATE["weights"])
    assert [file.name for file in tmp_path.iterdir()] == ["c.pt"]


def test_every_bit_counts_and_so_does_the_end(tmp_path: Path) -> None:
    path = tmp_path / "c.pt"
    save_checkpoint(path, STATE)
    whole = path.read_bytes()
    n_bits = 8 * len(whole)
    spoilt = [flip_bit(whole, bit) for bit in range(0, n_bits, n_bits // 40)]
    for content in (*spoilt, whole[:-1], whole[:20], b""[:0] + b"x", whole + b"x"):
        path.write_bytes(content)
        with pytest.raises(UserError, match="damaged; delete it and run again"):
            read_checkpoint(path)


def test_a_state_that_cannot_be_saved_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "c.pt"
    save_checkpoint(path, STATE)
    whole = path.read_bytes()
    with pytest.raises(Exception, match="pickle"):
        save_checkpoint(path, {"bad": lambda: None})
    assert path.read_bytes() == whole
