"""Remote sources: public S3 buckets and HTTP mirrors, read by byte ranges.

Design note: boto3 has its doors here and in ``release/publish.py``; stages see `SourceFile` only.
"""

import os
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from functools import partial
from time import monotonic, thread_time
from typing import Any, NamedTuple, Self
from urllib.parse import quote, urlsplit

import boto3
import urllib3
from botocore import UNSIGNED
from botocore.config import Config as ClientConfig
from botocore.exceptions import BotoCoreError, ClientError, IncompleteReadError

from pipeline.config import AcquireSettings
from pipeline.errors import UserError
from pipeline.ranges import Link, Range
from pipeline.sources import FileStat, Source
from pipeline.store import digest
from pipeline.transfer import RequestError, Transfer

# A large range goes in parts over several connections, and a fault costs one part.
_PART = 2**24
# Where DESI's bucket is; another region costs a redirect.
_REGION = "us-west-2"


class Reply(NamedTuple):
    """A reply whose headers are in: identity of the file, and how to read the body."""

    identity: str
    read: Callable[[], bytes]


class RemoteSource(Source):
    """What S3 and HTTP share: sessions, parts, retries and the checks on every reply."""

    def __init__(self, location: str, settings: AcquireSettings) -> None:
        super().__init__(location)
        self._transfer = Transfer(settings)
        self.counts = self._transfer.counts

    def session(self) -> Self:
        """See `Source.session`."""
        other = copy(self)
        other._transfer = self._transfer.session()
        other.counts = other._transfer.counts
        return other

    @property
    def link(self) -> Link:
        """See `Source.link`."""
        return self._transfer.meter.link

    def stat(self, path: str) -> FileStat:
        """See `Source.stat`."""
        name = str(self.file(path))
        return self._transfer.call(name, "head", lambda: self._head(path))

    def read(self, path: str, ranges: Sequence[Range], identity: str | None = None) -> list[bytes]:
        """See `Source.read`."""
        parts = [(at, part) for at, wanted in enumerate(ranges) for part in _split(wanted)]
        begin = monotonic()
        data = self._transfer.map(lambda item: self._fetch(path, item[1], identity), parts)
        n_bytes = sum(map(len, data))
        self._transfer.meter.observe_batch(n_bytes, len(parts), monotonic() - begin)
        pieces: list[list[bytes]] = [[] for _ in ranges]
        for (at, _), piece in zip(parts, data, strict=True):
            pieces[at].append(piece)
        return [piece[0] if len(piece) == 1 else b"".join(piece) for piece in pieces]

    def _fetch(self, path: str, part: Range, identity: str | None) -> bytes:
        name = str(self.file(path))
        return self._transfer.call(name, "get", lambda: self._fetch_once(path, part, identity))

    def _fetch_once(self, path: str, part: Range, identity: str | None) -> bytes:
        begin, work = monotonic(), thread_time()
        reply = self._get(path, part)
        latency = monotonic() - begin
        if identity and reply.identity != identity:
            raise RequestError("changed")
        body = reply.read()
        self.counts.add(None, len(body))
        if len(body) != part[1] - part[0]:
            raise RequestError("short_read", f"{len(body)} bytes of {part[1] - part[0]}")
        self._transfer.meter.observe_request(latency, len(body), thread_time() - work)
        return body

    @abstractmethod
    def _head(self, path: str) -> FileStat: ...

    @abstractmethod
    def _get(self, path: str, part: Range) -> Reply: ...


class S3Source(RemoteSource):
    """A public bucket, read without credentials; ``AWS_ENDPOINT_URL`` may name another server."""

    def __init__(self, location: str, settings: AcquireSettings) -> None:
        super().__init__(location, settings)
        self._bucket, _, self._prefix = self.location.removeprefix("s3://").partition("/")
        self._client = _make_client(settings)

    def list(self, prefix: str) -> Iterator[str]:
        """See `Source.list`."""
        token: str | None = ""
        while token is not None:
            send = partial(self._list, prefix, token)
            page = self._transfer.call(f"{self.location}/{prefix}", "list", send)
            for entry in page.get("Contents", ()):
                yield entry["Key"].removeprefix(self._key(""))
            token = page.get("NextContinuationToken")

    def _list(self, prefix: str, token: str) -> dict[str, Any]:
        more = {"ContinuationToken": token} if token else {}
        with _s3_faults():
            return self._client.list_objects_v2(
                Bucket=self._bucket, Prefix=self._key(prefix), **more
            )

    def _key(self, path: str) -> str:
        return f"{self._prefix}/{path}" if self._prefix else path

    def _head(self, path: str) -> FileStat:
        with _s3_faults():
            found = self._client.head_object(Bucket=self._bucket, Key=self._key(path))
        return FileStat(found["ContentLength"], digest(found["ETag"]))

    def _get(self, path: str, part: Range) -> Reply:
        wanted = f"bytes={part[0]}-{part[1] - 1}"
        with _s3_faults():
            found = self._client.get_object(Bucket=self._bucket, Key=self._key(path), Range=wanted)

        def read() -> bytes:
            with _s3_faults():
                return found["Body"].read()

        return Reply(digest(found["ETag"]), read)


