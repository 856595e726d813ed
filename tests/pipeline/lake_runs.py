"""How the tests run the stages that read the source, and what they compare."""

from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa

from catalog_schema.vocabulary import ShardState
from pipeline.config import Config, load_config
from pipeline.flow.data_path import run_stages, start_run
from pipeline.flow.report import Report
from pipeline.flow.root import Root
from pipeline.flow.runner import run_stage
from pipeline.lake.layout import Shard
from pipeline.lake.store import Stamp, Store
from pipeline.run import Run
from pipeline.spectra.data_path import LOOSE, SPECTRA, TO_FILES
from pipeline.spectra.model.training_windows import Windows, open_windows
from pipeline.stage import Stage

# Settings that make every stage small.
SMALL = (
    "target.z_min=1.5",
    "target.z_max=1.9",
    "target.validation_fraction=0.25",
    "preprocess.log10_step=4e-4",
    "train.folds=2",
    "train.latent=3",
    "train.basis=6",
    "train.hidden=16",
    "train.channels=4",
    "train.epochs=4",
    "train.warmup_epochs=2",
    "train.batch_size=16",
    "train.threads=1",
    "score.trees=20",
    "train.min_support=3",
    "calibrate.neighbours=20",
    "inject.hosts=3",
    "inject.strengths=[10.0,300.0]",
    "reconstruct.reference_sample=5",
    "classify.hosts=6",
    "classify.rivals=2",
    "classify.map_anchors=30",
    "classify.bootstraps=2",
)
FAST = ("acquire.backoff_s=0.01", "acquire.max_attempts=4", "acquire.timeout_s=5")


def make_config(source: str | Path, *overrides: str) -> Config:
    """Return settings that give up early."""
    return load_config(None, (*FAST, *overrides), source=str(source))


def run_one(root: Root, config: Config, stage: str) -> Report:
    """Run one stage on what the stages before it have made."""
    return run_stage(start_run(root, config), get_stage(stage))


def get_stage(name: str) -> Stage:
    """Return a stage of the data path."""
    return SPECTRA[name]


def find_model_id(root: Root, config: Config) -> str:
    """Return the id of the model that the settings make of the root's windows."""
    return start_run(root, config).model_id


def finished_shards(root: Root, stage: str) -> list[Shard]:
    """List the shards that a stage has finished, in order."""
    done = (o for o in root.ledger.outcomes(stage) if o.state is ShardState.DONE)
    return sorted(outcome.shard for outcome in done)


def read_shards(
    root: Root, dataset: str, shards: Iterable[Shard], columns: list[str] | None = None
) -> dict[Shard, pa.Table]:
    """Read shards of a dataset."""
    return {shard: root.read(root.lake.shard(dataset, shard), columns) for shard in shards}


def ingest_files(root: Root, source: Path, redshifts: Path | None = None) -> Report:
    """Lay out the spectra of loose files."""
    config = Config()
    place = {"source": str(source), "redshifts": str(redshifts or "")}
    config = config.model_copy(update={"run": config.run.model_copy(update=place)})
    return run_stage(Run(root, root.ledger, config, TO_FILES), LOOSE)


def read_windows(root: Root) -> Windows:
    """Return the core quasars' windows of a root."""
    shards = finished_shards(root, "preprocess")
    paths = [root.lake.shard("restframe", shard) for shard in shards]
    with open_windows(root, paths, on_scratch=False) as windows:
        return windows


def extract_lake(source: str | Path, root: Path, *overrides: str) -> Store:
    """Run the stages up to `extract`."""
    store = Root(root)
    with store.lock():
        run_stages(store, make_config(source, *overrides), lambda *_: None, "extract")
    return store


def read_all(store: Store, dataset: str) -> pa.Table:
    """Return the rows of a sharded dataset, shards in order."""
    paths = sorted(store.lake.dataset(dataset).rglob("*.parquet"))
    return pa.concat_tables([store.read(path) for path in paths])


def list_stamps(store: Store, *datasets: str) -> dict[str, Stamp]:
    """Return the stamps of datasets by path below the lake."""
    lake = store.lake.datasets
    paths = sorted(path for name in datasets for path in (lake / name).rglob("*.parquet"))
    return {path.relative_to(lake).as_posix(): store.read_stamp(path) for path in paths}


def list_contents(store: Store) -> dict[str, str]:
    """Return the content digests of what does not name the source's files."""
    return {path: stamp.content for path, stamp in list_stamps(store, "targets", "coadds").items()}
