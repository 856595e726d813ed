"""Every family plants something, and nothing that the classifier was taught."""

import ast
import itertools
import re
from pathlib import Path

import numpy as np
import pytest
from mock_bodies import plant
from mock_scenes import make_scene

from catalog_schema.parents import PARENTS
from catalog_schema.spectra import EXAMPLES
from pipeline.spectra.mock.anomalies import (
    ALL_FAMILIES,
    FAMILIES,
    FAMILIES_OF,
    expected_scene,
    strength,
)
from pipeline.spectra.mock.body import expected_flux
from pipeline.spectra.mock.instrument import Conditions, noise_sigma, split_arms
from pipeline.spectra.science import faults, phenomena

ROOT = Path(__file__).parents[4]
# What plants for the classifier, and what the recipes of both sides may have in common: facts.
TEACHING = {"pipeline.spectra.examples"} | {
    f"pipeline.spectra.science.{n}" for n in ("faults", "hosts", "phenomena", "templates")
}
RANGES = phenomena.RANGES | faults.RANGES
FACTS = re.compile(r"catalog_schema(\.|$)|pipeline(\.spectra(\.mock|\.science)?)?$")


def change(name: str, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Arm pixels with an anomaly and as expected without, and the noise."""
    family, rng = FAMILIES[name], np.random.default_rng(seed)
    normal = make_scene(rng.uniform(family.z_low, family.z_high), seed=seed)
    values = family.draw(rng)
    scene, expected = normal, split_arms(normal.flux())
    if family.change_scene:
        scene, _ = family.change_scene(normal, rng, **values)
        reference = normal if scene.z_catalog == normal.z_catalog else scene
        expected = split_arms(expected_scene(reference).flux())
    flux = split_arms(scene.flux())
    sigma = noise_sigma(flux, Conditions(1000, 1, 1, 1))
    if family.change_arms:
        flux, _ = family.change_arms(flux, rng, **values)
    return flux, expected, sigma


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_changes_the_spectrum_and_keeps_it_finite(name: str) -> None:
    strengths = []
    for seed in range(4):
        flux, expected, sigma = change(name, seed)
        assert np.isfinite(flux).all()
        strengths.append(strength(flux, expected, sigma))
    assert min(strengths) > 0.1
    assert max(strengths) > 6


@pytest.mark.parametrize(
    ("true_class", "name"),
    [
        (true_class, name)
        for true_class in ("galaxy", "star")
        for name, family in FAMILIES_OF[true_class].items()
        if family.change_body
    ],
)
def test_a_family_changes_a_galaxy_or_star(true_class: str, name: str) -> None:
    strengths = []
    for seed in range(4):
        _, body, wave = plant(true_class, name, seed)
        flux = split_arms(body.flux())
        assert np.isfinite(flux).all()
        assert (flux >= 0).all()
        assert np.isnan(wave) or 1000 < wave < 10_000
        sigma = noise_sigma(flux, Conditions(1000, 1, 1, 1))
        strengths.append(strength(flux, split_arms(expected_flux(body)), sigma))
    assert min(strengths) > 3
    assert max(strengths) > 15


def test_a_name_is_one_family_whatever_the_class() -> None:
    for families in FAMILIES_OF.values():
        for name, family in families.items():
            assert ALL_FAMILIES[name] is family


@pytest.mark.parametrize("name", ALL_FAMILIES)
def test_a_family_has_one_recipe_with_a_source(name: str) -> None:
    family = ALL_FAMILIES[name]
    recipes = (family.change_scene, family.change_arms, family.change_body)
    [recipe] = [each for each in recipes if each]
    assert recipe.__name__ == name
    assert re.search(r"\b(19|20)\d\d\b|desispec", recipe.__doc__ or ""), name
    is_wrong = "wrong" in name or "called" in name or name == "extreme_velocity"
    assert (family.kind == "instrumental") == (family.change_arms is not None or is_wrong)


def test_a_third_of_the_families_is_taught_to_nobody() -> None:
    untaught = [name for name, family in FAMILIES.items() if not family.is_taught]
    assert len(untaught) >= len(FAMILIES) / 3
    taught_as = [family.taught_as for family in FAMILIES.values() if family.is_taught]
    assert set(taught_as) <= set(EXAMPLES)
    assert len(set(taught_as)) == len(taught_as)
    parents = {"quasar": "qso", "galaxy": "galaxy", "star": "star"}
    for true_class, families in FAMILIES_OF.items():
        taught = {family.taught_as for family in families.values() if family.is_taught}
        assert taught <= set(PARENTS[parents[true_class]].waist.examples)
        assert len(taught) < 2 * len(families) / 3
    # A kind that is taught is not called untaught under its own name.
    assert not set(untaught) & set(EXAMPLES)


def imported_by(module: str) -> set[str]:
    """Modules of ours that a module imports, also inside functions."""
    path = ROOT / Path(*module.split("."))
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return {name for name in found if is_ours(name)}


def is_ours(name: str) -> bool:
    path = ROOT / Path(*name.split("."))
    return name.split(".")[0] in ("pipeline", "catalog_schema") and (
        path.with_suffix(".py").exists() or path.is_dir()
    )


def reach(modules: set[str]) -> set[str]:
    """The modules with all that they import in turn."""
    seen: set[str] = set()
    waiting = set(modules)
    while waiting:
        module = waiting.pop()
        seen.add(module)
        waiting |= imported_by(module) - seen
    return seen


def mock_modules() -> set[str]:
    folder = ROOT / "pipeline" / "spectra" / "mock"
    return {
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in folder.rglob("*.py")
        if path.name != "__init__.py"
    }


def test_the_mock_imports_nothing_that_teaches() -> None:
    assert not reach(mock_modules()) & TEACHING


def test_teaching_and_testing_share_no_recipe() -> None:
    taught = reach({"pipeline.spectra.science.phenomena"})
    assert not taught & mock_modules()
    shared = taught & reach(mock_modules())
    assert all(FACTS.match(name) for name in shared), shared
    # The examples' own code reads the lake; of the mock it knows nothing.
    assert not imported_by("pipeline.spectra.examples") & mock_modules()


def test_no_range_of_testing_is_one_of_teaching() -> None:
    assert set(RANGES) == set(phenomena.PHENOMENA)
    tested = {
        (name, parameter): (drawn.low, drawn.high)
        for name, family in ALL_FAMILIES.items()
        for parameter, drawn in family.draws.items()
    }
    taught = {
        (kind, parameter): limits
        for kind, ranges in RANGES.items()
        for parameter, limits in ranges.items()
    }
    # From 0 to 1 is no range but a share of everything.
    for (one, low_high), (other, limits) in itertools.product(tested.items(), taught.items()):
        assert low_high == (0.0, 1.0) or low_high != limits, (one, other)
    for name, family in ALL_FAMILIES.items():
        for parameter in set(family.draws) & set(RANGES.get(family.taught_as or "", ())):
            drawn, limits = family.draws[parameter], RANGES[str(family.taught_as)][parameter]
            # None and one are where a number begins.
            assert drawn.low in (0, 1) or drawn.low != limits[0], (name, parameter)
            assert drawn.high != limits[1], (name, parameter)


def test_no_constant_of_testing_is_one_of_teaching() -> None:
    def constants(modules: set[str]) -> set[str]:
        found = set()
        for module in modules:
            tree = ast.parse((ROOT / Path(*module.split(".")).with_suffix(".py")).read_text())
            values = [n.value for n in tree.body if isinstance(n, ast.Assign | ast.AnnAssign)]
            found |= {
                ast.unparse(part)
                for value in values
                if value is not None
                for part in ast.walk(value)
                if isinstance(part, ast.Tuple | ast.Dict)
                and len(list(ast.iter_child_nodes(part))) > 3
            }
        return found

    families = {name for name in mock_modules() if ".families." in name or "contam" in name}
    assert not constants(families) & constants(TEACHING)
