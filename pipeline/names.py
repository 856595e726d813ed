"""Names that come from elsewhere, as they become paths: below their folder, or refused."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import TypeGuard

from packaging.version import InvalidVersion, Version

from pipeline.errors import UserError

# A dataset, a survey, a catalogue, a model; room is left for what is put before and after it.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+=-]{0,99}")
_LONGEST_VERSION = 20
_LONGEST_PART, _LONGEST_PATH = 200, 1000


def is_name(text: object) -> TypeGuard[str]:
    """Say whether a text may name a file or folder of the lake: ASCII, no separator, no dots."""
    return isinstance(text, str) and _NAME.fullmatch(text) is not None


def check_name(text: object, what: str) -> str:
    """Return a name that becomes one part of a path.

    Parameters
    ----------
    text : object
        Usually str.
    what : str
        What is named, for the message.

    Raises
    ------
    UserError
        If it could lead elsewhere, or is more than a name.
    """
    if not is_name(text):
        raise UserError(
            f"{what} {_quote(text)} cannot name a file: give at most 100 of the letters A-Z, a-z, "
            "digits and _ . + = -, the first a letter, a digit or _"
        )
    return text


def is_version(text: object) -> TypeGuard[str]:
    """Say whether a text is a release's version X.Y.Z."""
    if not isinstance(text, str) or len(text) > _LONGEST_VERSION:
        return False
    try:
        numbers = Version(text).release
    except InvalidVersion:
        return False
    # No label, no leading zero, nothing that only means the same.
    return len(numbers) == 3 and text == ".".join(map(str, numbers))


def check_version(text: object) -> str:
    """Return a release's version.

    Raises
    ------
    UserError
        If it is not of the form X.Y.Z, numbers without leading zeros.
    """
    if not is_version(text):
        raise UserError(f"version {_quote(text)} is not of the form X.Y.Z; try 0.1.0")
    return text


def check_list(names: Iterable[str], whose: str) -> None:
    """Refuse a list of files of which one would lie elsewhere or in the place of another.

    Parameters
    ----------
    names : iterable of str
        Relative paths with ``/``, of files that are to lie in one folder.
    whose : str
        Where the list comes from, for the message.

    Raises
    ------
    UserError
        If a name is absolute, leads out of the folder, is hidden, too long or no text that can be
        shown; if a file would also be a folder; or if names differ in case only, so that on some
        disks one would replace the other.
    """
    names = list(names)
    for name in names:
        if fault := _find_fault(name):
            raise UserError(f"{whose} lists {_quote(name)}: {fault}; do not use it")
    folded = Counter(map(_fold, names))
    folders = {str(folder) for name in folded for folder in PurePosixPath(name).parents}
    for name in names:
        if folded[_fold(name)] > 1 or _fold(name) in folders:
            how = "as a file and as a folder" if _fold(name) in folders else "in two spellings"
            raise UserError(f"{whose} lists {_quote(name)} {how}; do not use it")


def find_below(folder: Path, name: str) -> Path:
    """Return the place of a listed file below a folder, none of whose own folders is a link.

    Raises
    ------
    UserError
        If a link lies in the way, for what is written there would land elsewhere, or a file where
        a folder should be, or the other way round.
    """
    check_list([name], str(folder))
    place = folder / name
    for at in (*reversed([p for p in place.parents if p.is_relative_to(folder)]), place):
        if at.is_symlink():
            raise UserError(f"{at} is a link and could lead elsewhere; remove it and try again")
        if at.exists() and at.is_dir() == (at == place):
            raise UserError(f"{at} is in the way of {place}; remove it and try again")
    return place


def _find_fault(name: object) -> str:
    if not isinstance(name, str) or not name:
        return "not the name of a file"
    parts = name.split("/")
    if not name.isprintable() or "\\" in name or any(part != part.strip() for part in parts):
        return "it has characters that do not belong into a name"
    if any(part in ("", ".", "..") for part in parts):
        return "it leads out of its folder"
    if any(part.startswith(".") for part in parts):
        return "hidden files do not belong there"
    sizes = [len(part.encode()) for part in parts]
    if max(sizes) > _LONGEST_PART or len(name.encode()) > _LONGEST_PATH:
        return "the name is too long"
    return ""


def _fold(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFKC", name).casefold())


def _quote(text: object) -> str:
    """Return a text as one short line that shows what cannot be seen."""
    shown = ascii(text)
    return shown if len(shown) <= 60 else f"{shown[:56]} ...'"
