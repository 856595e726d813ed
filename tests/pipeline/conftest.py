"""A small survey, the lake that the whole pipeline makes of it, the command line, an S3 server."""

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from desi_tree import join_rows, make_rows, write_survey
from lake_runs import SMALL
from loopback import s3_endpoint
from once import make_once
from unprivileged import unprivileged

from pipeline.cli.main import main
from pipeline.config import Config, load_config
from pipeline.flow.data_path import run_stages
from pipeline.flow.root import Root
from pipeline.lake.store import Store
from pipeline.spectra.mock.survey import make_survey


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty data root."""
    return Root(tmp_path / "root")


@pytest.fixture(scope="session")
def survey(shared: Path) -> Path:
    """A tree with 45 quasars in two shards; not to be written to."""
    rows = join_rows(make_rows(30), make_rows(15, 1001, HEALPIX=205))
    return make_once(shared / "pipeline-survey", lambda root: write_survey(root, rows))


@pytest.fixture(scope="session")
def config(survey: Path) -> Config:
    """Settings that make every stage small."""
    return load_config(None, SMALL, source=str(survey))


@pytest.fixture(scope="session")
def finished(shared: Path, config: Config, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """The lake after every stage; not to be written to."""

    def run(root: Path) -> None:
        store = Root(root)
        with store.lock():
            run_stages(store, config, lambda name, report: None)

    made = make_once(shared / "pipeline-root", run)
    return Root(Path(shutil.copytree(made, tmp_path_factory.mktemp("finished") / "root")))


@pytest.fixture
def lake(finished: Store, tmp_path: Path) -> Store:
    """A copy of the finished lake, to be spoilt."""
    return Root(Path(shutil.copytree(finished.root, tmp_path / "lake")))


@pytest.fixture(scope="session")
def mock_survey(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tree of a mock survey with two shards; copy it before changing it."""
    tree = tmp_path_factory.mktemp("small") / "survey"
    make_survey(tree, n_quasars=30, n_pixels=2, seed=1)
    return tree


@pytest.fixture
def call(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Call the command line in this process; return its exit code and output."""

    def run(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["qad", *map(str, words)])
        with pytest.raises(SystemExit) as end:
            main()
        captured = capsys.readouterr()
        assert isinstance(end.value.code, int)
        return end.value.code, captured.out, captured.err

    return run


@pytest.fixture(scope="session")
def endpoint() -> Iterator[str]:
    """Address of an S3 server on the loopback interface."""
    with s3_endpoint() as address:
        yield address


@pytest.fixture
def unwritable() -> Iterator[Path]:
    """A folder that this process may enter but not write to."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o555)
        try:
            with unprivileged():
                yield folder
        finally:
            folder.chmod(0o755)
