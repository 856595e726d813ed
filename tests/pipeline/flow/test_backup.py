"""Backups come back byte by byte, from a folder or a bucket; a damaged copy is refused."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from example_outcomes import DONE
from gate_datasets import MADE, make_gates
from loopback import BUCKET, bucket_environment

from catalog_schema.tables import GATES
from pipeline.cli.main import qad
from pipeline.config import Config
from pipeline.errors import UserError
from pipeline.flow.backup import back_up, restore
from pipeline.flow.root import Root
from pipeline.lake import files as lake_files
from pipeline.lake.files import list_files, locate, measure, replacing
from pipeline.lake.layout import Lake
from pipeline.lake.store import Store
from pipeline.ledger.books import Ledger

pytest_plugins = ["databases"]


@pytest.fixture
def root(store: Store) -> Path:
    """A data root with a lake, a model, a ledger, two releases and what is not to be kept."""
    files = {
        "models/abc/model.json": "{}",
        "models/abc/weights-0.safetensors": "w" * 3_000_000,
        "releases/0.1.0/SHA256SUMS": "one",
        "releases/0.1.0/hats/quasars/a.parquet": "same in both",
        "releases/0.2.0/a.parquet": "same in both",
        "releases/.0.3.0.partial/half": "no",
        "cache/catalogues/x.parquet": "no",
        "applied/run/scores": "no",
        "config.json": Config().model_dump_json(),
    }
    for name, text in files.items():
        path = store.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (store.root / "releases/0.1.0/SHA256SUMS").chmod(0o444)
    store.write(store.lake.table("gates"), make_gates(), GATES, **MADE)
    with store.ledger.closing() as ledger:
        ledger.record([DONE])
    return store.root


@pytest.fixture(params=["folder", "bucket"])
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Where backups go."""
    if request.param == "folder":
        return str(tmp_path / "backups")
    endpoint: str = request.getfixturevalue("endpoint")
    for name, value in bucket_environment(endpoint).items():
        monkeypatch.setenv(name, value)
    lake_files._connect.cache_clear()
    return f"s3://{BUCKET}/{tmp_path.name}/backups"


