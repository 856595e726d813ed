"""The images copy what exists and install what the project declares, all of it pinned."""

import re
from importlib.metadata import PackageNotFoundError, version

import pytest
from distributions import DEPENDENCIES, EXTRAS, PINS, PROJECT, ROOT, find_needed
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

FOLDER = ROOT / "deploy"
IMAGES = ("Dockerfile", "portal.Dockerfile")


def _extras(image: str) -> list[str]:
    found = re.search(r"install-dependencies\.sh python (\S+)", (FOLDER / image).read_text())
    assert found
    return found[1].split(",")


@pytest.mark.parametrize("image", IMAGES)
def test_image_is_made_of_what_is_here(image: str) -> None:
    assert set(_extras(image)) <= EXTRAS.keys()
    for line in (FOLDER / image).read_text().splitlines():
        if line.startswith("COPY"):
            assert all((ROOT / name).exists() for name in line.split()[1:-1]), line


def test_portal_image_has_neither_torch_nor_ray() -> None:
    declared = [text for extra in _extras("portal.Dockerfile") for text in EXTRAS[extra]]
    needed = find_needed(declared + DEPENDENCIES)
    assert "streamlit" in needed
    assert not {"torch", "ray", "numba", "scikit-learn"} & needed


def test_every_requirement_is_pinned() -> None:
    declared = [text for extra in EXTRAS.values() for text in extra] + DEPENDENCIES
    needed = find_needed(declared + PROJECT["build-system"]["requires"])
    assert len(needed) > 200
    assert needed <= PINS.keys()
    for requirement in map(Requirement, declared):
        assert requirement.specifier.contains(PINS[canonicalize_name(requirement.name)])


def test_this_environment_is_the_pinned_one() -> None:
    here: dict[str, Version] = {}
    for name in PINS:
        try:
            here[name] = Version(Version(version(name)).public)
        except PackageNotFoundError:
            continue
    assert {name: got for name, got in here.items() if got != PINS[name]} == {}
