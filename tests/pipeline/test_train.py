"""Training: the same seed gives the same bits, killed or not."""

import signal
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import torch

from catalog_schema.tables import RESTFRAME
from pipeline.config import Config
from pipeline.errors import UserError
from pipeline.models import TrainingRecord, load_model, read_card, read_reference
from pipeline.shards import finished_shards
from pipeline.store import Store
from pipeline.train import find_model_id, load_windows, train


def with_train(config: Config, **values: object) -> Config:
    return config.model_copy(update={"train": config.train.model_copy(update=values)})


def with_seed(config: Config, seed: int) -> Config:
    return config.model_copy(update={"run": config.run.model_copy(update={"seed": seed})})


def read_weights(store: Store, config: Config) -> dict:
    return load_model(store.lake.model(find_model_id(store, config))).network.state_dict()


def assert_same(one: dict, two: dict) -> None:
    assert one.keys() == two.keys()
    assert all(torch.equal(one[name], two[name]) for name in one)


@pytest.fixture
def untrained(lake: Store) -> Store:
    """A lake up to the windows; `finished` keeps the model to compare with."""
    for path in (lake.root / "models").rglob("*"):
        if path.is_file():
            path.unlink()
    for path in (lake.root / "models").iterdir():
        path.rmdir()
    return lake


class Interrupted(BaseException):
    """Raised by the timer."""


def interrupt_after_checkpoint(path: Path) -> None:
    """Raise wherever the program is, soon after the file has appeared."""

    def strike(*_: object) -> None:
        if path.exists():
            signal.setitimer(signal.ITIMER_REAL, 0)
            raise Interrupted

    signal.signal(signal.SIGALRM, strike)
    signal.setitimer(signal.ITIMER_REAL, 0.002, 0.002)


@pytest.fixture
def timer():
    before = signal.getsignal(signal.SIGALRM)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def test_same_seed_same_weights(untrained: Store, finished: Store, config: Config) -> None:
    report = train(untrained, config)
    assert (report.made, report.dataset) == (1, find_model_id(finished, config))
    assert_same(read_weights(untrained, config), read_weights(finished, config))
    assert train(untrained, config).skipped == 1
    other = with_seed(config, 2)
    train(untrained, other)
    paint = "paint.weight"
    assert not torch.equal(
        read_weights(untrained, config)[paint], read_weights(untrained, other)[paint]
    )


@pytest.mark.usefixtures("timer")
def test_interrupted_training_resumes_to_the_same_weights(
    untrained: Store, finished: Store, config: Config
) -> None:
    model_id = find_model_id(untrained, config)
    checkpoint = untrained.lake.checkpoint(model_id)
    interrupt_after_checkpoint(checkpoint)
    with pytest.raises(Interrupted):
        train(untrained, config)
    saved = torch.load(checkpoint, weights_only=True)["record"]
    assert 1 <= saved["epochs"] < config.train.epochs
    train(untrained, config)
    assert_same(read_weights(untrained, config), read_weights(finished, config))
    folder = untrained.lake.model(model_id)
    assert read_card(folder) == read_card(finished.lake.model(model_id))
    assert torch.equal(read_reference(folder), read_reference(finished.lake.model(model_id)))
    assert [path.name for path in (untrained.root / "models").iterdir()] == [model_id]


def test_training_lowers_the_loss_and_keeps_the_best(untrained: Store, config: Config) -> None:
    longer = with_train(config, epochs=8)
    card = read_card(untrained.lake.model(train(untrained, longer).dataset))
    losses = card["training"]["losses"]
    assert len(losses) == 8
    assert card["training"]["best_loss"] == min(losses) <= losses[0]


def test_identity_follows_settings_seed_and_data(lake: Store, config: Config) -> None:
    base = find_model_id(lake, config)
    assert find_model_id(lake, with_train(config, beta=0.5)) != base
    assert find_model_id(lake, with_seed(config, 9)) != base
    scored = config.model_copy(update={"score": config.score.model_copy(update={"trees": 7})})
    assert find_model_id(lake, scored) == base
    booked = lake.ledger.outcomes("preprocess")[0]
    lake.ledger.record([replace(booked, content="of other rows")])
    assert find_model_id(lake, config) != base


@pytest.mark.parametrize("split", ["train", "validation"])
def test_empty_split_is_one_line(untrained: Store, config: Config, split: str) -> None:
    for shard in finished_shards(untrained, "preprocess"):
        path = untrained.lake.shard("restframe", shard)
        rows = untrained.read(path)
        kept = rows.filter([value != split for value in rows["split"].to_pylist()])
        untrained.write(path, kept, RESTFRAME, fingerprint="f", n_expected=1, n_made=1)
    with pytest.raises(UserError, match=f"0 {'training' if split == 'train' else 'validation'}|"
                                        f"and 0 {split}"):  # fmt: skip
        train(untrained, config)


def test_windows_are_all_there(finished: Store, config: Config) -> None:
    windows = load_windows(finished)
    assert len(windows) == 45
    assert windows.flux.shape == windows.ivar.shape
    assert not windows.flux.isnan().any()
    card = read_card(finished.lake.model(find_model_id(finished, config)))
    assert card["n_training"] == int((windows.split == "train").sum()) > 0


def test_support_counts_the_training_spectra(finished: Store, config: Config) -> None:
    model = load_model(finished.lake.model(find_model_id(finished, config)))
    windows = load_windows(finished)
    expected = torch.zeros(model.grid.size, dtype=torch.int32)
    for k in range(len(windows)):
        if windows.split[k] == "train":
            first = int(windows.start[k])
            expected[first : first + model.grid.window] += (windows.ivar[k] > 0).int()
    assert torch.equal(model.support, expected)


def advance(losses: list[float], counts: bool) -> TrainingRecord:
    record = TrainingRecord()
    for loss in losses:
        record = record.advance(loss, counts)
    return record


def test_patience_counts_epochs_without_gain() -> None:
    record = advance([3.0, 2.0, 2.5, 2.0], counts=True)
    assert (record.epochs, record.best_loss, record.epochs_without_gain) == (4, 2.0, 2)
    assert record.losses == [3.0, 2.0, 2.5, 2.0]


def test_patience_of_one_does_not_end_the_warm_up(untrained: Store, config: Config) -> None:
    """Patience counts only once β has its final value."""
    hasty = with_train(config, patience=1, warmup_epochs=6, epochs=6, learning_rate=50.0)
    training = read_card(untrained.lake.model(train(untrained, hasty).dataset))["training"]
    # So large a step makes some epoch of the warm-up worse than the one before.
    assert any(b > a for a, b in pairwise(training["losses"][:5]))
    assert training["epochs"] == 6


def test_a_loss_that_is_no_number_does_not_end_the_search() -> None:
    record = advance([2.0, float("nan"), 1.0], counts=True)
    assert record.best_loss == 1.0
    assert record.epochs_without_gain == 0
