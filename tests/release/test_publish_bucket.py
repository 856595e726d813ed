"""Publishing to S3 with the real client: a moto server behind a proxy that spoils requests."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from faulty_proxy import Fault, FaultyProxy, run_proxy
from forked import start_qad
from moto.server import ThreadedMotoServer

from pipeline.errors import QadError, UserError
from release.bucket import Bucket
from release.fetch import fetch
from release.publish import check_parcel, publish, withdraw
from release.sealing import CHECKSUMS, list_files

ADDRESS = "s3://vac/desi"
SECRET = "wJalrXUtnFEMI"


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="module")
def s3(moto: str) -> Any:
    """A client that looks at the bucket past the proxy."""
    return boto3.client(
        "s3", endpoint_url=moto, region_name="us-east-1",
        aws_access_key_id="testing", aws_secret_access_key="testing",
    )  # fmt: skip


@pytest.fixture
def proxy(moto: str, s3: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyProxy]:
    for name, value in {
        "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7", "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_DEFAULT_REGION": "us-east-1", "AWS_MAX_ATTEMPTS": "1",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    with run_proxy(moto) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.address)
        s3.create_bucket(Bucket="vac")
        yield server
    left = [{"Key": key} for key in keys(s3)]
    if left:
        s3.delete_objects(Bucket="vac", Delete={"Objects": left})


def send(released: Path, **options: Any) -> Any:
    return publish(released, [Bucket(ADDRESS, True)], **options)[0]


def read(s3: Any, key: str) -> bytes:
    return bytes(s3.get_object(Bucket="vac", Key=key)["Body"].read())


def keys(s3: Any) -> set[str]:
    found = s3.list_objects_v2(Bucket="vac").get("Contents", ())
    return {entry["Key"] for entry in found}


def assert_published(s3: Any, released: Path) -> None:
    for name in [*list_files(released), CHECKSUMS]:
        assert read(s3, f"desi/0.1.0/{name}") == (released / name).read_bytes()
    assert json.loads(read(s3, "desi/latest.json"))["version"] == "0.1.0"


def test_what_is_read_is_what_was_built(proxy: FaultyProxy, s3: Any, released: Path) -> None:
    done = send(released)
    assert sorted(done.sent) == sorted([*list_files(released), CHECKSUMS])
    assert done.is_moved
    assert_published(s3, released)
    puts = [line for line in proxy.log if line.startswith("PUT ")]
    assert puts[-1].startswith("PUT /vac/desi/latest.json")
    assert puts[-2].startswith(f"PUT /vac/desi/0.1.0/{CHECKSUMS}")


def test_second_publication_moves_nothing_and_reads_all_without_its_journal(
    proxy: FaultyProxy, released: Path
) -> None:
    send(released)
    proxy.log.clear()
    again = send(released)
    assert (again.sent, again.is_moved) == ((), False)
    assert proxy.count("PUT") == proxy.count("POST") == 0
    (released.parent / "0.1.0.journal.json").write_text("{torn")
    proxy.log.clear()
    assert send(released).sent == ()
    assert proxy.count("GET") > len(list_files(released))
    assert proxy.count("PUT") == 0


def test_dry_run_sends_nothing(proxy: FaultyProxy, released: Path) -> None:
    planned = send(released, is_dry=True)
    assert set(planned.sent) == {*list_files(released), CHECKSUMS}
    assert proxy.count("PUT") == 0
    assert not (released.parent / "0.1.0.journal.json").exists()


def test_staging_is_a_place_of_its_own(proxy: FaultyProxy, s3: Any, released: Path) -> None:
    publish(released, [Bucket(ADDRESS, False)])
    assert keys(s3)
    assert all(key.startswith("desi/staging/") for key in keys(s3))


def test_large_files_go_in_parts(proxy: FaultyProxy, s3: Any, released: Path) -> None:
    parcel = check_parcel(released)
    big = released / "big.bin"
    big.write_bytes(os.urandom(11_000_000))
    bucket = Bucket(ADDRESS, True, part_bytes=5 * 2**20)
    parcel.__dict__["checksums"] = {"big.bin": "unused"}
    proxy.faults = [Fault("PUT", "partNumber=3", 400)]
    with pytest.raises(QadError, match="run again"):
        bucket.send(parcel, ["big.bin"], lambda n: None)
    assert "Uploads" not in s3.list_multipart_uploads(Bucket="vac")
    bucket.send(parcel, ["big.bin"], lambda n: None)
    before = read(s3, "desi/0.1.0/big.bin")
    assert before == big.read_bytes()
    big.write_bytes(os.urandom(11_000_000))
    bucket.send(parcel, ["big.bin"], lambda n: None)
    assert read(s3, "desi/0.1.0/big.bin") == before


@pytest.mark.parametrize("action", [500, 403, "hang"])
def test_fault_is_one_line_and_the_next_run_goes_on(
    proxy: FaultyProxy, s3: Any, released: Path, monkeypatch: pytest.MonkeyPatch, action: Any
) -> None:
    monkeypatch.setattr("release.bucket._TIMEOUT_S", 0.5)
    for method, pattern in (("GET", "list-type"), ("PUT", "README"), ("PUT", "latest.json")):
        proxy.faults = [Fault(method, pattern, action)]
        with pytest.raises(QadError) as caught:
            send(released)
        message = str(caught.value)
        assert "\n" not in message
        assert SECRET not in message
        assert message.startswith("s3://vac/desi")
    send(released)
    assert_published(s3, released)


def test_passing_faults_of_reading_back_are_survived(proxy: FaultyProxy, released: Path) -> None:
    names = {"quasars.parquet": 500, "spectra.parquet": "drop", "anomalies.parquet": "cut"}
    proxy.faults = [Fault("GET", name, action) for name, action in names.items()]
    assert send(released).is_moved
    assert [fault.times for fault in proxy.faults] == [0, 0, 0]


def test_flipped_byte_stops_before_latest(proxy: FaultyProxy, s3: Any, released: Path) -> None:
    proxy.faults = [Fault("GET", "quasars.parquet", "flip")]
    with pytest.raises(QadError, match=r"quasars.parquet reads back with another checksum"):
        send(released)
    assert "desi/latest.json" not in keys(s3)
    assert send(released).is_moved


def test_latest_moved_by_somebody_else(proxy: FaultyProxy, s3: Any, released: Path) -> None:
    for status in (409, 412):
        proxy.faults = [Fault("PUT", "latest.json", status, times=2)]
        assert send(released).is_moved
        s3.delete_object(Bucket="vac", Key="desi/latest.json")
        proxy.faults = [Fault("PUT", "latest.json", status, times=9)]
        with pytest.raises(QadError, match="moved by somebody else"):
            send(released)


def test_latest_never_moves_back(proxy: FaultyProxy, s3: Any, released: Path) -> None:
    later = json.dumps({"version": "0.2.0"}).encode()
    s3.put_object(Bucket="vac", Key="desi/latest.json", Body=later)
    assert not send(released).is_moved
    assert read(s3, "desi/latest.json") == later


@pytest.mark.parametrize("content", [b"short", None])
def test_another_release_of_the_version_is_refused(
    proxy: FaultyProxy, s3: Any, released: Path, content: bytes | None
) -> None:
    body = content or bytes((released / "LICENSE").stat().st_size)
    s3.put_object(Bucket="vac", Key="desi/0.1.0/LICENSE", Body=body)
    with pytest.raises(QadError, match="another"):
        send(released)
    assert read(s3, "desi/0.1.0/LICENSE") == body


def test_tampered_release_is_refused(proxy: FaultyProxy, released: Path) -> None:
    path = released / "README.md"
    path.chmod(0o644)
    path.write_text(path.read_text() + " ")
    with pytest.raises(UserError, match=r"checksums of SHA256SUMS: README.md differs"):
        send(released)
    assert proxy.log == []


def test_withdrawn_version(proxy: FaultyProxy, s3: Any, released: Path, tmp_path: Path) -> None:
    send(released)
    before = {key: read(s3, key) for key in keys(s3)}
    bucket = Bucket(ADDRESS, True)
    assert withdraw("0.1.0", [bucket], "wrong null") == {ADDRESS: True}
    assert withdraw("0.1.0", [bucket], "again") == {ADDRESS: False}
    assert {key: read(s3, key) for key in before} == before
    assert fetch(ADDRESS, tmp_path / "in").notice == "wrong null"
    with pytest.raises(UserError, match=r"0.1.0 was withdrawn: wrong null"):
        send(released)
    with pytest.raises(UserError, match=r"has no release 9.9.9"):
        withdraw("9.9.9", [bucket], "none")


@pytest.mark.slow
def test_publication_killed_at_every_turn_goes_on(
    proxy: FaultyProxy, s3: Any, released: Path
) -> None:
    for method, pattern in (
        ("PUT", "0.1.0"), ("PUT", "quasars"), ("PUT", CHECKSUMS), ("GET", "quasars"),
        ("PUT", "latest.json"),
    ):  # fmt: skip
        child = start_qad("release", "publish", released, "--to", ADDRESS, "--production")
        proxy.faults = [Fault(method, pattern, child.kill)]
        child.join(300)
        assert child.exitcode == -signal.SIGKILL
    send(released)
    assert_published(s3, released)
    assert send(released).sent == ()