class HttpSource(RemoteSource):
    """A mirror that answers range requests; it cannot be listed."""

    def __init__(self, location: str, settings: AcquireSettings) -> None:
        super().__init__(location, settings)
        retries = urllib3.Retry(3, connect=0, read=0, status=0, other=0, redirect=3)
        self._pool = urllib3.PoolManager(
            maxsize=settings.concurrency, retries=retries, timeout=settings.timeout_s
        )

    def list(self, prefix: str) -> Iterator[str]:
        """See `Source.list`."""
        raise UserError(
            f"source {self.location}: files cannot be listed over HTTP; it needs the redshift "
            "catalogue zall-pix"
        )

    def _head(self, path: str) -> FileStat:
        with _http_faults():
            reply = self._pool.request("HEAD", self._url(path))
        if reply.status != 200:
            raise RequestError.of_status(reply.status, reply.headers.get("Retry-After"))
        return FileStat(int(reply.headers.get("Content-Length", 0)), _identify(reply.headers))

    def _get(self, path: str, part: Range) -> Reply:
        wanted = {"Range": f"bytes={part[0]}-{part[1] - 1}", "Accept-Encoding": "identity"}
        with _http_faults():
            reply = self._pool.request(
                "GET", self._url(path), headers=wanted, preload_content=False
            )
        if reply.status != 206:
            reply.close()
            if reply.status == 200:
                raise RequestError("no_ranges")
            raise RequestError.of_status(reply.status, reply.headers.get("Retry-After"))

        def read() -> bytes:
            with _http_faults():
                body = reply.read()
            reply.release_conn()
            return body

        return Reply(_identify(reply.headers), read)

    def _url(self, path: str) -> str:
        return f"{self.location}/{quote(path)}"


def open_remote(location: str, settings: AcquireSettings) -> RemoteSource:
    """Return the source at an ``s3://`` or ``http(s)://`` address.

    Raises
    ------
    UserError
        If the address names no bucket or host.
    """
    if not urlsplit(location).netloc:
        raise UserError(f"source {location}: give s3://BUCKET/PREFIX or https://HOST/PATH")
    return (S3Source if location.startswith("s3:") else HttpSource)(location, settings)


def _split(wanted: Range) -> list[Range]:
    start, stop = wanted
    return [(first, min(first + _PART, stop)) for first in range(start, stop, _PART)]


def _make_client(settings: AcquireSettings) -> Any:
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    config = ClientConfig(
        signature_version=UNSIGNED,
        # Retries are ours, so that each fault is counted.
        retries={"total_max_attempts": 1},
        max_pool_connections=settings.concurrency,
        connect_timeout=settings.timeout_s,
        read_timeout=settings.timeout_s,
        response_checksum_validation="when_required",
        s3={"addressing_style": "path"} if endpoint else {},
    )
    region = os.environ.get("AWS_DEFAULT_REGION", _REGION)
    return boto3.client("s3", region_name=region, endpoint_url=endpoint, config=config)


@contextmanager
def _s3_faults() -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        answer = error.response["ResponseMetadata"]
        if error.response["Error"].get("Code") == "SlowDown":
            raise RequestError("slow_down") from error
        pause = answer.get("HTTPHeaders", {}).get("retry-after")
        raise RequestError.of_status(answer["HTTPStatusCode"], pause) from error
    except (BotoCoreError, urllib3.exceptions.HTTPError, OSError) as error:
        raise _to_request_error(error) from error


@contextmanager
def _http_faults() -> Iterator[None]:
    try:
        yield
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise _to_request_error(error) from error


def _identify(headers: Mapping[str, str]) -> str:
    return digest(headers.get("ETag") or headers.get("Last-Modified") or "")


def _to_request_error(error: Exception) -> RequestError:
    line = (str(error).splitlines() or [type(error).__name__])[0]
    # Both libraries wrap a body that ends early in a general error.
    is_short = "IncompleteRead" in line or isinstance(error, IncompleteReadError)
    return RequestError("short_read" if is_short else "connection", line)
