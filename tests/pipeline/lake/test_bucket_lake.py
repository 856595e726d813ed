"""Runs whose lake is in a bucket: the release of a local run, killed or not, on any machine."""

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from subprocess import CompletedProcess

import pyarrow.parquet as pq
import pytest
from forked import run_qad, start_qad
from lake_runs import SMALL
from loopback import BUCKET, FaultyProxy, bucket_environment, faulty_proxy, list_keys
from postgres_server import Server

from pipeline.config import Config
from pipeline.flow.root import Root
from pipeline.lake.store import Store
from release.build import build

pytest_plugins = ["databases"]
pytestmark = pytest.mark.slow
Run = CompletedProcess[str]


@dataclass(frozen=True)
class Bucket:
    """A lake in the bucket, and what a machine needs to take part: keys, the server, the ledger."""

    survey: Path
    folder: Path
    environment: dict[str, str]

    @property
    def lake(self) -> str:
        return f"run.lake=s3://{BUCKET}/{self.folder.name}"

    def name_run(self, root: str, *settings: str) -> list[str]:
        sets = [word for one in (*SMALL, self.lake, *settings) for word in ("--set", one)]
        words = ["run", "--source", str(self.survey), "--root", str(self.folder / root)]
        return [*words, "--version", "0.1.0", *sets]

    def run(self, root: str, *settings: str) -> Run:
        """Run with a root of one's own."""
        return run_qad(*self.name_run(root, *settings), env=self.environment)


def sums(root: Path) -> str:
    return (root / "releases" / "0.1.0" / "SHA256SUMS").read_text()


@pytest.fixture(scope="module")
def expected(finished: Store, config: Config, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Checksums of the release that a local run makes."""
    root = Path(shutil.copytree(finished.root, tmp_path_factory.mktemp("local") / "root"))
    build(Root(root), config, "0.1.0")
    return sums(root)


@pytest.fixture(scope="module")
def made(
    survey: Path, endpoint: str, postgres: Server, tmp_path_factory: pytest.TempPathFactory
) -> Bucket:
    """A bucket after a run with two Ray workers, which had the root `one`."""
    folder = tmp_path_factory.mktemp("bucket")
    ledger = {"QAD_LEDGER_URL": postgres.make_database(folder.name)}
    bucket = Bucket(survey, folder, {**os.environ, **bucket_environment(endpoint), **ledger})
    done = bucket.run("one", "run.workers=2")
    assert done.returncode == 0, done.stdout + done.stderr
    return bucket


@pytest.fixture
def proxy(endpoint: str) -> Iterator[FaultyProxy]:
    with faulty_proxy(endpoint) as server:
        yield server


@pytest.fixture
def bucket(survey: Path, tmp_path: Path, proxy: FaultyProxy, postgres_url: str) -> Bucket:
    """An empty bucket behind a proxy."""
    ledger = {"QAD_LEDGER_URL": postgres_url}
    return Bucket(survey, tmp_path, {**os.environ, **bucket_environment(proxy.url), **ledger})


def test_ray_workers_make_the_release_of_a_local_run(
    made: Bucket, expected: str, endpoint: str
) -> None:
    root = made.folder / "one"
    assert sums(root) == expected
    assert {path.name for path in root.iterdir()} == {".lock", "config.json", "releases"}
    kinds = {key.split("/")[2] for key in list_keys(endpoint, f"{made.folder.name}/lake/")}
    assert kinds == {
        "candidates",
        "targets",
        "files",
        "index",
        "coadds",
        "restframe",
        "scores",
        "tiers",
        "significance",
        "matches",
        "catalogues",
        "controls",
        "injections",
        "measurements",
        "classes",
        "judged",
        "evidence",
        "reconstructions",
    }
    for path in root.rglob("*.json"):
        assert "secret" not in path.read_text()
        assert "correct-horse" not in path.read_text()


def test_another_machine_finds_everything_done(made: Bucket, expected: str) -> None:
    again = made.run("two")
    assert again.returncode == 0, again.stderr
    stages = [line for line in again.stdout.splitlines() if " made, " in line]
    assert all(" 0 made, " in line for line in stages), again.stdout
    assert sums(made.folder / "two") == expected
    shown = run_qad("status", "--root", made.folder / "one", env=made.environment)
    assert f"s3://{BUCKET}/{made.folder.name}" in shown.stdout
    rows = [line.split() for line in shown.stdout.splitlines()[3:12]]
    assert all(row[2:] == ["0", "0", "0"] for row in rows), shown.stdout


def test_model_in_the_bucket_scores_other_spectra(made: Bucket, endpoint: str) -> None:
    found = list_keys(endpoint, made.folder.name)
    [card] = [key for key in found if key.endswith("/model.json")]
    scored = run_qad(
        "score",
        "--model",
        card.split("/")[2],
        "--source",
        made.survey,
        "--root",
        made.folder / "other",
        "--set",
        made.lake,
        env=made.environment,
    )
    assert scored.returncode == 0, scored.stderr
    path = Path(scored.stdout.split("results")[1].strip())
    assert path.is_relative_to(made.folder / "other" / "applied")
    assert pq.read_table(path).num_rows > 40


def test_another_machine_ends_what_killed_runs_began(
    bucket: Bucket, expected: str, proxy: FaultyProxy
) -> None:
    for written in ("/lake/coadds/", "/models/.", "/lake/scores/"):
        killed = start_qad(*bucket.name_run("killed"), env=bucket.environment)
        proxy.fails = kill_at_write(killed, written)
        killed.join(200)
        assert killed.exitcode == -signal.SIGKILL, f"the run ended before it wrote {written}"
    proxy.fails = lambda *_: None
    resumed = bucket.run("other")
    assert resumed.returncode == 0, resumed.stderr
    assert sums(bucket.folder / "other") == expected


def kill_at_write(process: ForkServerProcess, written: str) -> Callable[[str, str], None]:
    """Kill a run when it first writes such a key, which is kept."""

    def look(method: str, url: str) -> None:
        if method == "PUT" and written in url and process.is_alive():
            os.killpg(process.pid, signal.SIGKILL)

    return look


def test_refused_writes_end_the_run_which_resumes_though_postgresql_restarts(
    bucket: Bucket, expected: str, proxy: FaultyProxy, endpoint: str, postgres: Server
) -> None:
    proxy.fails = lambda method, url: 403 if is_window(method, url) else None
    done = bucket.run("root")
    assert done.returncode == 2
    assert "error: cannot write s3://" in done.stderr
    assert "Traceback" not in done.stderr
    assert not any("/restframe/" in key for key in list_keys(endpoint, bucket.folder.name))
    restarted: list[str] = []
    proxy.fails = restart_once(postgres, restarted)
    mended = bucket.run("root")
    assert mended.returncode == 0, mended.stderr
    assert restarted
    assert sums(bucket.folder / "root") == expected


def is_window(method: str, url: str) -> bool:
    return method == "PUT" and "/restframe/" in url


def restart_once(postgres: Server, restarted: list[str]) -> Callable[[str, str], None]:
    """Crash and start the server when the first windows are written."""

    def look(method: str, url: str) -> None:
        if is_window(method, url) and not restarted:
            restarted.append(url)
            postgres.stop("immediate")
            postgres.start()

    return look
