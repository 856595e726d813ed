"""The search for settings: its objective, and what it keeps."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from lake_runs import SMALL, finished_shards

from pipeline.config import Config
from pipeline.errors import UserError
from pipeline.flow.data_path import start_run
from pipeline.flow.root import Root
from pipeline.lake.layout import Lake
from pipeline.lake.store import Store
from pipeline.settings.model import TrainSettings
from pipeline.spectra.mock.anomalies import FAMILIES
from pipeline.spectra.model.tune import KINDS, describe_best, measure_recall, tune
from pipeline.spectra.science.injection import SHAPES
from pipeline.workers import sharing_ray


def list_windows(root: Root) -> tuple[Lake, list[Path]]:
    shards = finished_shards(root, "preprocess")
    return root.lake, [root.lake.shard("restframe", shard) for shard in shards]


def with_strengths(config: Config, *strengths: float) -> Config:
    inject = config.inject.model_copy(update={"strengths": strengths, "hosts": 4})
    return config.model_copy(update={"inject": inject})


def test_strong_features_are_found_and_the_same_seed_says_the_same(
    finished: Store, config: Config
) -> None:
    strong = measure_recall(*list_windows(finished), with_strengths(config, 1e3), {"latent": 2})
    assert set(strong) == {"recall", *KINDS}
    assert strong["recall"] == pytest.approx(sum(strong[kind] for kind in KINDS) / len(KINDS))
    weak = measure_recall(*list_windows(finished), with_strengths(config, 0.01), {"latent": 2})
    assert weak["recall"] < strong["recall"] > 0.5
    assert (
        measure_recall(*list_windows(finished), with_strengths(config, 0.01), {"latent": 2}) == weak
    )


def test_what_chooses_is_not_what_judges() -> None:
    assert set(KINDS) < set(SHAPES)
    assert not set(KINDS) & set(FAMILIES)


def test_best_settings_are_those_of_the_configuration() -> None:
    row = {"latent": 16, "beta": 0.123456, "recall": 0.5, **dict.fromkeys(KINDS, 0.5)}
    lines = describe_best(pa.Table.from_pylist([row]))
    assert lines == ["[train]", "latent = 16", "beta = 0.1235"]
    assert all(line.split(" = ")[0] in TrainSettings.model_fields for line in lines[1:])


@pytest.mark.slow
def test_the_command_in_a_folder_and_a_call_try_the_same(
    finished: Store, config: Config, survey: Path, tmp_path: Path
) -> None:
    pytest.importorskip("optuna", reason="no optuna: extra `tune`")
    shutil.copytree(finished.root, tmp_path / "lake")
    chosen = [*SMALL, "inject.strengths=[1000.0]", "inject.hosts=4"]
    sets = [word for override in chosen for word in ("--set", override)]
    qad = Path(sys.executable).with_name("qad")
    source = os.path.relpath(survey, tmp_path)
    words = [qad, "tune", "--trials", "2", "--root", "lake", "--source", source, *sets]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "[train]\nlatent = " in done.stdout
    store = Root(tmp_path / "lake")
    trials = pq.read_table(store.lake.trials)
    assert trials.num_rows == 2
    recall = trials["recall"].to_pylist()
    assert recall == sorted(recall, reverse=True)
    with sharing_ray():
        assert tune(start_run(store, with_strengths(config, 1e3)), 2).equals(trials)
        large = config.train.model_copy(update={"basis": 400})
        with pytest.raises(UserError, match=r"fewer than train\.basis = 400") as caught:
            tune(start_run(store, config.model_copy(update={"train": large})), 1)
    assert "\n" not in str(caught.value)
