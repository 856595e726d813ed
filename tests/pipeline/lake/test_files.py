"""Files in a bucket: whole or absent, whatever the server does; locations that say no secret."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from gate_datasets import MADE, make_gates
from loopback import (
    BUCKET,
    FaultyProxy,
    bucket_environment,
    faulty_proxy,
    list_keys,
    make_client,
)
from tls import make_certificate, serve_tls

from catalog_schema.tables import GATES
from pipeline.errors import DataError, UserError
from pipeline.flow.root import Root
from pipeline.lake import files as lake_files
from pipeline.lake.files import (
    exists,
    local_folder,
    locate,
    measure,
    opening,
    remove,
    replacing,
    replacing_folder,
    show,
)
from pipeline.lake.store import Store


@pytest.fixture
def proxy(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyProxy]:
    """The S3 server as the code under test sees it."""
    with faulty_proxy(endpoint) as server:
        for name, value in bucket_environment(server.url).items():
            monkeypatch.setenv(name, value)
        # The pauses between attempts double.
        monkeypatch.setattr(lake_files, "_ATTEMPTS", 4)
        lake_files._connect.cache_clear()
        yield server
    lake_files._connect.cache_clear()


@pytest.fixture
def store(tmp_path: Path, proxy: FaultyProxy) -> Store:
    return Root(tmp_path / "root", lake_url=f"s3://{BUCKET}/{tmp_path.name}")


@pytest.fixture
def path(store: Store) -> Path:
    return store.lake.table("gates")


def list_lake(store: Store, endpoint: str) -> list[str]:
    return list_keys(endpoint, f"{store.root.parent.name}/")


def test_a_location_names_bucket_and_prefix() -> None:
    assert str(locate("s3://bucket")) == "s3:/bucket"
    assert show(locate("s3://bucket/a/b/") / "lake") == "s3://bucket/a/b/lake"
    assert show(Path("/data/lake")) == "/data/lake"


@pytest.mark.parametrize(
    "url",
    [
        "s3:bucket",
        "s3://",
        "s3:///key",
        "https://host/bucket",
        "s3://key:hunter2@bucket/prefix",
        "s3://bucket/prefix?secret_key=hunter2",
        "s3://bucket/../other",
    ],
)
def test_other_locations_are_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(UserError, match="s3://BUCKET/PREFIX") as caught:
        locate(url)
    assert "hunter2" not in str(caught.value)


def test_round_trip(store: Store, path: Path, endpoint: str) -> None:
    assert store.find_done(path, "f") is None
    stamp = store.write(path, make_gates(), GATES, **MADE)
    assert store.find_done(path, "f") == stamp
    assert store.read(path).equals(make_gates())
    assert store.open_dataset([path, path]).count_rows() == 4
    assert list_lake(store, endpoint) == [f"{store.root.parent.name}/lake/gates/gates.parquet"]
    assert measure(path) > 1000
    store.write(path, make_gates(5), GATES, **MADE)
    assert store.read(path).num_rows == 5
    remove(path)
    remove(path)
    assert not exists(path)
    with pytest.raises(DataError, match=f"s3://{BUCKET}/.*: missing; run the earlier stages"):
        store.read(path)
    assert not (store.root / "lake").exists()


def test_over_tls_checksums_are_headers(
    endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = make_certificate(tmp_path / "ca.pem")
    monkeypatch.setattr(lake_files, "_ATTEMPTS", 1)
    with faulty_proxy(endpoint, serve_tls(certificate)) as server:
        for name, value in bucket_environment(server.url).items():
            monkeypatch.setenv(name, value)
        store = Root(tmp_path / "root", lake_url=f"s3://{BUCKET}/{tmp_path.name}")
        path = store.lake.table("gates")
        for bundle in ("", str(tmp_path / "nowhere.pem")):
            monkeypatch.setenv("AWS_CA_BUNDLE", bundle)
            lake_files._connect.cache_clear()
            with pytest.raises(UserError, match=r"cannot (read|write) s3://.*SSL"):
                store.write(path, make_gates(), GATES, **MADE)
        monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate))
        lake_files._connect.cache_clear()
        store.write(path, make_gates(), GATES, **MADE)
        assert store.read(path).equals(make_gates())
        big = path.with_name("big")
        with replacing(big) as partial:
            partial.write_bytes(bytes(12 * 2**20))
        assert measure(big) == 12 * 2**20
    lake_files._connect.cache_clear()
    assert any("partNumber=2" in line for line in server.requests)
    assert not any("x-amz-trailer" in headers for headers in server.headers)
    assert not any("aws-chunked" in h.get("content-encoding", "") for h in server.headers)


def test_a_folder_is_there_when_its_last_file_is(store: Store, proxy: FaultyProxy) -> None:
    folder = store.lake.model("m")
    with replacing_folder(folder, last="a") as partial:
        for name in "cba":
            (partial / name).write_text(name)
    written = [line for line in proxy.requests if line.startswith("PUT")]
    assert [line.rpartition("/")[2].partition("?")[0] for line in written] == ["b", "c", "a"]
    with local_folder(folder) as copy:
        assert sorted(file.read_text() for file in copy.iterdir()) == ["a", "b", "c"]
    assert not copy.exists()


def strike(path: Path) -> None:
    with replacing(path) as partial:
        partial.write_text("half of the n")
        raise RuntimeError("struck")


def test_failure_while_making_a_file_sends_nothing(path: Path, proxy: FaultyProxy) -> None:
    with pytest.raises(RuntimeError, match="struck"):
        strike(path)
    assert proxy.requests == []


@pytest.mark.parametrize("fault", [503, 500, "drop"])
def test_passing_faults_are_mended(
    store: Store, path: Path, proxy: FaultyProxy, fault: int | str
) -> None:
    seen: list[str] = []

    def fail_twice(method: str, url: str) -> int | str | None:
        seen.append(method)
        return fault if seen.count(method) <= 2 and method != "HEAD" else None

    proxy.fails = fail_twice
    store.write(path, make_gates(), GATES, **MADE)
    assert store.read(path).equals(make_gates())
    assert seen.count("PUT") == 3


@pytest.mark.parametrize("fault", [403, 503])
def test_write_that_fails_leaves_the_old_object(
    store: Store, path: Path, proxy: FaultyProxy, endpoint: str, fault: int
) -> None:
    stamp = store.write(path, make_gates(), GATES, **MADE)
    proxy.fails = lambda method, _: fault if method in ("PUT", "POST") else None
    with pytest.raises(UserError, match=f"cannot write s3://{BUCKET}/.*what is done is kept") as e:
        store.write(path, make_gates(9), GATES, **MADE)
    assert "\n" not in str(e.value)
    assert "very-secret" not in str(e.value)
    proxy.fails = lambda *_: None
    assert store.read_stamp(path) == stamp
    assert len(list_lake(store, endpoint)) == 1


def test_large_object_of_which_a_part_fails_does_not_appear(
    store: Store, proxy: FaultyProxy, endpoint: str
) -> None:
    """Twelve megabytes go in parts; the second one is refused."""
    path = store.lake.model("m") / "weights"
    proxy.fails = lambda _, url: 403 if "partNumber=2" in url else None
    with pytest.raises(UserError, match="cannot write"), replacing(path) as partial:
        partial.write_bytes(bytes(12_000_000))
    assert any("partNumber=2" in line for line in proxy.requests)
    assert list_lake(store, endpoint) == []
    proxy.fails = lambda *_: None
    with replacing(path) as partial:
        partial.write_bytes(bytes(12_000_000))
    assert measure(path) == 12_000_000


@pytest.mark.parametrize("fault", [403, "cut"])
def test_read_that_fails_is_no_missing_dataset(
    store: Store, path: Path, proxy: FaultyProxy, fault: int | str
) -> None:
    store.write(path, make_gates(), GATES, **MADE)
    proxy.fails = lambda method, _: fault if method == "GET" else None
    with pytest.raises(UserError, match=f"cannot read s3://{BUCKET}/"):
        store.read(path)
    with pytest.raises(UserError, match="cannot read"):
        store.find_done(path, "f")


def test_damaged_object_is_not_done(store: Store, path: Path, endpoint: str) -> None:
    store.write(path, make_gates(500), GATES, **MADE)
    with opening(path) as file:
        raw = file.read()
    key = f"{store.root.parent.name}/lake/gates/gates.parquet"
    make_client(endpoint).put_object(Bucket=BUCKET, Key=key, Body=raw[:-20])
    assert store.find_done(path, "f") is None
    with pytest.raises(DataError, match="damaged"):
        store.read(path)


def test_bucket_that_is_not_there_is_one_line(tmp_path: Path, proxy: FaultyProxy) -> None:
    store = Root(tmp_path, lake_url="s3://nosuch/prefix")
    with pytest.raises(UserError, match="cannot write s3://nosuch/prefix"):
        store.write(store.lake.table("gates"), make_gates(), GATES, **MADE)


def test_bucket_as_a_root_is_told_where_to_go() -> None:
    with pytest.raises(UserError, match=r"--root DIR --set run\.lake=s3://bucket/prefix"):
        Root(Path("s3://bucket/prefix"))


@pytest.mark.parametrize("url", ["", "sqlite:///{root}/ledger.sqlite"])
def test_bucket_without_postgresql_is_refused(store: Store, url: str) -> None:
    chosen = Root(store.root, url.format(root=store.root), store.lake.url)
    with pytest.raises(UserError, match="needs a PostgreSQL ledger"), chosen.lock():
        pass
