"""Fetch a published release: resumed where it broke off, every file checked, whole or not there."""

import contextlib
import json
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path

from catalog_schema.kinds import KINDS
from pipeline.errors import UserError
from pipeline.lake.files import guard_root
from pipeline.names import check_list, check_version, find_below
from pipeline.progress import show_transfer
from pipeline.transport.retry import RetryPolicy
from release.manifest import MANIFEST
from release.places.remote import (
    LATEST,
    NOTICES,
    ChecksumError,
    MissingError,
    Origin,
    RemoteError,
    Tell,
    read_remote,
    read_steadily,
)
from release.sealing import CHECKSUMS, hash_file, hash_pieces, hold

# What a subset leaves out.
SUBSETS: dict[str, tuple[str, ...]] = {
    "all": (),
    "anomalies": (*(kind.main_file for kind in KINDS.values()), "hats/", "calibration/", "model/"),
}
_LINE = re.compile(r"(?P<sum>[0-9a-f]{64})  (?P<name>\S.*)")
# Bytes that changed on the way are fetched once more.
_FETCHING = RetryPolicy(max_attempts=2, backoff_s=0, longest_s=0)
_READ_ONLY = 0o444


@dataclass(frozen=True)
class Fetched:
    """What `fetch` brought.

    Attributes
    ----------
    path : Path
        Folder of the release.
    version : str
    n_files, n_bytes : int
        Fetched now; what lay there right is not counted.
    notice : str or None
        Why the version was withdrawn, if it was.
    """

    path: Path
    version: str
    n_files: int
    n_bytes: int
    notice: str | None


def fetch(address: str, into: Path, subset: str = "all") -> Fetched:
    """Bring a published release into a folder as ``into/X.Y.Z``.

    Parameters
    ----------
    address : str
        A release, or a folder of releases whose latest.json names one: ``s3://BUCKET/PREFIX``,
        ``https://HOST/PATH`` or ``hf://ORG/NAME@TAG``.
    into : Path
        Folder of releases, made where it is not there.
    subset : str
        Key of `SUBSETS`.

    Returns
    -------
    Fetched

    Raises
    ------
    UserError
        If the address is none, or the disk is full.
    RemoteError
        If the other side fails or serves other bytes than it lists; what was fetched stays for
        the next attempt.
    """
    origin, text, notice_origin = _locate(address)
    checksums = _parse(origin, text)
    manifest = read_remote(origin, MANIFEST)
    if hash_pieces([manifest]) != checksums.get(MANIFEST):
        raise ChecksumError(f"{origin.name}/{MANIFEST} differs from {CHECKSUMS}; fetch it again")
    version = _read_version(origin, manifest)
    left_out = SUBSETS[subset]
    wanted = {name: sum_ for name, sum_ in checksums.items() if not name.startswith(left_out)}
    path = into / version
    # A subset that lies there already is completed in place.
    folder = path if path.exists() else into / f".{version}.fetch"
    with guard_root(into):
        folder.mkdir(parents=True, exist_ok=True)
        with hold(folder):
            n_files, n_bytes = _fill(folder, origin, wanted, text)
            if folder != path:
                folder.rename(path)
    return Fetched(path, version, n_files, n_bytes, _read_reason(notice_origin, version))


