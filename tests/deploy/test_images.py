"""The images copy what exists and install what the project declares, all of it pinned."""

import re
import tomllib
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
EXTRAS = PROJECT["project"]["optional-dependencies"]
PINS = {
    canonicalize_name(name): Version(pin)
    for name, pin in re.findall(r"^([\w.-]+)==(\S+)$", (ROOT / "constraints.txt").read_text(), re.M)
}
IMAGES = ("Dockerfile", "portal.Dockerfile")


def _extras(image: str) -> list[str]:
    found = re.search(
        r"install-dependencies\.sh python (\S+)", (ROOT / "deploy" / image).read_text()
    )
    assert found
    return found[1].split(",")


def _needed(requirements: list[str]) -> dict[str, set[str]]:
    """Names of all that requirements need, with whose extras; what is not installed ends there."""
    needed: dict[str, set[str]] = {}
    waiting = [(Requirement(text), "") for text in requirements]
    while waiting:
        requirement, extra = waiting.pop()
        if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
            continue
        name = canonicalize_name(requirement.name)
        if name in needed and requirement.extras <= needed[name]:
            continue
        needed.setdefault(name, set()).update(requirement.extras)
        try:
            below = requires(name) or []
        except PackageNotFoundError:
            continue
        waiting += [
            (Requirement(text), of) for text in below for of in ("", *sorted(requirement.extras))
        ]
    return needed


@pytest.mark.parametrize("image", IMAGES)
def test_image_is_made_of_what_is_here(image: str) -> None:
    text = (ROOT / "deploy" / image).read_text()
    assert set(_extras(image)) <= EXTRAS.keys()
    for line in text.splitlines():
        if line.startswith("COPY"):
            assert all((ROOT / name).exists() for name in line.split()[1:-1]), line


def test_portal_image_has_neither_torch_nor_ray() -> None:
    declared = [text for extra in _extras("portal.Dockerfile") for text in EXTRAS[extra]]
    needed = _needed(declared + PROJECT["project"]["dependencies"])
    assert "streamlit" in needed
    assert not {"torch", "ray", "numba", "scikit-learn"} & needed.keys()


def test_every_requirement_is_pinned() -> None:
    declared = [text for extra in EXTRAS.values() for text in extra]
    needed = _needed(
        declared + PROJECT["project"]["dependencies"] + PROJECT["build-system"]["requires"]
    )
    assert len(needed) > 200
    assert [name for name in needed if name not in PINS] == []
    assert all(
        Requirement(text).specifier.contains(PINS[canonicalize_name(Requirement(text).name)])
        for text in declared
    )


def test_this_environment_is_the_pinned_one() -> None:
    here = {}
    for name in PINS:
        try:
            here[name] = Version(Version(version(name)).public)
        except PackageNotFoundError:
            continue
    assert {name: got for name, got in here.items() if got != PINS[name]} == {}
