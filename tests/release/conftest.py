"""A small lake and its release, made once and copied for every test."""

import os
import shutil
from pathlib import Path

import pytest
from synthetic_lake import write_lake

from pipeline.config import Config
from pipeline.store import Store
from release.build import build

# The Hub's client reads these once, when it is imported; its Xet protocol has no stand-in.
os.environ.update(HF_HUB_DISABLE_XET="1", HF_HUB_DISABLE_TELEMETRY="1")


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root with three shards, 60 scored spectra of 57 objects, and release 0.1.0."""
    store = write_lake(tmp_path_factory.mktemp("template") / "root")
    build(store, Config(), "0.1.0")
    return store.root


@pytest.fixture
def config() -> Config:
    """The default settings, which the lake's tiers follow."""
    return Config()


@pytest.fixture
def store(template: Path, tmp_path: Path) -> Store:
    """The lake without a release."""
    root = tmp_path / "root"
    shutil.copytree(template, root, ignore=shutil.ignore_patterns("releases"))
    return Store(root)


@pytest.fixture
def released(template: Path, store: Store) -> Path:
    """A fresh release of the lake."""
    shutil.copytree(template / "releases", store.root / "releases")
    return store.root / "releases" / "0.1.0"
