"""Trainings recorded in MLflow, with their energy and carbon by CodeCarbon; off by default."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from catalog_schema.statistics import STRANGE_P_VALUE
from pipeline.config import Config
from pipeline.errors import UserError, needing
from pipeline.lake.files import guard_root, is_object, show
from pipeline.lake.model_files import read_card
from pipeline.lake.store import Store
from pipeline.settings.model import TrackingSettings

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

_EXPERIMENT, _MODEL, _PRODUCTION = "training", "qso-autoencoder", "production"


@contextmanager
def measuring_energy(settings: TrackingSettings) -> Iterator[dict[str, float]]:
    """Measure what the block uses.

    Yields
    ------
    dict
        After the block ``energy_kwh`` and ``carbon_kg``, the latter by the electricity of
        ``tracking.country``; nothing where no country is given.

    Raises
    ------
    UserError
        If the settings ask for libraries that are not installed: before the block, not after.
    """
    used: dict[str, float] = {}
    with needing("tracking"):
        if settings.mlflow:
            _quieten_mlflow()
            import mlflow  # noqa: F401
        if settings.country:
            from codecarbon import OfflineEmissionsTracker
    if not settings.country:
        yield used
        return
    meter = OfflineEmissionsTracker(
        country_iso_code=settings.country,
        save_to_file=False,
        log_level="error",
        allow_multiple_runs=True,
    )
    meter.start()
    try:
        yield used
    finally:
        used["carbon_kg"] = meter.stop() or 0.0
        used["energy_kwh"] = meter.final_emissions_data.energy_consumed


def record_training(store: Store, config: Config, folder: Path, used: dict[str, float]) -> None:
    """Record a finished training and register its model, if ``tracking.mlflow`` says so.

    Parameters
    ----------
    store : Store
        The record is ``tracking/`` below its root.
    config : Config
    folder : Path
        Of the model: settings and losses by epoch are those of its card.
    used : dict
        Of `measuring_energy`.
    """
    if not config.tracking.mlflow:
        return
    card = read_card(folder)
    with _connect(store) as client:
        known = client.get_experiment_by_name(_EXPERIMENT)
        experiment = (
            known.experiment_id
            if known
            else client.create_experiment(
                _EXPERIMENT, (store.lake.tracking.resolve() / "artefacts").as_uri()
            )
        )
        run_id = client.create_run(experiment, tags={"model_id": card["id"]}).info.run_id
        for name, value in (card["settings"]["train"] | {"seed": card["seed"]}).items():
            client.log_param(run_id, name, value)
        for member, training in enumerate(card["training"]):
            for epoch, loss in enumerate(training["losses"]):
                client.log_metric(run_id, f"loss_{member}", loss, step=epoch)
        for name, value in used.items():
            client.log_metric(run_id, name, value)
        client.log_dict(run_id, dict(card), folder.name + ".json")
        client.set_terminated(run_id)
        if not client.search_registered_models(f"name = '{_MODEL}'"):
            client.create_registered_model(_MODEL)
        source = show(folder) if is_object(folder) else folder.resolve().as_uri()
        client.create_model_version(_MODEL, source, run_id, tags={"model_id": card["id"]})


def record_recall(store: Store, config: Config, model_id: str, injections: pa.Table) -> None:
    """Add the share of planted features found, of each kind and of all, to a record.

    Parameters
    ----------
    store : Store
    config : Config
    model_id : str
    injections : pyarrow.Table
        Rows of `injections`.
    """
    if not config.tracking.mlflow:
        return
    found = pc.fill_null(pc.less(injections["joint_p_value"], STRANGE_P_VALUE), False)
    rows = pa.table({"kind": injections["injection"], "found": found.cast(pa.float64())})
    shares = rows.group_by("kind").aggregate([("found", "mean")]).to_pylist()
    with _connect(store) as client:
        run = _find_run(client, model_id)
        if run is None:
            return
        client.log_metric(run.info.run_id, "recall", pc.mean(found).as_py())
        for share in shares:
            client.log_metric(run.info.run_id, f"recall_{share['kind']}", share["found_mean"])


def promote(store: Store, model_id: str) -> None:
    """Let the alias `production` of the registry name a model.

    Raises
    ------
    UserError
        If the training of the model was not recorded.
    """
    with _connect(store) as client:
        run = _find_run(client, model_id)
        if run is None:
            raise UserError(
                f"model {model_id} is not in {store.lake.tracking}; train with "
                "--set tracking.mlflow=true"
            )
        [version] = client.search_model_versions(f"run_id = '{run.info.run_id}'")
        client.set_registered_model_alias(_MODEL, _PRODUCTION, version.version)


@contextmanager
def _connect(store: Store) -> Iterator["MlflowClient"]:
    with needing("tracking"):
        _quieten_mlflow()
        from mlflow import MlflowClient
    with guard_root(store.lake.tracking):
        store.lake.tracking.mkdir(parents=True, exist_ok=True)
        yield MlflowClient(f"sqlite:///{store.lake.tracking.resolve() / 'mlflow.sqlite'}")


def _find_run(client: "MlflowClient", model_id: str) -> "Run | None":
    experiment = client.get_experiment_by_name(_EXPERIMENT)
    if experiment is None:
        return None
    chosen = f"tags.model_id = '{model_id}'"
    runs = client.search_runs([experiment.experiment_id], chosen, max_results=1)
    return runs[0] if runs else None


def _quieten_mlflow() -> None:
    # Nothing of a run is sent to anybody.
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    logging.getLogger("mlflow").setLevel(logging.WARNING)
