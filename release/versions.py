"""Versions of the data: their order, and which bump a change needs.

From 1.0.0 on X.Y.Z follows semantic versioning of data: rescoring raises X, new columns or rows
raise Y, text raises Z. Before 1.0.0 the places shift by one: rescoring raises Y, all else Z.
"""

from enum import IntEnum
from pathlib import Path
from typing import NamedTuple

from pipeline.errors import UserError
from pipeline.names import check_version, is_version


class Change(IntEnum):
    """Weight of the difference between two releases."""

    PATCH = 0
    MINOR = 1
    MAJOR = 2


class Version(NamedTuple):
    """A release's version X.Y.Z."""

    major: int
    minor: int
    patch: int

    def __str__(self) -> str:
        return ".".join(map(str, self))

    def bump(self, change: Change) -> "Version":
        """Return the lowest version that may follow after a change."""
        if change is Change.MAJOR and self.major:
            return Version(self.major + 1, 0, 0)
        if change is (Change.MINOR if self.major else Change.MAJOR):
            return Version(self.major, self.minor + 1, 0)
        return Version(self.major, self.minor, self.patch + 1)


def parse_version(text: str) -> Version:
    """Read X.Y.Z.

    Raises
    ------
    UserError
    """
    return Version(*map(int, check_version(text).split(".")))


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
    right = parse_version(previous).bump(change)
    if parse_version(version) < right:
        raise UserError(
            f"release {version}: {reason} since {previous}, a {change.name.lower()} change; "
            f"give --version {right} or higher"
        )
