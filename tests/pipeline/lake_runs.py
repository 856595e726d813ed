"""How the tests run the stages that read the source, and what they compare."""

from pathlib import Path

import pyarrow as pa

from pipeline.config import Config, load_config
from pipeline.flow.stages import run_stages
from pipeline.lake.store import Stamp, Store

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


def extract_lake(source: str | Path, root: Path, *overrides: str) -> Store:
    """Run the stages up to `extract`."""
    store = Store(root)
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
