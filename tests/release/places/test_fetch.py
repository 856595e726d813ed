"""Fetching a release from S3, the Hub and a web server: checked, resumed, whole or not there."""

import functools
import http.server
import json
import resource
import shutil
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
from bucket_server import ADDRESS
from click.testing import CliRunner
from faulty_proxy import Fault, FaultyProxy, run_proxy
from forked import start_qad
from hub_server import run_hub
from moto.server import ThreadedMotoServer

from pipeline.errors import QadError, UserError
from portal.data.versions import find_release
from release.checks.validate import validate
from release.cli import release
from release.places.bucket import Bucket
from release.places.fetch import fetch
from release.places.hub import Hub
from release.places.publish import deliver
from release.places.remote import Parcel, RemoteError
from release.sealing import CHECKSUMS, list_files


@contextmanager
def serve(folder: Path) -> Iterator[FaultyProxy]:
    """Serve the files of a folder behind a proxy."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    handler = functools.partial(Quiet, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    with run_proxy(f"http://127.0.0.1:{server.server_address[1]}") as proxy:
        yield proxy
    server.shutdown()
    server.server_close()


@pytest.fixture
def web(released: Path) -> Iterator[FaultyProxy]:
    """A static file server that holds the folder of releases."""
    with serve(released.parent) as proxy:
        yield proxy


@contextmanager
def publish_to(
    kind: str, small: Path, request: pytest.FixtureRequest
) -> Iterator[tuple[str, FaultyProxy]]:
    if kind == "web":
        with serve(small.parent) as proxy:
            yield f"{proxy.address}/0.1.0", proxy
    elif kind == "bucket":
        proxy = request.getfixturevalue("proxy")
        deliver(Parcel(small, "0.1.0"), [Bucket(ADDRESS, True)])
        yield f"{ADDRESS}/0.1.0", proxy
    else:
        patch = request.getfixturevalue("monkeypatch")
        with run_hub() as hub, run_proxy(hub.address) as proxy:
            patch.setenv("HF_ENDPOINT", proxy.address)
            patch.setenv("HF_TOKEN", "hf_secretsecret")
            deliver(Parcel(small, "0.1.0"), [Hub("hf://desi/small", True)])
            yield "hf://desi/small@v0.1.0", proxy


@pytest.fixture(params=["web", "bucket", "hub"])
def published(small: Path, request: pytest.FixtureRequest) -> Iterator[tuple[str, FaultyProxy]]:
    """The address of a small release at each kind of place, and the proxy before it."""
    with publish_to(request.param, small, request) as found:
        yield found


def is_same(one: Path, other: Path) -> bool:
    names = [*list_files(one), CHECKSUMS]
    return list_files(one) == list_files(other) and all(
        (one / name).read_bytes() == (other / name).read_bytes() for name in names
    )


def test_web(web: FaultyProxy, released: Path, tmp_path: Path) -> None:
    done = fetch(f"{web.address}/0.1.0", tmp_path / "in")
    assert done.path == tmp_path / "in" / "0.1.0"
    assert is_same(done.path, released)
    assert find_release(tmp_path / "in") == done.path
    assert all(result.passed for result in validate(done.path))
    assert {path.stat().st_mode & 0o222 for path in done.path.rglob("*.*") if path.is_file()} == {0}
    assert fetch(f"{web.address}/0.1.0", tmp_path / "in").n_files == 0


def test_latest_is_followed_and_checked(web: FaultyProxy, released: Path, tmp_path: Path) -> None:
    latest = released.parent / "latest.json"
    seal = "0" * 64
    latest.write_text(json.dumps({"version": "0.1.0", CHECKSUMS: seal}))
    with pytest.raises(QadError, match=r"is not the one that latest.json names"):
        fetch(web.address, tmp_path / "in")
    latest.write_text("[]")
    with pytest.raises(QadError, match="damaged"):
        fetch(web.address, tmp_path / "in")


def test_subset_is_completed_later(web: FaultyProxy, released: Path, tmp_path: Path) -> None:
    part = fetch(f"{web.address}/0.1.0", tmp_path / "in", "anomalies")
    assert (part.path / "catalog" / "anomalies.parquet").is_file()
    assert not (part.path / "catalog" / "quasars.parquet").exists()
    assert find_release(tmp_path / "in") == part.path
    whole = fetch(f"{web.address}/0.1.0", tmp_path / "in")
    assert 0 < whole.n_files < part.n_files
    assert is_same(whole.path, released)


@pytest.mark.parametrize("action", [503, "drop", "cut"])
@pytest.mark.parametrize("name", ["manifest.json", CHECKSUMS, "quasars.parquet"])
def test_every_place_may_fail_for_a_moment(
    published: tuple[str, FaultyProxy], small: Path, tmp_path: Path, action: Any, name: str
) -> None:
    address, proxy = published
    proxy.faults = [Fault("GET", name, action, times=3)]
    assert is_same(fetch(address, tmp_path / "in").path, small)
    assert proxy.faults[0].times == 0


@pytest.mark.parametrize("action", [403, 500, "drop", "cut", "flip"])
def test_no_place_leaves_half_a_release(
    published: tuple[str, FaultyProxy], small: Path, tmp_path: Path, action: Any
) -> None:
    address, proxy = published
    proxy.faults = [Fault("GET", "quasars.parquet", action, times=99)]
    with pytest.raises(RemoteError) as caught:
        fetch(address, tmp_path / "in")
    assert "quasars.parquet" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert [path.name for path in (tmp_path / "in").iterdir()] == [".0.1.0.fetch"]
    proxy.faults, proxy.log[:] = [], []
    assert is_same(fetch(address, tmp_path / "in").path, small)
    assert [path.name for path in (tmp_path / "in").iterdir()] == ["0.1.0"]
    # What had arrived is not asked for again.
    assert not [line for line in proxy.log if "CITATION" in line]


@pytest.mark.parametrize("action", [500, 429, "drop", "cut"])
def test_passing_fault_is_survived(
    web: FaultyProxy, released: Path, tmp_path: Path, action: Any
) -> None:
    web.faults = [Fault("GET", "spectra.parquet", action)]
    assert is_same(fetch(f"{web.address}/0.1.0", tmp_path / "in").path, released)


def test_flipped_byte_is_fetched_again_once(
    web: FaultyProxy, released: Path, tmp_path: Path
) -> None:
    web.faults = [Fault("GET", "spectra.parquet", "flip")]
    assert is_same(fetch(f"{web.address}/0.1.0", tmp_path / "in").path, released)
    web.faults = [Fault("GET", "spectra.parquet", "flip", times=2)]
    with pytest.raises(QadError, match=r"spectra.parquet does not have the checksum"):
        fetch(f"{web.address}/0.1.0", tmp_path / "other")
    assert not (tmp_path / "other" / "0.1.0").exists()


def test_lasting_fault_leaves_nothing_that_looks_whole(
    web: FaultyProxy, released: Path, tmp_path: Path
) -> None:
    web.faults = [Fault("GET", "spectra.parquet", 500, times=9)]
    with pytest.raises(QadError, match="500"):
        fetch(f"{web.address}/0.1.0", tmp_path / "in")
    assert not (tmp_path / "in" / "0.1.0").exists()
    web.faults = []
    web.log.clear()
    assert is_same(fetch(f"{web.address}/0.1.0", tmp_path / "in").path, released)
    assert not [line for line in web.log if "README" in line]


def test_broken_off_file_goes_on_where_it_was(
    web: FaultyProxy, released: Path, tmp_path: Path
) -> None:
    name = "catalog/quasars.parquet"
    whole = (released / name).read_bytes()
    partial = tmp_path / "in" / ".0.1.0.fetch" / "catalog" / ".quasars.parquet.part"
    partial.parent.mkdir(parents=True)
    partial.write_bytes(whole[: len(whole) // 2])
    done = fetch(f"{web.address}/0.1.0", tmp_path / "in")
    assert (done.path / name).read_bytes() == whole
    assert done.n_bytes < sum((released / n).stat().st_size for n in list_files(released))


def test_full_disk_is_one_line(web: FaultyProxy, released: Path, tmp_path: Path) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        with pytest.raises(UserError, match=r"cannot write .*free some space"):
            fetch(f"{web.address}/0.1.0", tmp_path / "in")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not (tmp_path / "in" / "0.1.0").exists()
    assert is_same(fetch(f"{web.address}/0.1.0", tmp_path / "in").path, released)


def test_wrong_addresses(web: FaultyProxy, tmp_path: Path) -> None:
    run = CliRunner()
    for address in (f"{web.address}/nothing", "ftp://x/y", "hf://only-a-name", "s3://"):
        done = run.invoke(release, ["fetch", address, "--into", str(tmp_path / "in")])
        assert isinstance(done.exception, QadError)
        assert "\n" not in str(done.exception)


def test_command_line_publishes_and_fetches_everywhere(
    released: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "HF_TOKEN": "hf_testing",
    }.items():
        monkeypatch.setenv(name, value)
    boto3.client("s3").create_bucket(Bucket="everywhere")
    bucket, hub = "s3://everywhere/desi", "hf://desi/anomalies"
    run = CliRunner()
    with run_hub() as stand_in:
        monkeypatch.setenv("HF_ENDPOINT", stand_in.address)
        arguments = ["publish", str(released), "--to", hub, "--to", bucket, "--production"]
        planned = run.invoke(release, [*arguments, "--dry-run"])
        assert "would send" in planned.output
        assert "catalog/quasars.parquet" in planned.output
        done = run.invoke(release, arguments)
        assert done.exit_code == 0, done.output
        assert done.stdout.splitlines()[0].startswith(f"published at {bucket}: ")
        assert "MB/s" in done.stderr
        again = run.invoke(release, arguments)
        assert [line.endswith("nothing moved") for line in again.stdout.splitlines()] == [True] * 2
        for number, address in enumerate((bucket, f"{bucket}/0.1.0", hub, f"{hub}@v0.1.0")):
            into = tmp_path / str(number)
            fetched = run.invoke(release, ["fetch", address, "--into", str(into)])
            assert fetched.exit_code == 0, fetched.output
            assert is_same(into / "0.1.0", released)
        drawn = run.invoke(
            release,
            [
                "withdraw",
                "0.1.0",
                "--to",
                bucket,
                "--to",
                hub,
                "--production",
                "--reason",
                "wrong null",
            ],
        )
        assert drawn.stdout.count("0.1.0 withdrawn") == 2
        shutil.rmtree(tmp_path / "0")
        warned = run.invoke(release, ["fetch", bucket, "--into", str(tmp_path / "0")])
        assert "warning: release 0.1.0 was withdrawn: wrong null" in warned.stderr
    server.stop()


@pytest.mark.slow
def test_killed_fetch_goes_on(web: FaultyProxy, released: Path, tmp_path: Path) -> None:
    address, into = f"{web.address}/0.1.0", tmp_path / "in"
    child = start_qad("release", "fetch", address, "--into", into)
    web.faults = [Fault("GET", "quasars", child.kill)]
    child.join(300)
    assert child.exitcode == -signal.SIGKILL
    web.log.clear()
    assert is_same(fetch(address, into).path, released)
    assert not [line for line in web.log if "ACKNOWLEDGEMENTS" in line]


def reseal(folder: Path, names: list[str]) -> None:
    """List files that somebody else wants to have written."""
    lines = (folder / CHECKSUMS).read_text().splitlines(keepends=True)
    (folder / CHECKSUMS).chmod(0o644)
    (folder / CHECKSUMS).write_text("".join([*lines, *(f"{'0' * 64}  {name}\n" for name in names)]))


@pytest.mark.parametrize(
    "names",
    [
        ["../outside"],
        ["/etc/x"],
        ["a/../../x"],
        ["a\\..\\b"],
        ["catalog"],
        ["catalog/quasars.parquet/a"],
        ["MANIFEST.json"],
        ["manifest.json"],
        ["a\0b"],
        ["a" * 300],
        [".netrc"],
        ["SHA256SUMS"],
        ["catalog/./quasars.parquet"],
        ["x\u202ey"],
    ],
)
def test_hostile_list_is_refused_before_anything_is_written(
    web: FaultyProxy, released: Path, tmp_path: Path, names: list[str]
) -> None:
    reseal(released, names)
    with pytest.raises(QadError, match=r"lists|no list of checksums"):
        fetch(f"{web.address}/0.1.0", tmp_path / "in")
    assert not (tmp_path / "in").exists()


@pytest.mark.parametrize("link", ["", "catalog", "catalog/quasars.parquet"])
def test_link_in_the_folder_is_refused(web: FaultyProxy, tmp_path: Path, link: str) -> None:
    outside, place = tmp_path / "outside", tmp_path / "in" / "0.1.0" / link
    outside.mkdir()
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(outside)
    with pytest.raises(QadError, match="is a link"):
        fetch(f"{web.address}/0.1.0", tmp_path / "in")
    assert list(outside.iterdir()) == []


def test_link_where_a_file_grows_is_replaced(web: FaultyProxy, tmp_path: Path) -> None:
    victim, grows = tmp_path / "victim", tmp_path / "in" / ".0.1.0.fetch" / ".manifest.json.part"
    victim.write_text("mine")
    grows.parent.mkdir(parents=True)
    grows.symlink_to(victim)
    done = fetch(f"{web.address}/0.1.0", tmp_path / "in")
    assert victim.read_text() == "mine"
    assert not (done.path / "manifest.json").is_symlink()
