"""The record of trainings: off unless asked for, whole if asked."""

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from lake_runs import find_model_id, run_one

from pipeline.cli.main import qad
from pipeline.config import Config
from pipeline.errors import UserError
from pipeline.lake.model_files import read_card
from pipeline.lake.store import Store
from pipeline.settings.model import TrackingSettings
from pipeline.spectra.model.tracking import measuring_energy, promote, record_recall


def with_tracking(config: Config, **values: object) -> Config:
    return config.model_copy(update={"tracking": TrackingSettings(mlflow=True, **values)})


def retrain(store: Store, config: Config) -> str:
    shutil.rmtree(store.root / "models")
    run_one(store, config, "train")
    return find_model_id(store, config)


def test_nothing_is_recorded_by_default(lake: Store, config: Config) -> None:
    retrain(lake, config)
    assert not lake.lake.tracking.exists()


@pytest.mark.parametrize(("library", "country"), [("mlflow", ""), ("codecarbon", "USA")])
def test_a_missing_library_ends_the_run_before_the_training(
    lake: Store, config: Config, monkeypatch: pytest.MonkeyPatch, library: str, country: str
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    if country:
        pytest.importorskip("mlflow", reason="no MLflow: extra `tracking`")
    with pytest.raises(UserError, match=rf"{library} is missing: pip install .*\[tracking\]"):
        retrain(lake, with_tracking(config, country=country))
    assert not list(lake.root.glob("models/.*checkpoint"))


def test_energy_without_a_record_is_refused() -> None:
    with pytest.raises(ValueError, match="needs mlflow"):
        TrackingSettings(country="USA")


def test_a_training_is_recorded_and_its_model_promoted(lake: Store, config: Config) -> None:
    mlflow = pytest.importorskip("mlflow", reason="no MLflow: extra `tracking`")
    tracked = with_tracking(config)
    model_id = retrain(lake, tracked)
    assert model_id == find_model_id(lake, config)
    rows = lake.read(lake.lake.table("injections"))
    record_recall(lake, tracked, model_id, rows)
    client = mlflow.MlflowClient(f"sqlite:///{lake.lake.tracking / 'mlflow.sqlite'}")
    [run] = client.search_runs([client.get_experiment_by_name("training").experiment_id])
    assert run.data.tags["model_id"] == model_id
    assert run.data.params["latent"] == str(config.train.latent)
    card = read_card(lake.lake.model(model_id))
    for member, training in enumerate(card["training"]):
        history = client.get_metric_history(run.info.run_id, f"loss_{member}")
        assert [point.value for point in history] == training["losses"]
    share = np.mean(rows["joint_p_value"].fill_null(1).to_numpy() < 0.01)
    assert run.data.metrics["recall"] == pytest.approx(share)
    assert [file.path for file in client.list_artifacts(run.info.run_id)] == [f"{model_id}.json"]
    call = ["model", "promote", model_id, "--root", str(lake.root)]
    assert CliRunner().invoke(qad, call).output == f"production  {model_id}\n"
    version = client.get_model_version_by_alias("qso-autoencoder", "production")
    assert Path(version.source.removeprefix("file://")) == lake.lake.model(model_id).resolve()
    with pytest.raises(UserError, match="no_such is not in"):
        promote(lake, "no_such")


def test_energy_of_a_block() -> None:
    pytest.importorskip("codecarbon", reason="no CodeCarbon: extra `tracking`")
    pytest.importorskip("mlflow", reason="no MLflow: extra `tracking`")
    with measuring_energy(TrackingSettings(mlflow=True, country="USA")) as used:
        sum(range(10**6))
    assert set(used) == {"energy_kwh", "carbon_kg"}
    assert 0 < used["energy_kwh"] < 1
