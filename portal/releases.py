"""Find published releases on disk and read what they say of themselves."""

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from catalog_schema.vocabulary import Tier

RELEASE_VARIABLE = "QAD_RELEASE"
ANOMALOUS = tuple(tier.value for tier in Tier if tier is not Tier.NONE)
CHECK_ADVICE = "Fetch the release again and check it with `sha256sum -c SHA256SUMS`."
_VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)(?:-([0-9A-Za-z.-]+))?")


class ReleaseError(Exception):
    """A release that cannot be shown; the message is one line: what, where, what to do."""


@dataclass(frozen=True)
class Release:
    """One release directory and its manifest."""

    root: Path
    manifest: dict[str, Any]

    @property
    def version(self) -> str:
        """Semantic version."""
        return str(self.manifest.get("version", self.root.name))

    @property
    def title(self) -> str:
        """Title as to be cited."""
        return str(self.manifest.get("title", "DESI-QAD catalogue"))

    @property
    def is_mock(self) -> bool:
        """Whether the spectra are simulated, so that positions lead nowhere on the real sky."""
        return self._section("source").get("kind") == "mock"

    @property
    def levels(self) -> dict[str, float]:
        """False-discovery level of each tier that states one."""
        return {tier: float(level) for tier, level in self._section("tiers").items()}

    @property
    def facts(self) -> dict[str, str]:
        """Short facts for the page: reduction, code, model, schema."""
        source, code, model = map(self._section, ("source", "code", "model"))
        facts = {
            "Reduction (specprod)": source.get("specprod"),
            "Source": source.get("kind"),
            "Model": model.get("id"),
            "Code": code.get("version"),
            "Commit": code.get("commit"),
            "Schema": self.manifest.get("schema_version"),
        }
        return {name: str(value) for name, value in facts.items() if value}

    def read(self, name: str) -> str:
        """Return the text of a file of the release.

        Raises
        ------
        ReleaseError
            If it is missing or no text.
        """
        try:
            return (self.root / name).read_text(encoding="utf-8")
        except FileNotFoundError:
            fault = "is missing"
        except (OSError, UnicodeDecodeError):
            fault = "cannot be read"
        raise ReleaseError(f"`{name}` {fault} in release `{self.root.name}`. {CHECK_ADVICE}")

    def read_json(self, name: str) -> dict[str, Any]:
        """Return a JSON object of the release.

        Raises
        ------
        ReleaseError
            If it is missing or no JSON object.
        """
        try:
            content = json.loads(self.read(name))
        except ValueError:
            content = None
        if not isinstance(content, dict):
            raise ReleaseError(
                f"`{name}` is not a JSON object in release `{self.root.name}`. {CHECK_ADVICE}"
            )
        return content

    def _section(self, name: str) -> dict[str, Any]:
        section = self.manifest.get(name)
        return section if isinstance(section, dict) else {}


def open_release(root: Path) -> Release:
    """Read a release's manifest.

    Raises
    ------
    ReleaseError
        If the manifest is missing or damaged.
    """
    return Release(root, Release(root, {}).read_json("manifest.json"))


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
    """Return the releases in a folder, newest first."""
    if not folder.is_dir():
        return []
    found = [
        child
        for child in folder.iterdir()
        if _VERSION.fullmatch(child.name) and (child / "manifest.json").is_file()
    ]
    return sorted(found, key=lambda child: _precedence(child.name), reverse=True)


def _precedence(version: str) -> tuple[int, int, int, bool, list[tuple[bool, int, str]]]:
    """Order as semantic versioning does: a pre-release comes before its release."""
    match = _VERSION.fullmatch(version)
    if match is None:
        raise ValueError(f"{version} is not a semantic version")
    major, minor, patch, label = match.groups()
    words = [
        (not word.isdigit(), int(word) if word.isdigit() else 0, word)
        for word in (label or "").split(".")
    ]
    return int(major), int(minor), int(patch), label is None, words
