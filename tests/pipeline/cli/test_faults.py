"""Every fault of the command line is one line and an exit code, and nothing is half-written."""

import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from forked import start_qad
from lake_runs import get_stage
from unprivileged import unprivileged

from pipeline.config import Config
from pipeline.flow.data_path import run_stages
from pipeline.flow.root import Root, save_config
from pipeline.lake.store import Store

Call = Callable[..., tuple[int, str, str]]


def assert_line(ended: tuple[int, str, str], code: int = 2) -> str:
    """Return the one line of a fault."""
    found, _, err = ended
    [line] = err.splitlines()
    assert (found, line.startswith("error: ")) == (code, True), err
    return line


def make_file(path: Path) -> None:
    path.write_text("something")


def make_loop(path: Path) -> None:
    path.symlink_to(path)


PLACES: dict[str, Callable[[Path], object]] = {
    "file": make_file,
    "below a file": lambda path: make_file(path.parent / "is-file"),
    "loop of links": make_loop,
    "too long": lambda path: None,
}
COMMANDS = {
    "status": ["status"],
    "verify": ["lake", "verify"],
    "backup": ["backup", "OUT"],
    "target": ["target", "--source", "SURVEY"],
    "run": ["run", "--version", "0.1.0", "--source", "SURVEY"],
    "build": ["release", "build", "--version", "0.1.0"],
    "rank": ["rank"],
    "export of reviews": ["review", "export", "--to", "OUT"],
    "model export": ["model", "export", "abc", "--to", "OUT"],
    "score": ["score", "--model", "abc", "--source", "SURVEY"],
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("command", COMMANDS)
def test_root_that_is_no_folder(
    call: Call, survey: Path, tmp_path: Path, command: str, place: str
) -> None:
    names = {"file": "root", "loop of links": "root", "below a file": "is-file/root"}
    root = tmp_path / names.get(place, "a" * 300)
    PLACES[place](root if place != "below a file" else tmp_path / "root")
    words = {"OUT": tmp_path / "out", "SURVEY": survey}
    before = sorted(tmp_path.rglob("*"))
    assert_line(call(*(words.get(word, word) for word in COMMANDS[command]), "--root", root))
    assert sorted(tmp_path.rglob("*")) == before


GARBAGE = [
    "",
    "[]",
    "7",
    '"x"',
    "null",
    "{",
    '{"run": 7}',
    '{"run": {"source": []}}',
    "\xff\xfe",
    "[" * 5000,
]


@pytest.mark.parametrize("text", GARBAGE, ids=[ascii(text)[:20] for text in GARBAGE])
def test_garbage_in_the_configuration_of_the_last_run(call: Call, store: Store, text: str) -> None:
    store.root.mkdir(exist_ok=True)
    store.lake.config.write_bytes(text.encode("latin-1"))
    assert "config.json" in assert_line(call("status", "--root", store.root))
    assert "config.json" in assert_line(call("lake", "verify", "--root", store.root))


@pytest.mark.parametrize(
    "text",
    [*GARBAGE, '{"id": "../x"}', '{"id": "a", "files": 7}'],
    ids=lambda text: ascii(text)[:20],
)
def test_garbage_in_the_card_of_a_model(
    call: Call, survey: Path, tmp_path: Path, text: str
) -> None:
    model = tmp_path / "model"
    model.mkdir()
    (model / "model.json").write_bytes(text.encode("latin-1"))
    for words in (
        ["model", "export", model, "--to", tmp_path / "out"],
        ["score", "--model", model, "--source", survey],
    ):
        assert "model.json" in assert_line(call(*words, "--root", tmp_path / "root"))


@pytest.mark.parametrize("text", ["garbage", "SQLite format 3\0garbage"])
def test_garbage_in_the_ledger(call: Call, lake: Store, text: str) -> None:
    for path in lake.root.glob("ledger.sqlite*"):
        path.unlink()
    lake.lake.ledger.write_text(text * 200)
    for words in (["status"], ["status", "--failed"]):
        assert "ledger" in assert_line(call(*words, "--root", lake.root))
    assert "ledger" in assert_line(call("lake", "verify", "--root", lake.root), code=1)


def test_folder_in_the_place_of_a_file(call: Call, lake: Store, tmp_path: Path) -> None:
    path = next(lake.lake.datasets.glob("tiers/*.parquet"))
    path.unlink()
    path.mkdir()
    assert call("status", "--root", lake.root)[0] == 0
    lake.lake.config.unlink()
    lake.lake.config.mkdir()
    assert "config.json" in assert_line(call("status", "--root", lake.root))
    make_file(tmp_path / "file")
    for words in (["status", "--export", tmp_path / "file"], ["backup", tmp_path / "file"]):
        assert_line(call(*words, "--root", lake.root))


SETTINGS = [
    "foo",
    "a=1",
    "=",
    "a.b",
    "train=7",
    "train.epochs=x",
    "train.epochs=[[[",
    "train.epochs=-1",
    "run.seed=99999999999999999999999",
    "train.learning_rate=inf",
    "train.learning_rate=nan",
    "run.workers=1e400",
    "run.lake=../x",
    "run.ledger_url=garbage",
    "crossmatch.catalogues=7",
    "train.epochs=" + "[" * 2000,
    "\udcff.b=1",
]


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda text: ascii(text)[:30])
def test_settings_that_are_none(call: Call, survey: Path, tmp_path: Path, setting: str) -> None:
    words = ("target", "--source", survey, "--root", tmp_path / "root", "--set", setting)
    assert_line(call(*words))
    assert not (tmp_path / "root" / "lake").exists()


