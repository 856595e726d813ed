"""Publishing where something is: what was changed, added or begun by others is found."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from bucket_server import assert_published, keys, read, send
from faulty_proxy import Fault, FaultyProxy, run_proxy

from pipeline.errors import QadError
from release.sealing import CHECKSUMS, list_files


def test_second_publication_moves_nothing_and_reads_all_without_its_journal(
    proxy: FaultyProxy, small: Path
) -> None:
    send(small)
    journal = small.parent / "0.1.0.journal.json"
    n_files = len(list_files(small))
    proxy.log.clear()
    again = send(small)
    assert (again.sent, again.is_moved) == ((), False)
    assert proxy.count("GET") < n_files
    for text in ("{torn", "[]", "null", '{"seal": 3}', '{"targets": []}'):
        journal.write_text(text)
        proxy.log.clear()
        assert send(small).sent == ()
        assert proxy.count("GET") > n_files
    assert proxy.count("PUT") == proxy.count("POST") == 0


def test_journal_of_another_server_is_not_believed(
    proxy: FaultyProxy, moto: str, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(small)
    with run_proxy(moto) as other:
        monkeypatch.setenv("AWS_ENDPOINT_URL", other.address)
        assert send(small).sent == ()
        assert other.count("GET") > len(list_files(small))


def flip(content: bytes) -> bytes:
    return content[:-1] + bytes([content[-1] ^ 1])


@pytest.mark.parametrize("is_dry", [False, True])
def test_what_was_changed_after_publication_is_named(
    proxy: FaultyProxy, s3: Any, small: Path, is_dry: bool
) -> None:
    send(small)
    names = [*list_files(small), CHECKSUMS]
    for changed in (["LICENSE"], [CHECKSUMS], names):
        for name in changed:
            body = flip((small / name).read_bytes())
            s3.put_object(Bucket="vac", Key=f"desi/0.1.0/{name}", Body=body)
        before = {key: read(s3, key) for key in keys(s3)}
        with pytest.raises(QadError) as caught:
            send(small, is_dry=is_dry)
        assert f"s3://vac/desi/0.1.0: {', '.join(sorted(changed)[:3])} " in str(caught.value)
        assert {key: read(s3, key) for key in keys(s3)} == before
        for name in changed:
            s3.delete_object(Bucket="vac", Key=f"desi/0.1.0/{name}")
        assert set(send(small).sent) == set(changed)
        assert_published(s3, small)


def test_what_was_added_or_cut_after_publication_is_named(
    proxy: FaultyProxy, s3: Any, small: Path
) -> None:
    send(small)
    s3.put_object(Bucket="vac", Key="desi/0.1.0/site/", Body=b"")
    assert send(small).sent == ()
    for name in ("site/more.html", "LICENSE"):
        s3.put_object(Bucket="vac", Key=f"desi/0.1.0/{name}", Body=b"more")
    with pytest.raises(QadError, match=r"LICENSE differs; site/more.html is no part of it"):
        send(small)
    s3.delete_object(Bucket="vac", Key="desi/0.1.0/site/more.html")
    s3.delete_object(Bucket="vac", Key="desi/0.1.0/LICENSE")
    assert send(small).sent == ("LICENSE",)


def test_what_was_sent_anew_is_read_back_anew(proxy: FaultyProxy, s3: Any, small: Path) -> None:
    send(small)
    s3.delete_object(Bucket="vac", Key="desi/0.1.0/LICENSE")
    proxy.faults = [Fault("GET", "LICENSE", "flip")]
    with pytest.raises(QadError, match=r"LICENSE reads back with another checksum"):
        send(small)


def test_two_publish_at_once(proxy: FaultyProxy, s3: Any, small: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(small, tmp_path / "copy" / "0.1.0"))
    proxy.faults = [Fault("PUT", "quasars.parquet", lambda: send(copy))]
    assert not send(small).is_moved
    assert_published(s3, small)


def test_latest_moved_by_somebody_else(proxy: FaultyProxy, s3: Any, small: Path) -> None:
    for status in (409, 412):
        proxy.faults = [Fault("PUT", "latest.json", status, times=2)]
        assert send(small).is_moved
        s3.delete_object(Bucket="vac", Key="desi/latest.json")
        proxy.faults = [Fault("PUT", "latest.json", status, times=9)]
        with pytest.raises(QadError, match="moved by somebody else"):
            send(small)


@pytest.mark.parametrize(
    "latest", [b"", b"[]", b'{"version": "new"}', b'{"version": "0.1.0", "path": "other"}']
)
def test_latest_that_is_damaged_or_another(
    proxy: FaultyProxy, s3: Any, small: Path, latest: bytes
) -> None:
    s3.put_object(Bucket="vac", Key="desi/latest.json", Body=latest)
    with pytest.raises(QadError, match=r"latest.json .*remove it"):
        send(small)
    s3.delete_object(Bucket="vac", Key="desi/latest.json")
    assert send(small).is_moved


def test_latest_never_moves_back(proxy: FaultyProxy, s3: Any, small: Path) -> None:
    later = json.dumps({"version": "0.2.0"}).encode()
    s3.put_object(Bucket="vac", Key="desi/latest.json", Body=later)
    assert not send(small).is_moved
    assert read(s3, "desi/latest.json") == later


@pytest.mark.parametrize("content", [b"short", None])
def test_another_release_of_the_version_is_refused(
    proxy: FaultyProxy, s3: Any, small: Path, content: bytes | None
) -> None:
    body = content or bytes((small / "LICENSE").stat().st_size)
    s3.put_object(Bucket="vac", Key="desi/0.1.0/LICENSE", Body=body)
    with pytest.raises(QadError, match="another"):
        send(small)
    assert read(s3, "desi/0.1.0/LICENSE") == body