def read_files(root: Path) -> dict[str, bytes]:
    files = (path for path in root.rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


def test_everything_comes_back(root: Path, place: str, tmp_path: Path) -> None:
    backup = back_up(Root(root), place)
    assert restore(place, tmp_path / "new").name == backup.name
    kept = ("models/", "releases/0", "config.json")
    expected = {name: data for name, data in read_files(root).items() if name.startswith(kept)}
    found = read_files(tmp_path / "new")
    assert {name: found[name] for name in expected} == expected
    assert found.keys() - expected.keys() == {"ledger.sqlite", "lake.json"}
    assert (tmp_path / "new/releases/0.1.0/SHA256SUMS").stat().st_mode & 0o777 == 0o444
    with Ledger(tmp_path / "new/ledger.sqlite").closing() as copy:
        assert copy.outcomes() == Root(root).ledger.outcomes()


def test_the_list_of_the_lake_says_what_its_datasets_were(
    root: Path, place: str, tmp_path: Path
) -> None:
    store = Root(root)
    back_up(store, place)
    restore(place, tmp_path / "new")
    listed = json.loads((tmp_path / "new/lake.json").read_text())
    stamp = store.read_stamp(store.lake.table("gates"))
    assert stamp is not None
    assert list(listed) == ["lake/gates/gates.parquet"]
    assert listed["lake/gates/gates.parquet"]["content"] == stamp.content


def test_a_second_backup_sends_what_is_new(root: Path, place: str, tmp_path: Path) -> None:
    first = back_up(Root(root), place)
    assert back_up(Root(root), place).n_sent <= 1  # the ledger's copy may differ in its bytes
    (root / "releases/0.1.0/hats/new").write_text("new")
    (root / "models/abc/model.json").write_text("{1}")
    later = back_up(Root(root), place)
    assert 2 <= later.n_sent <= 3
    restore(place, tmp_path / "old", first.name)
    assert (tmp_path / "old/models/abc/model.json").read_text() == "{}"
    restore(place, tmp_path / "new")
    assert (tmp_path / "new/models/abc/model.json").read_text() == "{1}"


@pytest.mark.parametrize("spoil", ["flip", "remove"])
def test_damage_is_refused(root: Path, tmp_path: Path, spoil: str) -> None:
    place = tmp_path / "backups"
    back_up(Root(root), str(place))
    largest = max((place / "objects").rglob("*"), key=lambda p: p.stat().st_size)
    content = bytearray(largest.read_bytes())
    content[1234] ^= 1
    largest.write_bytes(content)
    if spoil == "remove":
        largest.unlink()
    with pytest.raises(UserError, match=largest.name + r" is (damaged|missing)"):
        restore(str(place), tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_what_was_cut_is_sent_again(root: Path, place: str, tmp_path: Path) -> None:
    back_up(Root(root), place)
    objects = locate(place) if place.startswith("s3://") else Path(place)
    largest = max(list_files(objects / "objects"), key=measure)
    with replacing(largest) as partial:
        partial.write_bytes(b"cut")
    assert back_up(Root(root), place).n_sent >= 1
    restore(place, tmp_path / "new")


def test_refusals(root: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is below the data root"):
        back_up(Root(root), str(root / "backups"))
    with pytest.raises(UserError, match="holds no backup"):
        restore(str(tmp_path / "nothing"), tmp_path / "new")
    back_up(Root(root), str(tmp_path / "backups"))
    with pytest.raises(UserError, match="has no backup 2001; it has 20"):
        restore(str(tmp_path / "backups"), tmp_path / "new", "2001")
    with pytest.raises(UserError, match="exists; restore into a new folder"):
        restore(str(tmp_path / "backups"), root)
    with Root(root).lock(), pytest.raises(UserError, match="another qad process"):
        back_up(Root(root), str(tmp_path / "backups"))


def test_a_ledger_in_postgresql_comes_back_there(
    root: Path, tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QAD_LEDGER_URL", postgres_url)
    with Ledger.of_lake(Lake(root), "").closing() as ledger:
        ledger.record([DONE])
        booked = ledger.outcomes()
    back_up(Root(root), str(tmp_path / "backups"))
    restore(str(tmp_path / "backups"), tmp_path / "new")
    with Ledger.of_lake(Lake(tmp_path / "new"), "").closing() as ledger:
        assert ledger.outcomes() == booked
    assert not (tmp_path / "new/ledger.sqlite").exists()
    (tmp_path / "new").rename(tmp_path / "moved")
    with pytest.raises(UserError, match="holds rows in shard_gate already"):
        restore(str(tmp_path / "backups"), tmp_path / "new")


def test_commands(root: Path, tmp_path: Path) -> None:
    run = CliRunner().invoke
    done = run(qad, ["backup", str(tmp_path / "b"), "--root", str(root)], catch_exceptions=False)
    assert "files, " in done.output
    again = ["restore", str(tmp_path / "b"), "--root", str(tmp_path / "new")]
    assert "all checksums right" in run(qad, again, catch_exceptions=False).output
    assert (tmp_path / "new/releases/0.2.0/a.parquet").is_file()


def rewrite_list(store: Store, place: Path, text: str) -> None:
    back_up(store, str(place))
    [listed] = (place / "backups").iterdir()
    listed.write_text(text)


ENTRY = {"sha256": "0" * 64, "n_bytes": 1, "is_read_only": False}


@pytest.mark.parametrize(
    "listed",
    [
        {"../outside": ENTRY},
        {"/etc/x": ENTRY},
        {"a": ENTRY, "a/b": ENTRY},
        {"a\0": ENTRY},
        {"a" * 300: ENTRY},
        {"a\\..\\b": ENTRY},
        {"Config.json": ENTRY, "config.json": ENTRY},
        {"a": ENTRY | {"sha256": "../../etc/passwd"}},
        {"a": 1},
        ["a"],
        7,
        {"a": ENTRY | {"n_bytes": "many"}},
    ],
)
def test_hostile_list_writes_nothing(
    root: Path, store: Store, tmp_path: Path, listed: object
) -> None:
    rewrite_list(store, tmp_path / "backups", json.dumps(listed))
    before = {path for path in tmp_path.rglob("*") if root not in path.parents}
    with pytest.raises(UserError, match=r"do not use it|is damaged"):
        restore(str(tmp_path / "backups"), tmp_path / "new")
    assert {path for path in tmp_path.rglob("*") if root not in path.parents} == before
