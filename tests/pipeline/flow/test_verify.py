"""One flipped bit anywhere in a finished data root is told, and changes no result."""

import random
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from bits import flip_bit
from forked import run_qad
from lake_runs import find_model_id

from pipeline.config import Config
from pipeline.errors import DataError, QadError, UserError
from pipeline.flow.status import describe_status
from pipeline.flow.verify import verify_root
from pipeline.lake.store import Store, digest_rows
from pipeline.spectra.model.models import Model, load_model
from release.build import build

FLIPS = 60


@contextmanager
def flipped(path: Path, bit: int) -> Iterator[None]:
    good = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(flip_bit(good, bit))
    yield
    path.write_bytes(good)


def draw_flips(paths: list[Path], n: int) -> Iterator[tuple[Path, int]]:
    """Draw bits, every second one from the footer, that says how the rest is read."""
    draw = random.Random(5)
    for number in range(n):
        path = draw.choice(sorted(paths))
        size = path.stat().st_size
        first = size - min(4000, size) if number % 2 else 0
        yield path, draw.randrange(8 * first, 8 * size)


def state(model: Model) -> list[torch.Tensor]:
    values = [value for m in model.members for value in m.network.state_dict().values()]
    return [model.excess, *values, *(m.latents for m in model.members)]


def test_no_flip_in_a_dataset_changes_what_is_read(lake: Store) -> None:
    paths = [*lake.root.glob("lake/**/*.parquet"), *lake.root.glob("models/*/*.parquet")]
    told = []
    for path, bit in draw_flips(paths, FLIPS):
        rows, stamp = digest_rows(lake.read(path)), lake.read_stamp(path)
        with flipped(path, bit):
            try:
                lake.verify(path)
                found = lake.read(path)
            except DataError as error:
                told.append(str(error).replace(str(path), "PATH"))
            else:
                assert (digest_rows(found), lake.read_stamp(path)) == (rows, stamp)
    assert len(told) > FLIPS * 0.9
    assert all(line.startswith("PATH: damaged (") for line in told)
    assert all(line.endswith("; delete it and run again") for line in told)


def test_no_flip_in_a_model_is_loaded(lake: Store, config: Config) -> None:
    folder = lake.lake.model(find_model_id(lake, config))
    wanted = state(load_model(folder))
    told = []
    for path, bit in draw_flips([*folder.glob("*.safetensors"), folder / "model.json"], FLIPS):
        with flipped(path, bit):
            try:
                found = state(load_model(folder))
            except UserError as error:
                told.append(str(error))
            else:
                assert all(map(torch.equal, found, wanted))
    assert len(told) > FLIPS * 0.9
    assert all("damaged" in line for line in told)


def flip_middle(path: Path) -> None:
    good = path.read_bytes()
    path.write_bytes(flip_bit(good, 8 * (len(good) // 2) + 2))


def spoil_ledger(root: Path) -> None:
    with sqlite3.connect(root / "ledger.sqlite") as connection:
        connection.execute("UPDATE shard_stage SET n_made = n_made + 1 WHERE stage = 'score'")


SPOILT: dict[str, Callable[[Path], object]] = {
    "lake/scores/main/dark/100.parquet": flip_middle,
    "lake/tiers/tiers.parquet": lambda path: path.write_bytes(path.read_bytes()[:-20]),
    "lake/index/main/dark/100.json": flip_middle,
    "models/*/weights-0.safetensors": flip_middle,
    "models/*/null.parquet": flip_middle,
    "models/*/model.json": lambda path: path.write_text("[]"),
    "config.json": lambda path: path.write_text(path.read_text().replace("1", "2")),
    "ledger.sqlite": lambda path: spoil_ledger(path.parent),
}


def test_whole_root_is_as_written(lake: Store) -> None:
    found = verify_root(lake)
    assert found.faults == {}
    assert found.counts["datasets"] == len([*lake.root.glob("lake/**/*.parquet")])
    assert found.counts["ledger"] == found.counts["configuration"] == 1


def test_every_damaged_file_is_a_line(lake: Store) -> None:
    spoilt = {pattern: next(lake.root.glob(pattern)) for pattern in SPOILT}
    for pattern, path in spoilt.items():
        SPOILT[pattern](path)
    done = run_qad("lake", "verify", "--root", lake.root)
    assert done.returncode in (1, 2)
    (lake.root / "config.json").unlink()
    done = run_qad("lake", "verify", "--root", lake.root)
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert all(line.startswith("error: ") and "damaged" in line for line in lines)
    for pattern, path in spoilt.items():
        told = [line for line in lines if str(path) in line]
        assert bool(told) == (pattern not in ("config.json", "models/*/weights-0.safetensors"))


def test_status_counts_what_is_damaged(lake: Store) -> None:
    flip_middle(next(lake.root.glob("lake/coadds/main/dark/*.parquet")))
    lines = [*describe_status(lake)]
    [row] = [line.split() for line in lines if line.startswith("coadds")]
    assert row == ["coadds", "1", "0", "0", "1"]
    assert any("damaged" in line and "delete it" in line for line in lines)


@pytest.mark.parametrize("pattern", ["lake/targets/*/*/*", "lake/classes/*", "models/*/w*"])
def test_release_is_not_built_from_damaged_files(lake: Store, config: Config, pattern: str) -> None:
    for path in lake.root.glob(pattern):
        flip_middle(path)
    with pytest.raises(QadError, match="damaged"):
        build(lake, config, "0.1.0")
    assert not list(lake.root.glob("releases/*"))
