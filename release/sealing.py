"""Releases that appear whole or not at all, with a checksum of every file."""

import contextlib
import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from pipeline.errors import UserError
from pipeline.lake.files import guard_root

CHECKSUMS = "SHA256SUMS"
_READ_ONLY = 0o444


@contextlib.contextmanager
def building(path: Path) -> Iterator[Path]:
    """Give a temporary sibling folder to fill; it becomes the release when the block succeeds.

    Raises
    ------
    UserError
        If the disk is full or read-only, or another build is under way.
    """
    partial = path.with_name(f".{path.name}.partial")
    with guard_root(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with hold(path.parent):
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir()
            try:
                yield partial
                seal(partial)
                partial.rename(path)
                _sync(path.parent)
            finally:
                shutil.rmtree(partial, ignore_errors=True)


def seal(folder: Path) -> None:
    """Write the checksums of every file, flush everything to disk and make it read-only."""
    lines = [f"{hash_file(folder / name)}  {name}\n" for name in list_files(folder)]
    (folder / CHECKSUMS).write_text("".join(lines))
    for name in (*list_files(folder), CHECKSUMS):
        _sync(folder / name)
        (folder / name).chmod(_READ_ONLY)


def read_checksums(folder: Path) -> dict[str, str]:
    """Return the recorded SHA-256 of every file by its path below the release."""
    lines = (folder / CHECKSUMS).read_text().splitlines()
    pairs = (line.partition("  ") for line in lines)
    return {name: checksum for checksum, _, name in pairs}


def list_files(folder: Path) -> list[str]:
    """List every file below a release except the checksums, sorted, as POSIX paths."""
    found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return sorted(path.as_posix() for path in found if path.as_posix() != CHECKSUMS)


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def hash_pieces(pieces: Iterable[bytes]) -> str:
    """Return the SHA-256 of bytes that come in pieces."""
    checksum = hashlib.sha256()
    for piece in pieces:
        checksum.update(piece)
    return checksum.hexdigest()


@contextlib.contextmanager
def hold(folder: Path) -> Iterator[None]:
    """Keep a folder for this process: nobody else builds, publishes or fetches there.

    Raises
    ------
    UserError
        If another process has it.
    """
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise UserError(
            f"{folder}: another release is being built or moved here; wait for it to end"
        ) from None
    else:
        yield
    finally:
        os.close(handle)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
