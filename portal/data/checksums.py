"""Files of a release against its list of checksums, before anything of them is shown.

A verdict is kept under the file's size, times and inode, so that each file is read once.
"""

import hashlib
import os
import re
import threading
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from portal.data.cache import make_folder

LIST = "SHA256SUMS"
OTHER = "does not match its checksum in SHA256SUMS"
CHECKING = "is being compared with its checksum: ask again in a minute"
_LINE = re.compile(r"([0-9a-f]{64}) [ *](.+)")
_MAX_LIST_BYTES = 64 << 20
# What takes some seconds to read is compared at once, more of it meanwhile.
_MAX_WAITED_BYTES = 4 << 30

State = tuple[int, int, int, int]
_verdicts: dict[tuple[Path, State], str] = {}
# Large files that are being read, and those that have been.
_checking: set[tuple[Path, State]] = set()
_late: set[tuple[Path, State]] = set()
_changing = threading.Lock()


def find_mismatch(root: Path, name: str) -> str | None:
    """Return why a file is not what the release's list says; None for a file it does not name."""
    wanted = _read_list(root / LIST).get(name)
    if wanted is None or name == LIST:
        return None
    path = (root / name).resolve()
    found = _digest(path)
    if found is None:
        return CHECKING
    return None if found == wanted else OTHER


def is_listed(root: Path, name: str) -> bool:
    """Say whether the release's list names a file."""
    return name in _read_list(root / LIST)


def count_late() -> int:
    """Return how many files were compared after somebody had asked for them."""
    return len(_late)


def read_state(path: Path) -> State | None:
    """Return what changes with a file, whoever sets its time back; None where it is gone."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino


def _digest(path: Path) -> str | None:
    """Return a file's digest, None while it is being read."""
    state = read_state(path)
    if state is None:
        return ""
    key = path, state
    if key in _verdicts:
        return _verdicts[key]
    if kept := _recall(path, state):
        _verdicts[key] = kept
        return kept
    if state[0] <= _MAX_WAITED_BYTES:
        return _measure(path, state)
    with _changing:
        if key not in _checking:
            _checking.add(key)
            threading.Thread(target=_measure_late, args=key, daemon=True).start()
    return None


def _measure_late(path: Path, state: State) -> None:
    _measure(path, state)
    _late.add((path, state))


def _measure(path: Path, state: State) -> str:
    try:
        with path.open("rb") as source:
            digest = hashlib.file_digest(source, "sha256").hexdigest()
    except OSError:
        # What cannot be read is not what the list says.
        digest = ""
    _verdicts[path, state] = digest
    with suppress(OSError):
        partial = _place(path).with_suffix(f".{os.getpid()}-{threading.get_ident()}")
        partial.write_text(f"{state} {digest}")
        partial.replace(_place(path))
    return digest


def _recall(path: Path, state: State) -> str | None:
    try:
        kept = _place(path).read_text()
    except (OSError, UnicodeDecodeError):
        return None
    seen, _, digest = kept.rpartition(" ")
    return digest if seen == str(state) else None


def _place(path: Path) -> Path:
    return make_folder() / f"sum-{hashlib.sha256(str(path).encode()).hexdigest()[:24]}.txt"


def _read_list(path: Path) -> dict[str, str]:
    state = read_state(path)
    return {} if state is None or state[0] > _MAX_LIST_BYTES else _parse_list(path, state)


@lru_cache(maxsize=8)
def _parse_list(path: Path, _: State) -> dict[str, str]:
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    found = filter(None, map(_LINE.fullmatch, text.splitlines()))
    return {match[2]: match[1] for match in found}
