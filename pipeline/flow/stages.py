"""The data path: every stage in order, run to the end or inspected without running."""

import json
import shutil
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType

from pipeline.config import Config, MockSettings
from pipeline.errors import QadError, UserError
from pipeline.flow.shards import Report
from pipeline.flow.workers import sharing_ray
from pipeline.lake.files import exists, guard_root, replacing, require_folder
from pipeline.lake.layout import MODEL_CARD
from pipeline.lake.seals import open_values, seal_values
from pipeline.lake.store import Store
from pipeline.ledger.database import choose_url, hide_password
from pipeline.numerics import limit_threads
from pipeline.progress import track_counts
from pipeline.spectra.stages.target import find_mock

# Name of each stage and the dataset that it makes.
STAGES = {
    "target": "candidates",
    "adopt": "targets",
    "acquire": "files",
    "extract": "coadds",
    "preprocess": "restframe",
    "train": "models",
    "score": "scores",
    "calibrate": "significance",
    "measure": "measurements",
    "earlier": "changes",
    "classify": "classes",
    "grade": "tiers",
    "control": "controls",
    "inject": "injections",
    "crossmatch": "matches",
    "reconstruct": "reconstructions",
}

_ROOMS = {
    **dict.fromkeys(("calibrate", "classify", "grade", "control", "inject"), "judge"),
    "crossmatch": "context",
}


@dataclass(frozen=True)
class DatasetState:
    """How much of a dataset is there: files done, of other input or settings, missing, damaged."""

    stage: str
    dataset: str
    done: int
    stale: int
    missing: int
    damaged: int = 0


@sharing_ray()
@limit_threads()
def run_stages(
    store: Store, config: Config, tell: Callable[[str, Report], None], last: str | None = None
) -> list[Report]:
    """Run the stages in order, up to `last` or to the end.

    Parameters
    ----------
    store : Store
        Its lock must be held.
    config : Config
    tell : callable
        Told each stage's name and report as it ends.
    last : str, optional
        Name of the last stage to run.

    Raises
    ------
    UserError
        If the call, the source or the data root is wrong. A bad shard is in its report.
    """
    save_config(store, config)
    if config.run.source == "mock":
        make_mock(store, config)
    reports = []
    with store.ledger.closing():
        for stage in STAGES:
            report = getattr(_import_stage(stage), stage)(store, config)
            tell(stage, report)
            reports.append(report)
            if stage == last:
                break
    return reports


def make_mock(store: Store, config: Config) -> Path:
    """Make the mock survey of the settings below the data root, unless it is there."""
    folder = find_mock(store, config)
    if not folder.exists():
        for left in folder.parent.glob(f".{folder.name}-*"):
            shutil.rmtree(left)
        folder.with_name(f"{folder.name}-truth.parquet").unlink(missing_ok=True)
        write_mock(folder, config.mock)
    return folder


@limit_threads()
def write_mock(folder: Path, settings: MockSettings) -> None:
    """Write a mock survey to a new folder and its truth table beside it.

    Raises
    ------
    UserError
        If the folder exists, cannot be written, or the sizes make no survey.
    """
    from pipeline.spectra.mock.survey import make_survey

    try:
        with guard_root(folder):
            folder.parent.mkdir(parents=True, exist_ok=True)
            make_survey(
                folder,
                n_quasars=settings.quasars,
                n_pixels=settings.pixels,
                seed=settings.seed,
                progress=track_counts("mock"),
            )
    except (FileExistsError, ValueError) as error:
        raise UserError(f"mock survey: {error}") from None


def inspect_datasets(
    store: Store, config: Config, damaged: Collection[Path] = ()
) -> Iterator[DatasetState]:
    """Compare what is in the lake with what the settings and the source ask for.

    Parameters
    ----------
    store : Store
    config : Config
    damaged : collection of Path
        Files that are known not to hold what was written.
    """
    for stage, dataset in STAGES.items():
        if stage == "earlier" and not config.earlier.index:
            # There is nothing to compare with, so nothing is missing.
            continue
        try:
            planned = _list_planned(store, _import_stage(stage), config, dataset)
        except QadError:
            # Its input is not there yet, so neither is the plan.
            planned = {}
        states = Counter(
            "damaged"
            if path in damaged or path / MODEL_CARD in damaged
            else _look_up(store, path, fingerprint)
            for path, fingerprint in planned.items()
        )
        missing = states["missing"] if planned else 1
        yield DatasetState(
            stage, dataset, states["done"], states["stale"], missing, states["damaged"]
        )


def save_config(store: Store, config: Config) -> None:
    """Keep the resolved configuration, from which `qad status` knows what the lake should hold.

    The ledger's password is not kept: it comes from the environment or from PostgreSQL's own
    password file.
    """
    url = hide_password(choose_url(config.run.ledger_url))
    run = config.run.model_copy(update={"ledger_url": url})
    values = config.model_copy(update={"run": run}).model_dump(mode="json")
    with replacing(store.lake.config) as partial:
        partial.write_text(json.dumps(seal_values(values), indent=1) + "\n")


def read_saved_config(store: Store) -> Config:
    """Return the configuration of the last run.

    Raises
    ------
    UserError
        If nothing has run on this data root, or the file is damaged.
    """
    path = store.lake.config
    try:
        return Config.model_validate_json(
            json.dumps(open_values(path.read_bytes(), is_sealed=False))
        )
    except FileNotFoundError:
        raise UserError(f"{store.root}: no run has been made here; start with `qad run`") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not what a run wrote"
        raise UserError(f"{path}: damaged ({reason}); `qad run` writes it again") from None


def open_root(root: Path) -> Store:
    """Open a data root with the ledger that its last run wrote."""
    bare = Store(root)
    if not bare.lake.config.is_file():
        return bare
    run = read_saved_config(bare).run
    return Store(root, run.ledger_url, run.lake)


def open_existing_root(root: Path) -> Store:
    """Open a data root that must be there.

    Raises
    ------
    UserError
        If it is not, or is no folder.
    """
    require_folder(root)
    if not root.is_dir():
        raise UserError(f"{root}: no such data root; start with `qad run --root {root}`")
    return open_root(root)


def _import_stage(stage: str) -> ModuleType:
    return import_module(f"pipeline.{_ROOMS.get(stage, 'spectra.stages')}.{stage}")


def _list_planned(
    store: Store, module: ModuleType, config: Config, dataset: str
) -> dict[Path, str]:
    planned = module.plan(store, config)
    if isinstance(planned, dict):
        return planned
    return {store.lake.shard(dataset, task.shard): task.fingerprint for task in planned}


def _look_up(store: Store, path: Path, fingerprint: str) -> str:
    if exists(path / MODEL_CARD) or store.find_done(path, fingerprint):
        return "done"
    return "stale" if exists(path) else "missing"
