"""A bucket as a source: listed page by page, read below its prefix, faults told apart."""

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from hypothesis import given
from hypothesis import strategies as st
from loopback import BUCKET, faulty_proxy, upload, without_credentials

from pipeline.errors import DataError, MissingFileError
from pipeline.settings.transport import AcquireSettings
from pipeline.transport.s3 import S3Source, _s3_faults
from pipeline.transport.transfer import RequestError

QUICK = AcquireSettings(concurrency=2, max_attempts=3, backoff_s=0, timeout_s=5)
FILES = {f"healpix/{n:04d}": bytes([n % 256]) * (n % 7 + 1) for n in range(12)}


@pytest.fixture
def location(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> str:
    without_credentials(monkeypatch, endpoint)
    upload(endpoint, "other", {"healpix/0000": b"of another tree"})
    return upload(endpoint, "tree", FILES)


def test_what_is_listed_is_below_the_prefix_and_without_it(location: str) -> None:
    source = S3Source(location, QUICK)
    assert sorted(source.list("healpix/")) == sorted(FILES)
    assert sorted(source.list("healpix/000")) == sorted(n for n in FILES if "/000" in n)
    assert list(source.list("nothing/")) == []
    root = S3Source(f"s3://{BUCKET}", QUICK)
    assert {f"tree/{name}" for name in FILES} <= set(root.list(""))


def test_a_list_of_several_pages_is_whole(location: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "5")
    source = S3Source(location, QUICK)
    assert list(source.list("healpix/")) == sorted(FILES)
    assert source.counts.requests == {"list": 3}


def test_bytes_and_sizes_are_those_of_the_file(location: str) -> None:
    source = S3Source(location, QUICK)
    for name, data in FILES.items():
        found = source.stat(name)
        assert found.size == len(data)
        assert source.read(name, [(0, len(data))], found.identity) == [data]
    assert source.stat("healpix/0001").identity != source.stat("healpix/0002").identity
    other = S3Source(f"s3://{BUCKET}/other", QUICK)
    assert other.read("healpix/0000", [(0, 2)]) == [b"of"]


def test_a_key_that_is_not_there_is_named(location: str) -> None:
    source = S3Source(location, QUICK)
    with pytest.raises(MissingFileError, match=f"{location}/nothing: no such file"):
        source.stat("nothing")
    with pytest.raises(MissingFileError, match="nothing: no such file"):
        source.read("nothing", [(0, 1)])


def test_no_request_is_signed(location: str, endpoint: str, monkeypatch) -> None:
    # Somebody else's credentials would be refused by a bucket that all may read.
    with faulty_proxy(endpoint) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "elses")
        source = S3Source(location, QUICK)
        source.stat("healpix/0000")
        list(source.list("healpix/"))
        assert len(proxy.headers) == 2
        assert not any("authorization" in headers for headers in proxy.headers)


@pytest.mark.parametrize("fault", [503, 500, "drop"])
def test_a_list_that_fails_halfway_is_taken_up_where_it_was(
    location: str, endpoint: str, monkeypatch: pytest.MonkeyPatch, fault: int | str
) -> None:
    with faulty_proxy(endpoint) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        source = S3Source(location, QUICK)
        left = [fault, fault]
        proxy.fails = lambda method, path: left.pop() if left else None
        assert sorted(source.list("healpix/")) == sorted(FILES)
        assert source.counts.requests["list"] == 3
        left = [fault] * 3
        with pytest.raises(DataError, match="no answer after 3 attempts"):
            list(source.list("healpix/"))


def test_requests_are_tried_as_often_as_the_settings_say_and_no_oftener(
    location: str, endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with faulty_proxy(endpoint) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        source = S3Source(location, QUICK)
        proxy.fails = lambda method, path: 500
        with pytest.raises(DataError):
            source.read("healpix/0000", [(0, 1)])
        assert len(proxy.requests) == QUICK.max_attempts


def make_error(status: int, code: str, **headers: str) -> ClientError:
    answer = {"HTTPStatusCode": status, "HTTPHeaders": headers}
    return ClientError({"Error": {"Code": code}, "ResponseMetadata": answer}, "GetObject")


@given(st.integers(400, 599), st.integers(0, 60))
def test_any_status_is_told_by_its_number(status: int, pause: int) -> None:
    headers = {"retry-after": str(pause)}
    with pytest.raises(RequestError) as caught, _s3_faults():
        raise make_error(status, "Some", **headers)
    told = RequestError.of_status(status, str(pause))
    assert (caught.value.kind, caught.value.pause) == (told.kind, pause)


def test_a_bucket_that_asks_to_slow_down_is_heard_whatever_the_status() -> None:
    with pytest.raises(RequestError) as caught, _s3_faults():
        raise make_error(400, "SlowDown")
    assert caught.value.kind == "slow_down"


def test_a_lost_connection_is_one_and_a_slip_of_ours_is_not() -> None:
    with pytest.raises(RequestError) as caught, _s3_faults():
        raise EndpointConnectionError(endpoint_url="http://x")
    assert caught.value.kind == "connection"
    with pytest.raises(TypeError), _s3_faults():
        raise TypeError("ours")


def test_addresses_of_another_server_have_the_bucket_in_the_path(
    location: str, endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A name of a bucket before that of a host on the loopback interface leads nowhere.
    with faulty_proxy(endpoint) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", proxy.url)
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        S3Source(location, QUICK).stat("healpix/0000")
        assert proxy.requests == [f"HEAD /{BUCKET}/tree/healpix/0000"]
