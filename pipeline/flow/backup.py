"""Backups of what a run cannot make again: models, ledger, releases, and a list of the lake.

A backup is a list of files, ``backups/TIME.json``; the bytes lie below ``objects/`` under their
SHA-256, so that a second backup sends what is new and no backup can change another.
"""

import hashlib
import json
import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from pipeline.errors import UserError
from pipeline.flow.root import Root, read_saved_config
from pipeline.lake.files import (
    exists,
    guard_root,
    is_object,
    list_files,
    locate,
    measure,
    opening,
    replacing,
    show,
)
from pipeline.lake.layout import Lake
from pipeline.ledger.books import Ledger
from pipeline.ledger.database import choose_url
from pipeline.names import check_list, find_below
from pipeline.settings.run import RunSettings

_LISTS, _OBJECTS = "backups", "objects"
_LAKE_LIST = "lake.json"
_MODELS = "models"
# Runs make them again from the source; the ledger is copied as a database.
_MADE_AGAIN = ("lake", "cache", "mock", "applied")
_PIECE = 2**20
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Entry:
    """One file of a backup; releases are read-only."""

    sha256: str
    n_bytes: int
    is_read_only: bool


@dataclass(frozen=True)
class Backup:
    """What `back_up` kept.

    Attributes
    ----------
    name : str
        Its time, UTC.
    n_files : int
        Files that it holds.
    n_sent, n_bytes : int
        Those that were not there from earlier backups, and their size.
    """

    name: str
    n_files: int
    n_sent: int
    n_bytes: int


def back_up(store: Root, to: str) -> Backup:
    """Keep a data root's models, ledger, settings, releases and the list of its lake.

    Parameters
    ----------
    store : Store
    to : str
        Folder, or ``s3://BUCKET/PREFIX``.

    Returns
    -------
    Backup

    Raises
    ------
    UserError
        If a process writes to the root, or the place cannot be written or reads back other bytes.
    """
    place = _parse(to)
    if not is_object(place) and place.resolve().is_relative_to(store.root.resolve()):
        raise UserError(f"{to} is below the data root; choose another disk, or s3://BUCKET/PREFIX")
    with store.lock(), tempfile.TemporaryDirectory(prefix="qad-") as scratch:
        files = _collect(store, Path(scratch))
        check_list(files, str(store.root))
        entries = {name: _describe(path) for name, path in files.items()}
        sent = {e.sha256: n for n, e in entries.items() if not _is_kept(place, e)}
        for name in sent.values():
            _send(files[name], _object(place, entries[name]), entries[name])
    backup = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    with replacing(place / _LISTS / f"{backup}.json") as partial:
        partial.write_text(json.dumps({n: asdict(e) for n, e in entries.items()}, indent=1))
    n_bytes = sum(entries[name].n_bytes for name in sent.values())
    return Backup(backup, len(entries), len(sent), n_bytes)


def restore(place: str, root: Path, name: str | None = None) -> Backup:
    """Bring a backup back as a new data root, every file checked; whole or not at all.

    The lake's datasets are made again by ``qad run``; ``lake.json`` says what they were. Where a
    database is configured for the ledger, by the environment or by the saved settings, its rows
    go there.

    Parameters
    ----------
    place : str
        Folder, or ``s3://BUCKET/PREFIX``.
    root : Path
        Data root to make.
    name : str, optional
        Which backup; the latest by default.

    Raises
    ------
    UserError
        If the root is there, there is no such backup, a copy is damaged, or the database holds
        rows of this root.
    """
    if root.exists():
        raise UserError(f"{root} exists; restore into a new folder")
    source = _parse(place)
    listed = _choose(source, name)
    entries = _read_list(listed)
    partial = root.with_name(f".{root.name}.restore")
    with guard_root(root):
        shutil.rmtree(partial, ignore_errors=True)
        for file_name, entry in entries.items():
            _fetch(_object(source, entry), find_below(partial, file_name), entry)
        _settle(partial, root)
        partial.rename(root)
    n_bytes = sum(entry.n_bytes for entry in entries.values())
    return Backup(listed.stem, len(entries), len(entries), n_bytes)


def _read_list(path: Path) -> dict[str, Entry]:
    """Return the files of a backup; the list may come from elsewhere."""
    try:
        with opening(path) as file:
            entries = {n: Entry(**values) for n, values in json.loads(file.read()).items()}
        is_whole = all(
            _SHA256.fullmatch(entry.sha256) and isinstance(entry.n_bytes, int)
            for entry in entries.values()
        )
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        is_whole = False
    if not is_whole:
        raise UserError(f"{show(path)} is damaged; restore another backup with --at")
    check_list(entries, show(path))
    return entries


