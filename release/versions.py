"""Versions of the data: their order, and which bump a change needs.

From 1.0.0 on X.Y.Z follows semantic versioning of data: rescoring raises X, new columns or rows
raise Y, text raises Z. Before 1.0.0 the places shift by one: rescoring raises Y, all else Z.
"""

from enum import IntEnum
from pathlib import Path

from packaging.version import Version

from pipeline.errors import UserError
from pipeline.names import check_version, is_version


class Change(IntEnum):
    """Weight of the difference between two releases."""

    PATCH = 0
    MINOR = 1
    MAJOR = 2


def parse_version(text: str) -> Version:
    """Read X.Y.Z.

    Raises
    ------
    UserError
    """
    return Version(check_version(text))


def bump(version: Version, change: Change) -> Version:
    """Return the lowest version that may follow after a change."""
    major, minor, patch = version.release
    weight = change if major else max(change - 1, Change.PATCH)
    numbers = {
        Change.MAJOR: (major + 1, 0, 0),
        Change.MINOR: (major, minor + 1, 0),
        Change.PATCH: (major, minor, patch + 1),
    }[Change(weight)]
    return Version(".".join(map(str, numbers)))


def find_previous(path: Path) -> Path | None:
    """Return the highest release below the version of `path` in the same folder, if any."""
    own = parse_version(path.name)
    folders = [folder for folder in path.parent.glob("*.*.*") if is_version(folder.name)]
    lower = [folder for folder in folders if parse_version(folder.name) < own]
    return max(lower, key=lambda folder: parse_version(folder.name), default=None)


def check_bump(previous: str, version: str, change: Change, reason: str) -> None:
    """Refuse a version that promises less change than there is.

    Raises
    ------
    UserError
        Naming the lowest version that is right.
    """
    right = bump(parse_version(previous), change)
    if parse_version(version) < right:
        raise UserError(
            f"release {version}: {reason} since {previous}, a {change.name.lower()} change; "
            f"give --version {right} or higher"
        )
