"""Runs whose lake is in a bucket: the release of a local run, killed or not, on any machine."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from lake_runs import SMALL
from loopback import BUCKET, FaultyProxy, bucket_environment, faulty_proxy, list_keys
from postgres_server import Server

pytest_plugins = ["databases"]
pytestmark = pytest.mark.slow
QAD = Path(sys.executable).with_name("qad")
Run = subprocess.CompletedProcess[str]


def name_run(survey: Path, root: Path, *settings: str) -> list[str]:
    sets = [word for setting in (*SMALL, *settings) for word in ("--set", setting)]
    run = ["run", "--source", str(survey), "--root", str(root), "--version", "0.1.0"]
    return [str(QAD), *run, *sets]


def sums(root: Path) -> str:
    return (root / "releases" / "0.1.0" / "SHA256SUMS").read_text()


@pytest.fixture(scope="module")
def expected(survey: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Checksums of the release that a local run makes."""
    root = tmp_path_factory.mktemp("local") / "root"
    subprocess.run(name_run(survey, root), check=True, capture_output=True, timeout=300)
    return sums(root)


@pytest.fixture
def proxy(endpoint: str) -> Iterator[FaultyProxy]:
    with faulty_proxy(endpoint) as server:
        yield server


@pytest.fixture
def environment(proxy: FaultyProxy, postgres_url: str) -> dict[str, str]:
    """What a machine needs to take part: keys, the server, the ledger."""
    return {**os.environ, **bucket_environment(proxy.url), "QAD_LEDGER_URL": postgres_url}


@pytest.fixture
def qad(survey: Path, tmp_path: Path, environment: dict[str, str]) -> Callable[..., Run]:
    """Run on the bucket with a root of one's own."""
    lake = f"run.lake=s3://{BUCKET}/{tmp_path.name}"

    def run(root: str, *settings: str) -> Run:
        command = name_run(survey, tmp_path / root, lake, *settings)
        return subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=300, env=environment
        )

    return run


def test_release_is_that_of_a_local_run(
    qad: Callable[..., Run], expected: str, tmp_path: Path, environment: dict[str, str],
    endpoint: str,
) -> None:  # fmt: skip
    done = qad("one")
    assert done.returncode == 0, done.stdout + done.stderr
    assert sums(tmp_path / "one") == expected
    left = {path.name for path in (tmp_path / "one").iterdir()}
    assert left == {".lock", "config.json", "releases"}
    kinds = {key.split("/")[2] for key in list_keys(endpoint, f"{tmp_path.name}/lake/")}
    assert kinds == {
        "candidates", "targets", "files", "index", "coadds", "restframe", "scores", "tiers",
        "significance",
        "matches", "catalogues", "controls", "injections", "measurements", "classes",
        "judged", "evidence", "reconstructions",
    }  # fmt: skip
    again = qad("two", "run.workers=2")
    assert again.returncode == 0, again.stderr
    stages = [line for line in again.stdout.splitlines() if " made, " in line]
    assert all(" 0 made, " in line for line in stages), again.stdout
    assert sums(tmp_path / "two") == expected
    status = [str(QAD), "status", "--root", str(tmp_path / "one")]
    shown = subprocess.run(status, capture_output=True, text=True, check=True, env=environment)
    assert f"s3://{BUCKET}/{tmp_path.name}" in shown.stdout
    rows = [line.split() for line in shown.stdout.splitlines()[3:12]]
    assert all(row[2:] == ["0", "0"] for row in rows), shown.stdout
    for path in (tmp_path / "one").rglob("*.json"):
        assert "secret" not in path.read_text()
        assert "correct-horse" not in path.read_text()


def test_model_in_the_bucket_scores_other_spectra(
    qad: Callable[..., Run], survey: Path, tmp_path: Path, environment: dict[str, str],
    endpoint: str,
) -> None:  # fmt: skip
    assert qad("root").returncode == 0
    [card] = [key for key in list_keys(endpoint, tmp_path.name) if key.endswith("/model.json")]
    model, lake = card.split("/")[2], f"run.lake=s3://{BUCKET}/{tmp_path.name}"
    words = ["--model", model, "--source", str(survey), "--root", str(tmp_path / "other")]
    words += ["--set", lake]
    scored = subprocess.run(
        [str(QAD), "score", *words], capture_output=True, text=True, check=False,
        env=environment, timeout=120,
    )  # fmt: skip
    assert scored.returncode == 0, scored.stderr
    path = Path(scored.stdout.split("results")[1].strip())
    assert path.is_relative_to(tmp_path / "other" / "applied")
    assert pq.read_table(path).num_rows > 40


def test_ray_workers_make_the_same_release(
    qad: Callable[..., Run], expected: str, tmp_path: Path
) -> None:
    done = qad("root", "run.workers=2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert sums(tmp_path / "root") == expected


def test_another_machine_ends_what_killed_runs_began(
    qad: Callable[..., Run], expected: str, tmp_path: Path, survey: Path, endpoint: str,
    environment: dict[str, str],
) -> None:  # fmt: skip
    lake = f"run.lake=s3://{BUCKET}/{tmp_path.name}"
    for appears in ("/lake/coadds/", "/models/.", "/lake/scores/"):
        killed = subprocess.Popen(
            name_run(survey, tmp_path / "killed", lake), env=environment, start_new_session=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        deadline = time.monotonic() + 200
        while time.monotonic() < deadline and killed.poll() is None:
            if any(appears in key for key in list_keys(endpoint, tmp_path.name)):
                break
            time.sleep(0.01)
        os.killpg(killed.pid, signal.SIGKILL)
        assert killed.wait() == -signal.SIGKILL, f"the run ended before {appears} was seen"
    resumed = qad("other")
    assert resumed.returncode == 0, resumed.stderr
    assert sums(tmp_path / "other") == expected


def test_bucket_that_refuses_writes_ends_the_run_which_resumes(
    qad: Callable[..., Run], expected: str, tmp_path: Path, proxy: FaultyProxy, endpoint: str
) -> None:
    proxy.fails = lambda method, url: 403 if method == "PUT" and "/restframe/" in url else None
    done = qad("root")
    assert done.returncode == 2
    assert "error: cannot write s3://" in done.stderr
    assert "Traceback" not in done.stderr
    assert not any("/restframe/" in key for key in list_keys(endpoint, tmp_path.name))
    proxy.fails = lambda *_: None
    mended = qad("root")
    assert mended.returncode == 0, mended.stderr
    assert sums(tmp_path / "root") == expected


def test_postgresql_restarted_mid_run(
    qad: Callable[..., Run], expected: str, tmp_path: Path, proxy: FaultyProxy, postgres: Server
) -> None:
    restarted: list[str] = []

    def restart_once(method: str, url: str) -> None:
        if method == "PUT" and "/coadds/" in url and not restarted:
            restarted.append(url)
            postgres.stop("immediate")
            postgres.start()

    proxy.fails = restart_once
    done = qad("root")
    assert done.returncode == 0, done.stderr
    assert restarted
    assert sums(tmp_path / "root") == expected
