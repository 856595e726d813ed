"""Training: the same seed gives the same bits, killed or not."""

import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from lake_runs import find_model_id, finished_shards, read_windows, run_one

from catalog_schema.tables import RESTFRAME
from catalog_schema.vocabulary import Split
from pipeline.config import Config
from pipeline.errors import UserError
from pipeline.lake.model_files import read_card
from pipeline.lake.store import Store
from pipeline.numerics import find_instruction_set
from pipeline.science.draw import assign_folds
from pipeline.spectra.model.checkpoint import load_checkpoint
from pipeline.spectra.model.models import TrainingRecord, load_model
from pipeline.spectra.model.training import prepare_device, require_same_instructions


def with_train(config: Config, **values: object) -> Config:
    return config.model_copy(update={"train": config.train.model_copy(update=values)})


def with_seed(config: Config, seed: int) -> Config:
    return config.model_copy(update={"run": config.run.model_copy(update={"seed": seed})})


def read_weights(store: Store, config: Config) -> dict:
    """Return every tensor of every member, and the excess."""
    model = load_model(store.lake.model(find_model_id(store, config)))
    tensors = {"excess": model.excess}
    for k, member in enumerate(model.members):
        found = {
            **member.network.state_dict(),
            "is_learnt": member.is_learnt,
            "seen": member.latents,
        }
        tensors |= {f"{k}.{name}": value for name, value in found.items()}
    return tensors


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
    report = run_one(untrained, config, "train")
    assert report.made == 1
    assert find_model_id(untrained, config) == find_model_id(finished, config)
    assert_same(read_weights(untrained, config), read_weights(finished, config))
    assert run_one(untrained, config, "train").skipped == 1
    other = with_seed(config, 2)
    run_one(untrained, other, "train")
    paint = "0.paint.weight"
    assert not torch.equal(
        read_weights(untrained, config)[paint], read_weights(untrained, other)[paint]
    )


@pytest.mark.usefixtures("timer")
@pytest.mark.parametrize("member", [0, 1])
def test_interrupted_training_resumes_to_the_same_weights(
    untrained: Store, finished: Store, config: Config, member: int
) -> None:
    model_id = find_model_id(untrained, config)
    checkpoint = untrained.lake.checkpoint(f"{model_id}-{member}")
    interrupt_after_checkpoint(checkpoint)
    with pytest.raises(Interrupted):
        run_one(untrained, config, "train")
    saved = load_checkpoint(checkpoint, torch.device("cpu"))["record"]
    assert 1 <= saved["epochs"] < config.train.epochs
    run_one(untrained, config, "train")
    assert_same(read_weights(untrained, config), read_weights(finished, config))
    folder = untrained.lake.model(model_id)
    assert read_card(folder) == read_card(finished.lake.model(model_id))
    assert [path.name for path in (untrained.root / "models").iterdir()] == [model_id]


def test_members_differ_and_each_lacks_its_fold(finished: Store, config: Config) -> None:
    model = load_model(finished.lake.model(find_model_id(finished, config)))
    training = read_windows(finished).part(Split.TRAIN)
    folds = assign_folds(training.targetid, config.train.folds)
    for k, member in enumerate(model.members):
        mine = training.take(folds != k)
        assert 0 < len(mine) < len(training)
        tensors = mine.flux, mine.weight, mine.start
        with torch.no_grad():
            latents = member.network.encode(*tensors).mean
        torch.testing.assert_close(member.latents, latents, rtol=1e-3, atol=1e-4)
    one, two = (member.network.paint.weight for member in model.members)
    assert not torch.equal(one, two)


def test_score_of_a_spectrum_does_not_hang_on_its_having_been_trained_on(
    untrained: Store, finished: Store, config: Config
) -> None:
    """Without some spectra of a fold the member that scores them is the same, bit by bit."""
    training = read_windows(finished).part(Split.TRAIN)
    folds = assign_folds(training.targetid, config.train.folds)
    removed = training.targetid[folds == 0][:3]
    assert len(removed) == 3
    for shard in finished_shards(untrained, "preprocess"):
        path = untrained.lake.shard("restframe", shard)
        rows = untrained.read(path)
        kept = rows.filter(~np.isin(rows["TARGETID"].to_numpy(), removed))
        untrained.write(path, kept, RESTFRAME, fingerprint="f", n_expected=1, n_made=1)
    run_one(untrained, config, "train")
    before, after = (read_weights(store, config) for store in (finished, untrained))
    mine = [name for name in before if name.startswith("0.")]
    assert_same({name: before[name] for name in mine}, {name: after[name] for name in mine})
    assert not torch.equal(before["1.paint.weight"], after["1.paint.weight"])


