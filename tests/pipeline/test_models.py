"""Models on disk: whole, or one line that says which folder."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from pipeline import models
from pipeline.apply import find_model
from pipeline.config import Config
from pipeline.errors import QadError, UserError
from pipeline.layout import Lake
from pipeline.models import load_model, read_card, read_reference
from pipeline.store import Store
from pipeline.train import find_model_id


@pytest.fixture
def folder(lake: Store, config: Config) -> Path:
    return lake.lake.model(find_model_id(lake, config))


def test_model_is_whole(folder: Path, config: Config) -> None:
    model = load_model(folder)
    card = read_card(folder)
    assert model.model_id == card["id"] == folder.name
    assert model.network.shape.latent == config.train.latent
    assert model.grid.size == model.network.shape.grid == len(model.support)
    assert not model.network.training
    assert read_reference(folder).shape == (card["n_training"], config.train.latent)
    assert card["settings"]["preprocess"] == config.preprocess.model_dump()


FAULTS: dict[str, Callable[[Path], object]] = {
    "no card": lambda f: (f / models.CARD).unlink(),
    "card is no JSON": lambda f: (f / models.CARD).write_text("{"),
    "card is a list": lambda f: (f / models.CARD).write_text("[1]"),
    "card without id": lambda f: (f / models.CARD).write_text(
        (f / models.CARD).read_text().replace('"id"', '"di"')),
    "card without grid": lambda f: (f / models.CARD).write_text('{"id": "x"}'),
    "other sizes": lambda f: (f / models.CARD).write_text(
        (f / models.CARD).read_text().replace('"hidden": 16', '"hidden": 17')),
    "no weights": lambda f: (f / models.WEIGHTS).unlink(),
    "weights truncated": lambda f: (f / models.WEIGHTS).write_bytes(
        (f / models.WEIGHTS).read_bytes()[:-100]),
    "weights empty": lambda f: (f / models.WEIGHTS).write_bytes(b""),
    "no reference": lambda f: (f / models.REFERENCE).unlink(),
    "reference truncated": lambda f: (f / models.REFERENCE).write_bytes(
        (f / models.REFERENCE).read_bytes()[:20]),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_damaged_model_is_one_line(folder: Path, fault: str) -> None:
    FAULTS[fault](folder)
    with pytest.raises(UserError) as caught:
        load_model(folder)
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("fault", ["no reference", "reference truncated"])
def test_damaged_reference_is_one_line(folder: Path, fault: str) -> None:
    FAULTS[fault](folder)
    with pytest.raises(QadError, match=folder.name):
        read_reference(folder)


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
    with torch.no_grad():
        assert torch.equal(
            one.network.encode(flux, flux, start).mean, two.network.encode(flux, flux, start).mean
        )
