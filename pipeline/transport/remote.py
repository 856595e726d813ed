"""What the remote sources (`s3.py`, `mirror.py`) share: byte ranges, fetched and checked."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from copy import copy
from time import monotonic, thread_time
from typing import NamedTuple, Self
from urllib.parse import urlsplit

from pipeline.errors import UserError, first_line
from pipeline.settings.transport import AcquireSettings
from pipeline.transport.ranges import Link, Range
from pipeline.transport.sources import FileStat, Source
from pipeline.transport.transfer import RequestError, Transfer

# A large range goes in parts over several connections, and a fault costs one part.
_PART = 2**23


class Reply(NamedTuple):
    """A reply whose headers are in: identity of the file, and how to read the body."""

    identity: str
    read: Callable[[], bytes]


class RemoteSource(Source):
    """What S3 and HTTP share: sessions, parts, retries and the checks on every reply."""

    is_remote = True

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


def open_remote(location: str, settings: AcquireSettings) -> RemoteSource:
    """Return the source at an ``s3://`` or ``http(s)://`` address.

    Raises
    ------
    UserError
        If the address names no bucket or host.
    """
    if not urlsplit(location).netloc:
        raise UserError(f"source {location}: give s3://BUCKET/PREFIX or https://HOST/PATH")
    # boto3 takes half a second to import, which only S3 is worth.
    if location.startswith("s3:"):
        from pipeline.transport.s3 import S3Source

        return S3Source(location, settings)
    from pipeline.transport.mirror import HttpSource

    return HttpSource(location, settings)


def to_request_error(error: Exception) -> RequestError:
    """Classify a failure of the connection or of the body."""
    line = first_line(error)
    # Both libraries wrap a body that ends early in an error that only its text tells.
    is_short = "IncompleteRead" in line or "IncompleteRead" in type(error).__name__
    return RequestError("short_read" if is_short else "connection", line)


def _split(wanted: Range) -> list[Range]:
    start, stop = wanted
    return [(first, min(first + _PART, stop)) for first in range(start, stop, _PART)]