def test_training_lowers_the_loss_and_keeps_the_best(untrained: Store, config: Config) -> None:
    longer = with_train(config, epochs=8)
    run_one(untrained, longer, "train")
    card = read_card(untrained.lake.model(find_model_id(untrained, longer)))
    assert len(card["training"]) == config.train.seeds * config.train.folds
    for record in card["training"]:
        assert len(record["losses"]) == 8
        assert record["best_loss"] == min(record["start_loss"], *record["losses"])


def test_what_is_learnt_is_no_worse_than_the_linear_start(untrained: Store, config: Config) -> None:
    """A rate that ruins every network leaves the start, which is a model too."""
    ruinous = with_train(config, learning_rate=10.0, epochs=2)
    assert run_one(untrained, ruinous, "train").made == 1
    card = read_card(untrained.lake.model(find_model_id(untrained, ruinous)))
    for record in card["training"]:
        assert record["best_loss"] == record["start_loss"] < min(record["losses"])
    # The start has nothing from the layers that are not linear.
    weights = read_weights(untrained, ruinous)
    last = [value for name, value in weights.items() if "to_basis.4." in name]
    assert last
    assert not any(value.any() for value in last)


def test_identity_follows_settings_seed_and_data(lake: Store, config: Config) -> None:
    base = find_model_id(lake, config)
    assert find_model_id(lake, with_train(config, beta=0.5)) != base
    assert find_model_id(lake, with_train(config, folds=3)) != base
    assert find_model_id(lake, with_seed(config, 9)) != base
    graded = config.grade.model_copy(update={"gold": 0.02})
    assert find_model_id(lake, config.model_copy(update={"grade": graded})) == base
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
    with pytest.raises(
        UserError, match=f"0 {'training' if split == 'train' else 'validation'}|and 0 {split}"
    ):
        run_one(untrained, config, "train")


def test_a_basis_wider_than_a_fold_s_training_sample_is_one_line(
    untrained: Store, config: Config
) -> None:
    windows = read_windows(untrained).part(Split.TRAIN)
    folds = assign_folds(windows.targetid, config.train.folds)
    fewest = min(int((folds != k).sum()) for k in range(config.train.folds))
    with pytest.raises(UserError) as caught:
        run_one(untrained, with_train(config, basis=fewest + 1, latent=fewest + 1), "train")
    assert str(caught.value).startswith(f"{untrained.root}: a member of the model has {fewest} ")
    assert f"train.basis={fewest} and train.latent={fewest} or less" in str(caught.value)
    fitting = with_train(config, basis=fewest, latent=fewest, epochs=1, warmup_epochs=1)
    assert run_one(untrained, fitting, "train").made == 1


def test_another_instruction_set_is_another_model(finished: Store, config: Config) -> None:
    code = (
        "import sys; from pathlib import Path; from pipeline.config import Config\n"
        "from pipeline.flow.data_path import start_run; from pipeline.flow.root import Root\n"
        "config = Config.model_validate_json(sys.argv[2])\n"
        "print(start_run(Root(Path(sys.argv[1])), config).model_id)"
    )
    words = [sys.executable, "-c", code, str(finished.root), config.model_dump_json()]
    lowered = os.environ | {"ATEN_CPU_CAPABILITY": "default"}
    done = subprocess.run(words, env=lowered, capture_output=True, text=True, check=True)
    model_id = find_model_id(finished, config)
    assert len(done.stdout.strip()) == len(model_id)
    assert done.stdout.strip() != model_id
    card = read_card(finished.lake.model(model_id))
    assert card["instruction_set"] == find_instruction_set()