def _parse(place: str) -> Path:
    return locate(place) if place.startswith("s3://") else Path(place)


def _collect(store: Root, scratch: Path) -> dict[str, Path]:
    """Return the files to keep by their name below the root."""
    ledger = store.lake.ledger.name
    files = {
        path.relative_to(store.root).as_posix(): path
        for folder in store.root.glob("[!.]*")
        if folder.name not in _MADE_AGAIN and not folder.name.startswith(ledger)
        for path in (list_files(folder) if folder.is_dir() else [folder])
        if not any(part.startswith(".") for part in path.relative_to(store.root).parts)
    }
    if store.lake.url:
        home = store.lake.home
        files |= {p.relative_to(home).as_posix(): p for p in list_files(home / _MODELS)}
    if store.has_ledger:
        store.ledger.copy_to(scratch / ledger)
        files[ledger] = scratch / ledger
    (scratch / _LAKE_LIST).write_text(json.dumps(_list_lake(store), indent=1))
    return files | {_LAKE_LIST: scratch / _LAKE_LIST}


def _list_lake(store: Root) -> dict[str, Mapping[str, object]]:
    """Return what every dataset's footer says of its making."""
    paths = [path for path in list_files(store.lake.datasets) if path.suffix == ".parquet"]
    stamps = store.map(store.read_stamp, paths)
    return {
        path.relative_to(store.lake.home).as_posix(): asdict(stamp)
        for path, stamp in zip(paths, stamps, strict=True)
        if stamp
    }


def _describe(path: Path) -> Entry:
    checksum, n_bytes = _hash(path)
    is_read_only = not is_object(path) and not path.stat().st_mode & 0o200
    return Entry(checksum, n_bytes, is_read_only)


def _hash(path: Path) -> tuple[str, int]:
    checksum, n_bytes = hashlib.sha256(), 0
    with opening(path) as file:
        while piece := file.read(_PIECE):
            checksum.update(piece)
            n_bytes += len(piece)
    return checksum.hexdigest(), n_bytes


def _object(place: Path, entry: Entry) -> Path:
    return place / _OBJECTS / entry.sha256[:2] / entry.sha256


def _is_kept(place: Path, entry: Entry) -> bool:
    """Tell whether an earlier backup sent the file whole; `restore` compares its bytes."""
    path = _object(place, entry)
    return exists(path) and measure(path) == entry.n_bytes


def _send(path: Path, target: Path, entry: Entry) -> None:
    with replacing(target) as partial:
        _copy(path, partial)
    if _hash(target)[0] != entry.sha256:
        raise UserError(f"{show(target)} reads back with other bytes than were written; try again")


def _fetch(source: Path, target: Path, entry: Entry) -> None:
    try:
        _copy(source, target)
    except FileNotFoundError:
        raise UserError(f"{show(source)} is missing; restore another backup with --at") from None
    if _hash(target)[0] != entry.sha256:
        raise UserError(
            f"{show(source)} is damaged: it is not what was backed up; restore another backup with "
            "--at, or remove it and back up again"
        )
    if entry.is_read_only:
        target.chmod(0o444)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with opening(source) as file, target.open("wb") as copy:
        shutil.copyfileobj(file, copy, _PIECE)


def _choose(place: Path, name: str | None) -> Path:
    found = {path.stem: path for path in list_files(place / _LISTS) if path.suffix == ".json"}
    if not found:
        raise UserError(f"{show(place)} holds no backup; make one with `qad backup`")
    if name and name not in found:
        raise UserError(f"{show(place)} has no backup {name}; it has {', '.join(found)}")
    return found[name or max(found)]


def _settle(partial: Path, root: Path) -> None:
    """Put the models and the ledger where the saved settings have them."""
    bare = Root(partial)
    run = read_saved_config(bare).run if bare.lake.config.is_file() else RunSettings()
    lake = Lake(root, run.lake)
    if run.lake:
        for path in list_files(partial / _MODELS):
            with replacing(lake.home / path.relative_to(partial)) as copy:
                shutil.copyfile(path, copy)
        shutil.rmtree(partial / _MODELS, ignore_errors=True)
    if bare.lake.ledger.is_file() and choose_url(run.ledger_url):
        with Ledger.of_lake(lake, run.ledger_url).closing() as ledger:
            ledger.fill_from(bare.lake.ledger)
        bare.lake.ledger.unlink()
