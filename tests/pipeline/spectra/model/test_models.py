"""Models on disk: whole, or one line that says which folder."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from lake_runs import find_model_id
from safetensors.torch import save_file

from pipeline.config import Config
from pipeline.errors import UserError
from pipeline.flow.apply import find_model
from pipeline.lake.layout import Lake
from pipeline.lake.model_files import read_card
from pipeline.lake.store import Store
from pipeline.science.draw import assign_folds
from pipeline.spectra.model import models
from pipeline.spectra.model.models import TrainingRecord, load_model
from pipeline.spectra.science.anomaly import EXCESS_BIN

# Of the two members that the tests train.
WEIGHTS = [models.WEIGHTS.format(k) for k in range(2)]


@pytest.fixture
def folder(lake: Store, config: Config) -> Path:
    return lake.lake.model(find_model_id(lake, config))


def test_model_is_whole(folder: Path, config: Config) -> None:
    model = load_model(folder)
    card = read_card(folder)
    assert model.model_id == card["id"] == folder.name
    assert [len(members) for members in model.ensembles] == [config.train.folds] * 2
    assert len(card["training"]) == 2 * config.train.folds
    assert len(model.excess) * EXCESS_BIN == model.grid.size
    assert (model.excess >= 0).all()
    every = [member for members in model.ensembles for member in members]
    for member, n_training in zip(every, card["n_training"], strict=True):
        assert member.network.shape.latent == config.train.latent
        assert model.grid.size == member.network.shape.grid == len(member.is_learnt)
        assert not member.network.training
        assert member.latents.shape == (n_training, config.train.latent)
    assert card["settings"]["preprocess"] == config.preprocess.model_dump()


def test_folds_are_even_and_follow_the_target_alone() -> None:
    targetid = 39_627_000_000_000_000 + np.arange(20_000)
    folds = assign_folds(targetid, 4)
    assert np.bincount(folds, minlength=4) == pytest.approx([5000] * 4, rel=0.05)
    order = np.random.default_rng(0).permutation(len(targetid))
    np.testing.assert_array_equal(assign_folds(targetid[order], 4), folds[order])
    assert assign_folds(targetid[:0], 4).shape == (0,)


FAULTS: dict[str, Callable[[Path], object]] = {
    "no card": lambda f: (f / models.CARD).unlink(),
    "card is no JSON": lambda f: (f / models.CARD).write_text("{"),
    "card is a list": lambda f: (f / models.CARD).write_text("[1]"),
    "card without id": lambda f: (f / models.CARD).write_text(
        (f / models.CARD).read_text().replace('"id"', '"di"')
    ),
    "card without grid": lambda f: (f / models.CARD).write_text('{"id": "x"}'),
    "other sizes": lambda f: (f / models.CARD).write_text(
        (f / models.CARD).read_text().replace('"hidden": 16', '"hidden": 17')
    ),
    "no weights": lambda f: (f / WEIGHTS[0]).unlink(),
    "last member lost": lambda f: (f / WEIGHTS[-1]).unlink(),
    "weights truncated": lambda f: (f / WEIGHTS[-1]).write_bytes(
        (f / WEIGHTS[-1]).read_bytes()[:-100]
    ),
    "weights empty": lambda f: (f / WEIGHTS[0]).write_bytes(b""),
    "reference of fewer members": lambda f: save_file(
        {"excess": load_model(f).excess}, f / models.REFERENCE
    ),
    "no reference": lambda f: (f / models.REFERENCE).unlink(),
    "reference truncated": lambda f: (f / models.REFERENCE).write_bytes(
        (f / models.REFERENCE).read_bytes()[:20]
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_damaged_model_is_one_line(folder: Path, fault: str) -> None:
    FAULTS[fault](folder)
    with pytest.raises(UserError) as caught:
        load_model(folder)
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_model_is_found_by_id_or_folder(lake: Store, folder: Path, tmp_path: Path) -> None:
    assert find_model(folder.name, lake.lake) == folder
    assert find_model(str(folder), Lake(tmp_path)) == folder
    with pytest.raises(UserError, match=f"models here: {folder.name}"):
        find_model("nothing", lake.lake)
    with pytest.raises(UserError, match="no model in"):
        find_model("nothing", Lake(tmp_path / "empty"))


def test_weights_survive_the_disk(folder: Path) -> None:
    one, two = load_model(folder), load_model(folder)
    flux = torch.rand(2, one.grid.window)
    start = torch.tensor([0, one.grid.align])
    assert torch.equal(one.excess, two.excess)
    for a, b in zip(one.members, two.members, strict=True):
        assert torch.equal(a.latents, b.latents)
        with torch.no_grad():
            assert torch.equal(
                a.network.encode(flux, flux, start).mean, b.network.encode(flux, flux, start).mean
            )


@given(epochs=st.lists(st.tuples(st.floats(0, 10), st.booleans()), max_size=15))
def test_patience_counts_the_epochs_that_count_since_the_best(epochs: list) -> None:
    record = TrainingRecord()
    for loss, counts in epochs:
        record = record.advance(loss, counts)
    losses = [loss for loss, _ in epochs]
    assert (record.epochs, record.losses) == (len(epochs), losses)
    if epochs:
        # Of equal losses the first is the best.
        best = losses.index(min(losses))
        assert record.best_loss == losses[best]
        assert record.epochs_without_gain == sum(counts for _, counts in epochs[best + 1 :])


@given(ids=st.lists(st.integers(-(2**63), 2**63 - 1), max_size=20), n_folds=st.integers(1, 9))
def test_every_target_has_a_fold_and_always_the_same(ids: list[int], n_folds: int) -> None:
    folds = assign_folds(np.array(ids, np.int64), n_folds)
    assert ((folds >= 0) & (folds < n_folds)).all()
    for targetid, fold in zip(ids, folds, strict=True):
        assert assign_folds(np.array([targetid], np.int64), n_folds)[0] == fold
