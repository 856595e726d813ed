"""Where the survey's files come from: a folder, memory, or a remote source (`remote.py`)."""

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple, Self

from pipeline.errors import DataError, MissingFileError
from pipeline.lake.layout import is_remote
from pipeline.lake.store import digest
from pipeline.settings.transport import AcquireSettings
from pipeline.transport.ranges import Link, Range
from pipeline.transport.transfer import Counts


class FileStat(NamedTuple):
    """Size in bytes, and what changes whenever the file does."""

    size: int
    identity: str


class Source(ABC):
    """Files below a location; paths are relative to it, ranges are (start, stop) in bytes.

    What comes from a remote source is verified by its checksums.
    """

    is_remote = False

    def __init__(self, location: str) -> None:
        self.location = location.rstrip("/")
        self.counts = Counts()

    def file(self, path: str) -> "SourceFile":
        """Name a file below the location; MissingFileError if the path, from a table, is none."""
        if not path.isprintable() or path.startswith("/") or ".." in path.split("/"):
            raise MissingFileError(
                f"{self.location}: {ascii(path)[:80]} is no path of a file in it"
            )
        return SourceFile(self, path)

    def session(self) -> Self:
        """Return the same source with request counts of its own."""
        other = copy(self)
        other.counts = Counts()
        return other

    def exists(self, path: str) -> bool:
        """Say whether there is such a file; DataError if the source does not tell."""
        try:
            self.stat(path)
        except MissingFileError:
            return False
        return True

    @property
    @abstractmethod
    def link(self) -> Link:
        """What requests cost, as measured so far."""

    @abstractmethod
    def stat(self, path: str) -> FileStat:
        """Return size and identity; MissingFileError or DataError if that cannot be."""

    @abstractmethod
    def read(self, path: str, ranges: Sequence[Range], identity: str | None = None) -> list[bytes]:
        """Return the bytes of every range; with an identity, only of the file that has it.

        Raises
        ------
        DataError
            If the file is missing, changed, too short, or the source does not answer.
        """

    def read_into(
        self, path: str, places: Sequence[tuple[int, memoryview]], identity: str | None = None
    ) -> None:
        """Fill buffers with the bytes that begin at their places; see `read`."""
        ranges = [(start, start + len(buffer)) for start, buffer in places]
        for (_, buffer), data in zip(places, self.read(path, ranges, identity), strict=True):
            buffer[:] = data

    @abstractmethod
    def list(self, prefix: str) -> Iterator[str]:
        """Yield the paths that start so, in order."""


@dataclass(frozen=True)
class SourceFile:
    """A file of a source."""

    source: Source
    path: str

    def __str__(self) -> str:
        return f"{self.source.location}/{self.path}"

    @property
    def name(self) -> str:
        """Last part of the path."""
        return self.path.rpartition("/")[2]

    def exists(self) -> bool:
        """See `Source.exists`."""
        return self.source.exists(self.path)

    def stat(self) -> FileStat:
        """See `Source.stat`."""
        return self.source.stat(self.path)

    def read(self, ranges: Sequence[Range], identity: str | None = None) -> list[bytes]:
        """See `Source.read`."""
        return self.source.read(self.path, ranges, identity)

    def read_into(
        self, places: Sequence[tuple[int, memoryview]], identity: str | None = None
    ) -> None:
        """See `Source.read_into`."""
        self.source.read_into(self.path, places, identity)


