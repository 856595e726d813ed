"""A small survey, the lake that the whole pipeline makes of it, and an S3 server."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from desi_tree import join_rows, make_rows, write_survey
from lake_runs import SMALL
from loopback import s3_endpoint

from pipeline.config import Config, load_config
from pipeline.mock.survey import make_survey
from pipeline.stages import run_stages
from pipeline.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty data root."""
    return Store(tmp_path / "root")


@pytest.fixture(scope="session")
def survey(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tree with 45 quasars in two shards."""
    root = tmp_path_factory.mktemp("survey") / "dr1"
    write_survey(root, join_rows(make_rows(30), make_rows(15, 1001, HEALPIX=205)))
    return root


@pytest.fixture(scope="session")
def config(survey: Path) -> Config:
    """Settings that make every stage small."""
    return load_config(None, SMALL, source=str(survey))


@pytest.fixture(scope="session")
def finished(survey: Path, config: Config, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """The lake after every stage; not to be written to."""
    store = Store(tmp_path_factory.mktemp("finished") / "root")
    with store.lock():
        run_stages(store, config, lambda name, report: None)
    return store


@pytest.fixture
def lake(finished: Store, tmp_path: Path) -> Store:
    """A copy of the finished lake, to be spoilt."""
    return Store(Path(shutil.copytree(finished.root, tmp_path / "lake")))


@pytest.fixture(scope="session")
def mock_survey(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tree of a mock survey with two shards; copy it before changing it."""
    tree = tmp_path_factory.mktemp("small") / "survey"
    make_survey(tree, n_quasars=30, n_pixels=2, seed=1)
    return tree


@pytest.fixture(scope="session")
def endpoint() -> Iterator[str]:
    """Address of an S3 server on the loopback interface."""
    with s3_endpoint() as address:
        yield address
