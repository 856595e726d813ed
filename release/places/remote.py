"""What publishing and fetching share: places to send to and to read from, and their faults."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any, Protocol

from pipeline.errors import QadError
from pipeline.transport.retry import RetryPolicy
from release.sealing import CHECKSUMS, hash_file, hash_pieces, read_checksums

Tell = Callable[[int], None]
LATEST = "latest.json"
NOTICES = "withdrawn"
# A minute in all, for a server that starts again or is overrun.
READING = RetryPolicy(max_attempts=5, backoff_s=2, longest_s=20)
_NAMES_SHOWN = 3


class RemoteError(QadError):
    """The other side refuses, fails or holds something else; what is done is kept."""


class PassingError(RemoteError):
    """A fault that may pass: another attempt is worth it."""


class MovedError(RemoteError):
    """Somebody else moved what was to be moved meanwhile."""


class MissingError(RemoteError):
    """There is no such object."""


class ChecksumError(RemoteError):
    """An object's bytes are not those that were published."""


@dataclass(frozen=True)
class Parcel:
    """A validated, sealed release on its way out.

    Attributes
    ----------
    path : Path
    version : str
        X.Y.Z.
    """

    path: Path
    version: str

    @cached_property
    def checksums(self) -> dict[str, str]:
        """SHA-256 of every file by its path, that of the list itself last."""
        return {**read_checksums(self.path), CHECKSUMS: self.seal}

    @cached_property
    def seal(self) -> str:
        """SHA-256 of the list of checksums: the identity of the release."""
        return hash_file(self.path / CHECKSUMS)

    def size(self, name: str) -> int:
        """Return the bytes of a file."""
        return (self.path / name).stat().st_size


class Origin(Protocol):
    """A place that files are read from."""

    name: str

    def read(self, path: str, start: int = 0) -> Iterator[bytes]:
        """Yield the bytes of a file from `start` on; raises `RemoteError`."""
        ...


class Target(Protocol):
    """A place that releases are published to.

    Attributes
    ----------
    name : str
        Address, with the staging place where it is one; without credentials.
    server : str
        Address of the server that the name is looked up at.
    """

    name: str
    server: str

    def find_missing(self, parcel: Parcel) -> list[str]:
        """List the files that are still to be sent; raises where another content is there."""
        ...

    def send(self, parcel: Parcel, names: list[str], tell: Tell) -> None:
        """Send files; none that is there is overwritten."""
        ...

    def open_sent(self, parcel: Parcel) -> tuple[dict[str, str], Origin]:
        """Return what is there for reading back, after a word for each file's state.

        Another content of a file is another state.
        """
        ...

    def announce(self, parcel: Parcel) -> bool:
        """Make the release findable; False if it was already."""
        ...

    def read_notice(self, version: str) -> dict[str, Any] | None:
        """Return the notice of withdrawal of a version, if any."""
        ...

    def withdraw(self, version: str, notice: dict[str, Any]) -> bool:
        """Add a notice of withdrawal; False if there was one."""
        ...


def refuse_difference(
    place: str, parcel: Parcel, changed: Collection[str], added: Collection[str], advice: str
) -> ChecksumError:
    """Return the fault of a place that holds something else under the name of a release."""
    parts = [f"{list_some(changed)} differs"] if changed else []
    parts += [f"{list_some(added)} is no part of it"] if added else []
    return ChecksumError(
        f"{place} holds another release {parcel.version} than {parcel.path}: {'; '.join(parts)}; "
        f"a published version never changes: {advice}"
    )


def list_some(names: Collection[str]) -> str:
    """Return the first names of files and the number of the others."""
    first = ", ".join(sorted(names)[:_NAMES_SHOWN])
    n_more = len(names) - _NAMES_SHOWN
    return f"{first} and {n_more:,} more" if n_more > 0 else first


def read_remote(origin: Origin, path: str) -> bytes:
    """Return a small file whole."""
    return b"".join(read_steadily(origin, path))


def hash_remote(origin: Origin, path: str, tell: Tell) -> str:
    """Return the SHA-256 of a file as it is read back."""

    def read() -> Iterator[bytes]:
        for piece in read_steadily(origin, path):
            tell(len(piece))
            yield piece

    return hash_pieces(read())


def read_steadily(origin: Origin, path: str, start: int = 0) -> Iterator[bytes]:
    """Yield a file's bytes, going on from where a passing fault cut them off.

    Raises
    ------
    RemoteError
        If a fault does not pass: the attempts of `READING` in a row gave no byte.
    """
    while True:
        pieces = READING.retrying(PassingError)(_begin, origin, path, start)
        try:
            for piece in pieces:
                start += len(piece)
                yield piece
            return
        except PassingError:
            # Cut off after some bytes: the attempts at the rest are counted anew.
            continue


def _begin(origin: Origin, path: str, start: int) -> Iterator[bytes]:
    """Return the pieces of a file, of which the first has arrived."""
    pieces = origin.read(path, start)
    return chain(filter(None, [next(pieces, b"")]), pieces)