def test_a_worker_of_another_kind_is_refused_in_one_line() -> None:
    here = find_instruction_set()
    require_same_instructions(here, dict(here))
    with pytest.raises(UserError, match=r"another instruction set \(MKL_CBWR, torch\)") as caught:
        require_same_instructions(here | {"MKL_CBWR": "AVX2"}, here | {"torch": "2.0 SSE"})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("device", ["cuda:99", "gpu"])
def test_device_that_is_not_there_is_one_line(config: Config, device: str) -> None:
    with pytest.raises(UserError, match=f"train.device '{device}' cannot be used") as caught:
        prepare_device(config.train.model_copy(update={"device": device}))
    assert "\n" not in str(caught.value)


def test_windows_are_all_there(finished: Store, config: Config) -> None:
    windows = read_windows(finished)
    assert len(windows) == 45
    assert windows.flux.shape == windows.weight.shape
    assert not windows.flux.isnan().any()
    card = read_card(finished.lake.model(find_model_id(finished, config)))
    n_training = int((windows.split == "train").sum())
    # Each training spectrum is unseen by one member.
    assert sum(card["n_training"]) == config.train.seeds * n_training * (config.train.folds - 1) > 0


def test_a_pixel_is_learnt_where_enough_training_spectra_lie(
    finished: Store, config: Config
) -> None:
    model = load_model(finished.lake.model(find_model_id(finished, config)))
    windows = read_windows(finished)
    folds = assign_folds(windows.targetid, config.train.folds)
    for k, member in enumerate(model.members):
        expected = torch.zeros(model.grid.size, dtype=torch.int32)
        for row in np.flatnonzero((windows.split == "train") & (folds != k)):
            first = int(windows.start[row])
            expected[first : first + model.grid.window] += (windows.weight[row] > 0).int()
        assert torch.equal(member.is_learnt, expected >= config.train.min_support)
        assert 0 < int(member.is_learnt.sum()) < model.grid.size


ON_SCRATCH = {"memory_limit": 1e-6}


def test_from_a_scratch_file_is_learnt_what_memory_teaches(
    untrained: Store, finished: Store, config: Config
) -> None:
    """Within the error of float16 and of another order of the batches; it is another model."""
    config = with_train(config, epochs=8)
    scratch = with_train(config, **ON_SCRATCH)
    assert find_model_id(untrained, scratch) != find_model_id(untrained, config)
    for settings in (config, scratch):
        run_one(untrained, settings, "train")
    held, read = (read_weights(untrained, settings) for settings in (config, scratch))
    for name in ("excess", "0.linear_mean", "0.linear_components"):
        # The basis is fitted before the first batch: it differs by the rounding alone.
        torch.testing.assert_close(read[name], held[name], rtol=0.02, atol=0.02)
    assert torch.equal(held["0.is_learnt"], read["0.is_learnt"])
    cards = [
        read_card(untrained.lake.model(find_model_id(untrained, settings)))
        for settings in (config, scratch)
    ]
    for one, other in zip(*(card["training"] for card in cards), strict=True):
        assert other["best_loss"] == pytest.approx(one["best_loss"], rel=0.05)
    assert [path for path in untrained.root.iterdir() if path.name.startswith("tmp")] == []


def test_from_a_scratch_file_the_same_seed_gives_the_same_weights(
    untrained: Store, config: Config
) -> None:
    """Here and in workers, which open a file each."""
    scratch = with_train(config, **ON_SCRATCH)
    run_one(untrained, scratch, "train")
    here = read_weights(untrained, scratch)
    shutil.rmtree(untrained.lake.model(find_model_id(untrained, scratch)))
    spread = scratch.model_copy(update={"run": scratch.run.model_copy(update={"workers": 2})})
    run_one(untrained, spread, "train")
    assert_same(here, read_weights(untrained, spread))


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
    run_one(untrained, hasty, "train")
    for training in read_card(untrained.lake.model(find_model_id(untrained, hasty)))["training"]:
        # So large a step makes some epoch of the warm-up worse than the one before.
        assert any(b > a for a, b in pairwise(training["losses"][:5]))
        assert training["epochs"] == 6


def test_a_loss_that_is_no_number_does_not_end_the_search() -> None:
    record = advance([2.0, float("nan"), 1.0], counts=True)
    assert record.best_loss == 1.0
    assert record.epochs_without_gain == 0
