"""What the project declares and pins, and environments that hold the libraries of some extras."""

import re
import tomllib
import venv
from importlib.metadata import PackageNotFoundError, distribution, requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
EXTRAS: dict[str, list[str]] = PROJECT["project"]["optional-dependencies"]
DEPENDENCIES: list[str] = PROJECT["project"]["dependencies"]
PINS = {
    canonicalize_name(name): Version(pin)
    for name, pin in re.findall(r"^([\w.-]+)==(\S+)$", (ROOT / "constraints.txt").read_text(), re.M)
}


def find_needed(requirements: list[str]) -> set[str]:
    """Name all that requirements need; what is not installed here is named, and ends there."""
    needed: dict[str, set[str]] = {}
    waiting = [(Requirement(text), "") for text in requirements]
    while waiting:
        requirement, extra = waiting.pop()
        name = canonicalize_name(requirement.name)
        if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
            continue
        if name in needed and requirement.extras <= needed[name]:
            continue
        needed.setdefault(name, set()).update(requirement.extras)
        try:
            below = [Requirement(text) for text in requires(name) or []]
        except PackageNotFoundError:
            continue
        waiting += [(each, of) for each in below for of in ("", *requirement.extras)]
    return set(needed)


def make_environment(folder: Path, *extras: str) -> Path:
    """Make an environment with the libraries of some extras alone; return its python.

    They are links to those of this environment, so that nothing is downloaded.
    """
    venv.create(folder, symlinks=True)
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "project.pth").write_text(f"{ROOT}\n")
    described = site / "desi_qad-0.dist-info"
    described.mkdir()
    needs = [*DEPENDENCIES, *(f'{text}; extra == "{e}"' for e, of in EXTRAS.items() for text in of)]
    (described / "METADATA").write_text(
        "Metadata-Version: 2.4\nName: desi-qad\nVersion: 0\n"
        + "".join(f"Requires-Dist: {need}\n" for need in needs)
    )
    points = PROJECT["project"]["entry-points"]["qad.commands"]
    (described / "entry_points.txt").write_text(
        "[qad.commands]\n" + "".join(f"{name} = {point}\n" for name, point in points.items())
    )
    for name in find_needed(DEPENDENCIES + [text for extra in extras for text in EXTRAS[extra]]):
        try:
            found = distribution(name)
        except PackageNotFoundError:
            continue
        for top in {file.parts[0] for file in found.files or []} - {"..", "__pycache__"}:
            if not (site / top).exists():
                (site / top).symlink_to(Path(str(found.locate_file(top))))
    return folder / "bin" / "python"
