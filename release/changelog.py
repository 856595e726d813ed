"""The changelog of a release, and the check that its version says how much changed."""

from pathlib import Path
from typing import Any

from release.diff import compare, render_difference
from release.versions import check_bump, find_previous

CHANGELOG = "CHANGELOG.md"
_TITLE = "# Changelog\n"
_RULE = """
Versions follow semantic versioning of data: rescoring raises X of X.Y.Z, new columns or rows raise
Y, text raises Z. Before 1.0.0 rescoring raises Y and everything else Z.
"""


def write_changelog(folder: Path, path: Path, manifest: dict[str, Any]) -> None:
    """Write what changed since the previous release of the data root, and its changelog.

    Parameters
    ----------
    folder : Path
        The release as it is built.
    path : Path
        Where it will lie; the previous release is its neighbour with the next lower version.
    manifest : dict

    Raises
    ------
    UserError
        If the version is too low for the change, or the previous release cannot be read.
    """
    previous = find_previous(path)
    version = manifest["version"]
    if previous is None:
        entry, history = "The first release of this data root.\n", ""
    else:
        difference = compare(previous, folder)
        check_bump(previous.name, version, *difference.weight)
        entry, history = render_difference(difference), _read_history(previous)
    text = f"{_TITLE}{_RULE}\n## {version}\n\n{entry}{history}"
    (folder / CHANGELOG).write_text(text, encoding="utf-8")


def _read_history(previous: Path) -> str:
    file = previous / CHANGELOG
    if not file.is_file():
        return ""
    _, mark, entries = file.read_text(encoding="utf-8").partition("\n## ")
    return mark + entries
