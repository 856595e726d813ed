"""Publishing to S3 with the real client: a moto server behind a proxy that spoils requests."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest
import urllib3
from bucket_server import ADDRESS, SECRET, assert_published, keys, read, send
from faulty_proxy import Fault, FaultyProxy, run_proxy
from forked import start_qad
from tls import make_certificate, serve_tls

from pipeline.errors import QadError, UserError
from release.places.bucket import Bucket
from release.places.fetch import fetch
from release.places.publish import deliver, publish, withdraw
from release.places.remote import Parcel
from release.sealing import CHECKSUMS, list_files


def test_what_is_read_is_what_was_built(proxy: FaultyProxy, s3: Any, released: Path) -> None:
    done = send(released)
    assert sorted(done.sent) == sorted([*list_files(released), CHECKSUMS])
    assert done.is_moved
    assert_published(s3, released)
    puts = [line for line in proxy.log if line.startswith("PUT ")]
    assert puts[-1].startswith("PUT /vac/desi/latest.json")
    assert puts[-2].startswith(f"PUT /vac/desi/0.1.0/{CHECKSUMS}")


def test_web_server_says_what_a_file_is(proxy: FaultyProxy, s3: Any, small: Path) -> None:
    send(small)
    expected = {
        "site/index.html": "text/html; charset=utf-8",
        "site/style.css": "text/css; charset=utf-8",
        "README.md": "text/markdown; charset=utf-8",
        "manifest.json": "application/json",
        "LICENSE": "text/plain; charset=utf-8",
        CHECKSUMS: "text/plain; charset=utf-8",
        "cds/ReadMe": "text/plain; charset=utf-8",
        "CITATION.cff": "application/yaml",
        "catalog/quasars.parquet": "application/vnd.apache.parquet",
        "hats/quasars/dataset/_metadata": "application/vnd.apache.parquet",
        "vo/anomalies.vot": "application/x-votable+xml",
        "vo/anomalies.fits": "application/fits",
        "model/reference.safetensors": "application/octet-stream",
        "latest.json": "application/json",
    }
    for name, content_type in expected.items():
        key = f"desi/{name}" if name == "latest.json" else f"desi/0.1.0/{name}"
        link = s3.generate_presigned_url("get_object", Params={"Bucket": "vac", "Key": key})
        reply = urllib3.request("GET", link)
        assert (name, reply.headers["Content-Type"]) == (name, content_type)


def test_over_tls_checksums_are_headers(
    moto: str,
    s3: Any,
    proxy: FaultyProxy,
    small: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    certificate = make_certificate(tmp_path / "ca.pem")
    with run_proxy(moto, serve_tls(certificate)) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.address)
        with pytest.raises(QadError, match=r"^s3://vac/desi.*SSL.*AWS_CA_BUNDLE"):
            send(small)
        monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "nowhere.pem"))
        with pytest.raises(QadError, match=r"^s3://vac/desi.*SSL.*AWS_CA_BUNDLE"):
            send(small)
        monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate))
        assert send(small).is_moved
        assert send(small).sent == ()
        assert fetch(ADDRESS, tmp_path / "in").n_files == len(list_files(small))
        big = write_big(small)
        send_big(small)
    assert read(s3, "desi/0.1.0/big.bin") == big
    assert_published(s3, small)
    puts = [headers for line, headers in server.headers if line.startswith("PUT ")]
    assert any("partNumber=3" in line for line in server.log)
    assert all("x-amz-checksum-sha256" in headers for headers in puts)
    assert not any("x-amz-trailer" in headers for headers in puts)
    assert not any("aws-chunked" in headers.get("content-encoding", "") for headers in puts)


@pytest.mark.parametrize(
    ("name", "value"),
    [("AWS_ENDPOINT_URL", "nowhere"), ("AWS_PROFILE", "nobody"), ("AWS_DEFAULT_REGION", "a b")],
)
def test_setting_that_boto3_refuses_is_one_line(
    proxy: FaultyProxy, small: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(UserError, match=f"^s3://vac/desi: [^\n]*{value}") as caught:
        send(small)
    assert "\n" not in str(caught.value)


def test_dry_run_sends_nothing(proxy: FaultyProxy, small: Path) -> None:
    planned = send(small, is_dry=True)
    assert set(planned.sent) == {*list_files(small), CHECKSUMS}
    assert proxy.count("PUT") == 0
    assert not (small.parent / "0.1.0.journal.json").exists()


def test_staging_is_a_place_of_its_own(proxy: FaultyProxy, s3: Any, small: Path) -> None:
    deliver(Parcel(small, "0.1.0"), [Bucket(ADDRESS, False)])
    assert keys(s3)
    assert all(key.startswith("desi/staging/") for key in keys(s3))


def write_big(small: Path) -> bytes:
    content = os.urandom(11_000_000)
    (small / "big.bin").write_bytes(content)
    return content


def send_big(small: Path) -> None:
    parcel = Parcel(small, "0.1.0")
    parcel.__dict__["checksums"] = {"big.bin": "unused"}
    Bucket(ADDRESS, True, part_bytes=5 * 2**20).send(parcel, ["big.bin"], lambda n: None)


def test_large_files_go_in_parts(proxy: FaultyProxy, s3: Any, small: Path) -> None:
    big = write_big(small)
    proxy.faults = [Fault("PUT", "partNumber=3", 400)]
    with pytest.raises(QadError, match="run again"):
        send_big(small)
    assert "Uploads" not in s3.list_multipart_uploads(Bucket="vac")
    send_big(small)
    assert read(s3, "desi/0.1.0/big.bin") == big
    write_big(small)
    send_big(small)
    assert read(s3, "desi/0.1.0/big.bin") == big


@pytest.mark.parametrize("action", [500, 403, "hang"])
def test_fault_is_one_line_and_the_next_run_goes_on(
    proxy: FaultyProxy, s3: Any, small: Path, monkeypatch: pytest.MonkeyPatch, action: Any
) -> None:
    for method, pattern in (("GET", "list-type"), ("PUT", "README"), ("PUT", "latest.json")):
        proxy.faults = [Fault(method, pattern, action)]
        with monkeypatch.context() as patch:
            patch.setattr("release.places.bucket._TIMEOUT_S", 0.5)
            with pytest.raises(QadError) as caught:
                send(small)
        message = str(caught.value)
        assert "\n" not in message
        assert SECRET not in message
        assert message.startswith("s3://vac/desi")
    proxy.faults = []
    send(small)
    assert_published(s3, small)


def test_passing_faults_of_reading_back_are_survived(proxy: FaultyProxy, small: Path) -> None:
    names = {"quasars.parquet": 500, "spectra.parquet": "drop", "anomalies.parquet": "cut"}
    proxy.faults = [Fault("GET", name, action) for name, action in names.items()]
    assert send(small).is_moved
    assert [fault.times for fault in proxy.faults] == [0, 0, 0]


def test_flipped_byte_stops_before_latest(proxy: FaultyProxy, s3: Any, small: Path) -> None:
    proxy.faults = [Fault("GET", "quasars.parquet", "flip")]
    with pytest.raises(QadError, match=r"quasars.parquet reads back with another checksum"):
        send(small)
    assert "desi/latest.json" not in keys(s3)
    assert send(small).is_moved


def test_tampered_release_is_refused(proxy: FaultyProxy, released: Path) -> None:
    path = released / "README.md"
    path.chmod(0o644)
    path.write_text(path.read_text() + " ")
    with pytest.raises(UserError, match=r"checksums of SHA256SUMS: README.md differs"):
        publish(released, [Bucket(ADDRESS, True)])
    assert proxy.log == []


def test_withdrawn_version(proxy: FaultyProxy, s3: Any, small: Path, tmp_path: Path) -> None:
    send(small)
    before = {key: read(s3, key) for key in keys(s3)}
    bucket = Bucket(ADDRESS, True)
    assert withdraw("0.1.0", [bucket], "wrong null") == {ADDRESS: True}
    assert withdraw("0.1.0", [bucket], "again") == {ADDRESS: False}
    assert {key: read(s3, key) for key in before} == before
    assert fetch(ADDRESS, tmp_path / "in").notice == "wrong null"
    with pytest.raises(UserError, match=r"0.1.0 was withdrawn: wrong null"):
        send(small)
    with pytest.raises(UserError, match=r"has no release 9.9.9"):
        withdraw("9.9.9", [bucket], "none")


@pytest.mark.slow
def test_publication_killed_at_every_turn_goes_on(
    proxy: FaultyProxy, s3: Any, released: Path
) -> None:
    for method, pattern in (
        ("PUT", "0.1.0"),
        ("PUT", "quasars"),
        ("PUT", CHECKSUMS),
        ("GET", "quasars"),
        ("PUT", "latest.json"),
    ):
        child = start_qad("release", "publish", released, "--to", ADDRESS, "--production")
        proxy.faults = [Fault(method, pattern, child.kill)]
        child.join(300)
        assert child.exitcode == -signal.SIGKILL
    send(released)
    assert_published(s3, released)
    assert send(released).sent == ()