def _read_version(origin: Origin, manifest: bytes) -> str:
    try:
        version = json.loads(manifest)["version"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise RemoteError(f"{origin.name}/{MANIFEST} is no manifest of a release") from None
    return check_version(version)


def _locate(address: str) -> tuple[Origin, bytes, Origin]:
    """Return a release, its list of checksums, and where a notice about it would lie."""
    origin = _open(address)
    if address.startswith("hf://"):
        branch = "staging" if "-staging" in address.partition("@")[2] else "main"
        home = _open(f"{address.partition('@')[0].rstrip('/')}@{branch}")
        return origin, read_remote(origin, CHECKSUMS), home
    with contextlib.suppress(MissingError):
        return origin, read_remote(origin, CHECKSUMS), _open(origin.name.rpartition("/")[0])
    try:
        latest = json.loads(read_remote(origin, LATEST))
        version, seal = str(latest["version"]), latest[CHECKSUMS]
    except MissingError:
        raise UserError(
            f"{address} has neither {CHECKSUMS} nor {LATEST}; give the address of a release"
        ) from None
    except (ValueError, KeyError, TypeError, RecursionError):
        raise RemoteError(f"{origin.name}/{LATEST} is damaged; name a version") from None
    check_version(version)
    release = _open(f"{origin.name}/{version}")
    text = read_remote(release, CHECKSUMS)
    if hash_pieces([text]) != seal:
        raise ChecksumError(f"{release.name}/{CHECKSUMS} is not the one that {LATEST} names")
    return release, text, origin


def _open(address: str) -> Origin:
    if address.startswith("s3://"):
        from release.places.bucket import BucketOrigin

        return BucketOrigin(address)
    if address.startswith("hf://"):
        from release.places.hub import open_hub

        return open_hub(address)
    if address.startswith(("https://", "http://")):
        from release.places.web import WebOrigin

        return WebOrigin(address)
    raise UserError(f"{address}: give s3://BUCKET/PREFIX, hf://ORG/NAME@TAG or https://HOST/PATH")


def _parse(origin: Origin, text: bytes) -> dict[str, str]:
    found = [_LINE.fullmatch(line) for line in text.decode(errors="replace").splitlines()]
    lines = [line for line in found if line is not None]
    if not lines or None in found:
        raise RemoteError(f"{origin.name}/{CHECKSUMS} is no list of checksums of a release")
    check_list([*(line["name"] for line in lines), CHECKSUMS], f"{origin.name}/{CHECKSUMS}")
    return {line["name"]: line["sum"] for line in lines}


def _fill(folder: Path, origin: Origin, wanted: dict[str, str], text: bytes) -> tuple[int, int]:
    places = {name: find_below(folder, name) for name in (*wanted, CHECKSUMS)}
    missing = [name for name, sum_ in wanted.items() if not _is_right(places[name], sum_)]
    n_bytes = 0
    with show_transfer(f"fetch {origin.name}", None) as tell:
        for name in missing:
            fetching = _FETCHING.retrying(ChecksumError)
            n_bytes += fetching(_fetch_file, places[name], origin, name, wanted[name], tell)
    _place(places[CHECKSUMS], text)
    return len(missing), n_bytes


def _fetch_file(path: Path, origin: Origin, name: str, checksum: str, tell: Tell) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = _name_partial(path)
    start = partial.stat().st_size if partial.exists() else 0
    with partial.open("ab") as handle:
        for piece in read_steadily(origin, name, start):
            handle.write(piece)
            tell(len(piece))
        handle.flush()
        os.fsync(handle.fileno())
    if hash_file(partial) != checksum:
        partial.unlink()
        raise ChecksumError(
            f"{origin.name}/{name} does not have the checksum that {CHECKSUMS} lists; fetch again, "
            "or from another place"
        )
    partial.chmod(_READ_ONLY)
    partial.replace(path)
    return path.stat().st_size - start


def _name_partial(path: Path) -> Path:
    """Return where a file grows; what is no file of its own there, such as a link, is removed."""
    partial = path.with_name(f".{path.name}.part")
    if os.path.lexists(partial):
        found = partial.lstat()
        if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
            partial.unlink()
    return partial


def _is_right(path: Path, checksum: str) -> bool:
    return path.is_file() and hash_file(path) == checksum


def _place(path: Path, content: bytes) -> None:
    partial = _name_partial(path)
    partial.write_bytes(content)
    partial.chmod(_READ_ONLY)
    partial.replace(path)


def _read_reason(origin: Origin, version: str) -> str | None:
    try:
        notice = json.loads(read_remote(origin, f"{NOTICES}/{version}.json"))
        return str(notice["reason"])
    except MissingError:
        return None
    except (ValueError, KeyError, TypeError, RecursionError):
        raise RemoteError(f"{origin.name}/{NOTICES}/{version}.json is damaged") from None
