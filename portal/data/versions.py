"""Which releases lie on this machine: the chosen one, those beside it, the newest below a path."""

import os
from pathlib import Path

from packaging.version import InvalidVersion, Version

from portal.data.releases import ReleaseError

RELEASE_VARIABLE = "QAD_RELEASE"


def chosen_release() -> Path:
    """Return the release directory that the server was started with.

    Raises
    ------
    ReleaseError
        If none was chosen.
    """
    start = os.environ.get(RELEASE_VARIABLE)
    if start is None:
        raise ReleaseError(
            f"No release was chosen: start the portal with `qad portal PATH` or set "
            f"`{RELEASE_VARIABLE}` to a release directory."
        )
    return Path(start)


def open_sibling(root: Path, version: str) -> Path | None:
    """Return the release of a version beside another, or None if it is not there."""
    return {sibling.name: sibling for sibling in list_siblings(root)}.get(version)


def find_release(path: Path) -> Path:
    """Return the release directory that `path` is, or the newest below it.

    Parameters
    ----------
    path : Path
        A release directory, a folder of releases, or a data root with ``releases/``.

    Raises
    ------
    ReleaseError
        If there is none.
    """
    if (path / "manifest.json").is_file():
        return path.resolve()
    for folder in (path / "releases", path):
        versions = list_versions(folder)
        if versions:
            return versions[0].resolve()
    raise ReleaseError(
        f"no release in {path}: give a release directory or a data root whose releases/ holds "
        "versions, or build one with `qad release build`"
    )


def list_siblings(root: Path) -> list[Path]:
    """Return the release and the versions beside it, newest first."""
    versions = list_versions(root.parent)
    return versions if root in versions else [root, *versions]


def list_versions(folder: Path) -> list[Path]:
    """Return the releases in a folder, newest first; a pre-release comes before its release."""
    if not folder.is_dir():
        return []
    found = {child: _read_version(child.name) for child in folder.iterdir()}
    known = {
        child: version
        for child, version in found.items()
        if version is not None and (child / "manifest.json").is_file()
    }
    return sorted(known, key=known.__getitem__, reverse=True)


def _read_version(name: str) -> Version | None:
    """Return the version that a folder's name is, three numbers and perhaps a label, or None."""
    try:
        version = Version(name)
    except InvalidVersion:
        return None
    is_plain = name[0].isdigit() and not name[-1].isspace()
    return version if len(version.release) == 3 and is_plain else None