@pytest.mark.parametrize(
    "words",
    [
        ["nonsense"],
        ["status", "--nonsense"],
        ["run"],
        ["release", "validate", "/dev/null"],
        ["release", "validate", "NOTHING"],
        ["release", "diff", "/dev/null", "NOTHING"],
        ["restore", "/dev/null", "--root", "NOTHING"],
        ["restore", "NOTHING", "--root", "NOTHING"],
        ["mock", "--to", "/dev/null", "--quasars", "4", "--pixels", "1"],
        ["target", "--config", "/"],
        ["target", "--config", "/dev/null/x"],
        ["release", "fetch", "http://127.0.0.1:9/0.1.0", "--into", "/dev/null"],
        ["release", "publish", "/dev/null", "--to", "s3://nothing/here"],
    ],
)
def test_calls_that_cannot_be(call: Call, tmp_path: Path, words: list[str]) -> None:
    ended = call(*(str(tmp_path / "nothing") if word == "NOTHING" else word for word in words))
    assert_line(ended, code=ended[0] or 2)
    assert ended[0] in (1, 2)


def test_status_is_told_after_every_stage(
    call: Call, config: Config, survey: Path, store: Store
) -> None:
    for stage in ("target", "adopt", "acquire", "extract", "preprocess"):
        with store.lock():
            run_stages(store, config, lambda name, report: None, last=stage)
        code, out, err = call("status", "--root", store.root)
        assert (code, err) == (0, "")
        done = {line.split()[0]: line.split()[1:4] for line in out.splitlines() if line[:1].strip()}
        assert done[get_stage(stage).dataset.name][1:] == ["0", "0"]
    for path in store.lake.datasets.iterdir():
        shutil.rmtree(path)
        assert call("status", "--root", store.root)[0] == 0


@pytest.fixture
def read_only(finished: Store, config: Config, survey: Path) -> Iterator[Path]:
    """A finished data root in which nothing may be written, by this process either."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(shutil.copytree(finished.root, Path(name) / "root"))
        Path(name).chmod(0o755)
        source = str(shutil.copytree(survey, Path(name) / "survey"))
        run = config.run.model_copy(update={"source": source})
        save_config(Root(root), config.model_copy(update={"run": run}))
        for path in [root, *root.rglob("*")]:
            path.chmod(0o555 if path.is_dir() else 0o444)
        try:
            with unprivileged():
                yield root
        finally:
            for path in [root, *root.rglob("*")]:
                path.chmod(0o755)


def test_read_only_root_is_read_and_not_written(call: Call, read_only: Path) -> None:
    for words in (["status"], ["status", "--failed"], ["lake", "verify"]):
        code, out, err = call(*words, "--root", read_only)
        assert (code, err) == (0, ""), err
        assert out
    written = (
        ["target", "--source", read_only.parent / "survey"],
        ["backup", "/proc/nothing"],
        ["rank"],
        ["release", "build", "--version", "0.1.0"],
    )
    for words in written:
        assert_line(call(*words, "--root", read_only))


def test_reader_that_leaves_is_no_traceback(finished: Store) -> None:
    qad = [sys.executable, "-c", "from pipeline.cli.main import main; main()"]
    done = subprocess.Popen(
        [*qad, "status", "--root", str(finished.root)],
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert done.stdout is not None
    assert done.stderr is not None
    done.stdout.close()
    assert done.stderr.read() == ""
    assert done.wait() == 1
    with open("/dev/full", "w") as full:
        ended = subprocess.run(
            [*qad, "--help"], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)
    plain = {**os.environ, "PYTHONIOENCODING": "ascii", "LC_ALL": "C", "PYTHONUTF8": "0"}
    words = ["target", "--root", "/dev/null/\u03b1\n\u00e5", "--source", "\u212b"]
    ended = subprocess.run([*qad, *words], env=plain, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)


def limit_memory(n_bytes: int) -> Callable[[], None]:
    return lambda: resource.setrlimit(resource.RLIMIT_AS, (n_bytes, n_bytes))


@pytest.mark.parametrize("n_bytes", [2**28, 2**29, 2**30])
def test_memory_that_is_too_small_is_one_line(finished: Store, n_bytes: int) -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "from pipeline.cli.main import main; main()",
            "lake",
            "verify",
            "--root",
            str(finished.root),
        ],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=limit_memory(n_bytes),
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
    )
    assert "Traceback" not in done.stderr
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "memory" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_is_one_line_and_leaves_nothing_behind(
    survey: Path, tmp_path: Path, number: signal.Signals
) -> None:
    root, err = tmp_path / "root", tmp_path / "err"
    words = ("preprocess", "--source", survey, "--root", root)
    process = start_qad(*words, stderr=err)
    while not list(root.glob("lake/targets/**/*.parquet")) and process.is_alive():
        time.sleep(0.01)
    assert process.pid is not None
    os.kill(process.pid, number)
    process.join(60)
    assert process.exitcode == 128 + number
    [line] = [line for line in err.read_text().splitlines() if line]
    assert number.name in line
    assert not list(root.rglob(".*.tmp"))
    assert not list(root.rglob("*.partial"))