class LocalSource(Source):
    """A folder, read in place."""

    @property
    def link(self) -> Link:
        """A local disk behind the page cache."""
        return Link(latency=3e-6, bandwidth=2e9)

    def stat(self, path: str) -> FileStat:
        """Take size and modification time: cheap, and changes when the file does."""
        try:
            return _stat_local(os.stat(self._place(path)))
        except (FileNotFoundError, NotADirectoryError):
            raise self._missing(path) from None
        except OSError as error:
            raise self._closed(path, error) from None

    def read(self, path: str, ranges: Sequence[Range], identity: str | None = None) -> list[bytes]:
        """See `Source.read`."""
        with self._open(path, identity) as descriptor:
            return [self._read_range(path, descriptor, wanted) for wanted in ranges]

    def read_into(
        self, path: str, places: Sequence[tuple[int, memoryview]], identity: str | None = None
    ) -> None:
        """See `Source.read_into`; nothing is copied on the way."""
        with self._open(path, identity) as descriptor:
            for start, buffer in places:
                n_read = os.preadv(descriptor, [buffer], start)
                if n_read != len(buffer):
                    buffer[:] = self._read_range(path, descriptor, (start, start + len(buffer)))
        self.counts.add("read", sum(len(buffer) for _, buffer in places), len(places))

    def list(self, prefix: str) -> Iterator[str]:
        """See `Source.list`."""
        root = Path(self.location)
        folder = root / prefix.rpartition("/")[0]
        names = (place.relative_to(root).as_posix() for place in folder.rglob("*"))
        yield from sorted(name for name in names if name.startswith(prefix))

    @contextmanager
    def _open(self, path: str, identity: str | None) -> Iterator[int]:
        try:
            descriptor = os.open(self._place(path), os.O_RDONLY)
        except (FileNotFoundError, NotADirectoryError):
            raise self._missing(path) from None
        except OSError as error:
            raise self._closed(path, error) from None
        try:
            if identity and _stat_local(os.fstat(descriptor)).identity != identity:
                raise DataError(f"{self.file(path)}: changed since it was listed; run again")
            yield descriptor
        except OSError as error:
            raise self._closed(path, error) from None
        finally:
            os.close(descriptor)

    def _place(self, path: str) -> str:
        return os.path.join(self.location, path)

    def _closed(self, path: str, error: OSError) -> DataError:
        return DataError(f"{self.file(path)}: cannot be read ({error.strerror})")

    def _missing(self, path: str) -> MissingFileError:
        return MissingFileError(f"{self.file(path)}: no such file; fetch it or leave its shard out")

    def _read_range(self, path: str, descriptor: int, wanted: Range) -> bytes:
        start, stop = wanted
        data = os.pread(descriptor, stop - start, start)
        # One call returns at most 2 GiB.
        while 0 < len(data) < stop - start:
            more = os.pread(descriptor, stop - start - len(data), start + len(data))
            if not more:
                break
            data += more
        if len(data) != stop - start:
            raise DataError(f"{self.file(path)}: ends before byte {stop}; fetch it again")
        self.counts.add("read", len(data))
        return data


class MemorySource(Source):
    """One file in memory, e.g. after decompression."""

    def __init__(self, location: str, data: bytes) -> None:
        super().__init__(location)
        self._data = data

    @property
    def link(self) -> Link:
        """Memory."""
        return Link(latency=1e-7, bandwidth=1e10)

    def stat(self, path: str) -> FileStat:
        """See `Source.stat`."""
        return FileStat(len(self._data), "memory")

    def read(self, path: str, ranges: Sequence[Range], identity: str | None = None) -> list[bytes]:
        """See `Source.read`."""
        parts = [self._data[start:stop] for start, stop in ranges]
        if any(
            len(part) != stop - start for part, (start, stop) in zip(parts, ranges, strict=True)
        ):
            raise DataError(f"{self.file(path)}: ends early; fetch it again")
        return parts

    def list(self, prefix: str) -> Iterator[str]:
        """Nothing else is here."""
        yield from ()


@contextmanager
def booking(source: Source) -> Iterator[Source]:
    """Give a session whose counts a `DataError` in the block carries to the ledger."""
    session = source.session()
    try:
        yield session
    except DataError as error:
        error.requests, error.n_bytes = dict(session.counts.requests), session.counts.n_bytes
        raise


def share_limits(settings: AcquireSettings, workers: int) -> AcquireSettings:
    """Give each worker its part of the request rate."""
    rate = settings.max_requests_per_second / workers
    return settings.model_copy(update={"max_requests_per_second": rate})


@lru_cache(maxsize=4)
def open_source(location: str, settings: AcquireSettings) -> Source:
    """Return the source at a location; connections are kept for the next call.

    Raises
    ------
    UserError
        If the address names no bucket or host.
    """
    if not is_remote(location):
        return LocalSource(location)
    # boto3 is slow to import; a local run has no use for it.
    from pipeline.transport.remote import open_remote

    return open_remote(location, settings)


def _stat_local(status: os.stat_result) -> FileStat:
    return FileStat(status.st_size, digest(status.st_size, status.st_mtime_ns))


def local_file(path: Path) -> SourceFile:
    """Name a file outside any tree."""
    return LocalSource(str(path.parent)).file(path.name)
