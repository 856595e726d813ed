"""Galaxies that are unusual: by how much, and clearly outside of what is usual."""

import numpy as np
import pytest
from mock_bodies import make_galaxy, plant

from catalog_schema.constants import LIGHT_SPEED
from catalog_schema.lines import LINES
from pipeline.spectra.mock.body import Body
from pipeline.spectra.mock.scene import R_BAND


def depth(body: Body, key: str, half: float = 16.0) -> float:
    """Equivalent width (Å) of absorption between two windows beside it, gas left out."""
    rest, light = body.rest, body.parts["stars"] * body.screen
    wave = LINES[key].wave
    sides = [np.median(light[np.abs(rest - wave - side * 2 * half) < half / 2]) for side in (-1, 1)]
    near = np.abs(rest - wave) < half
    level = np.interp(rest[near], (wave - 2 * half, wave + 2 * half), sides)
    return float(np.trapezoid(1 - light[near] / level, rest[near]))


@pytest.mark.parametrize("name", ["supernova_ia", "supernova_ii"])
@pytest.mark.parametrize("ratio", [0.15, 0.9])
def test_a_supernova_has_its_share_of_the_light(name: str, ratio: float) -> None:
    normal, body, _ = plant("galaxy", name, ratio=ratio)
    added = (body.flux() - normal.flux())[R_BAND].mean()
    assert added / normal.flux()[R_BAND].mean() == pytest.approx(ratio)


def test_hydrogen_has_a_p_cygni_profile() -> None:
    for seed in range(3):
        _, body, wave = plant("galaxy", "supernova_ii", seed, speed=9000.0, ratio=0.5)
        line = LINES["halpha"].wave
        assert wave == line

        def at(speed: float, body: Body = body, line: float = line) -> float:
            return float(np.interp(line * (1 - speed / LIGHT_SPEED), body.rest, body.other))

        assert at(6750) < 0.5 * (at(20_000) + at(-20_000)) < at(0)


def test_extreme_emission_has_its_equivalent_width() -> None:
    _, body, wave = plant("galaxy", "extreme_emission", ew=900.0)
    near = np.abs(body.rest - wave) < 12
    assert np.trapezoid(
        (body.parts["gas"] / body.parts["stars"])[near], body.rest[near]
    ) == pytest.approx(900, rel=0.03)


def test_balmer_absorption_is_outside_of_what_is_normal() -> None:
    normal = [depth(make_galaxy(seed=seed), "hdelta") for seed in range(60)]
    planted = [depth(plant("galaxy", "extreme_balmer", seed)[1], "hdelta") for seed in range(10)]
    assert min(planted) > 9 > max(normal)


def test_a_nucleus_has_broad_lines_of_its_width() -> None:
    _, body, _ = plant("galaxy", "type1_nucleus", 3, ratio=0.5, fwhm=4000.0, slope=-1.5)
    nucleus = body.parts["nucleus"] / (body.rest / 5100) ** -1.5
    inside = (body.rest > 4700) & (body.rest < 5030)
    light = nucleus[inside] - nucleus[inside].min()
    width = np.ptp(body.rest[inside][light > light.max() / 2])
    assert width / LINES["hbeta"].wave * LIGHT_SPEED == pytest.approx(4000, rel=0.05)


def test_a_star_has_no_anomaly_of_a_galaxy() -> None:
    from mock_bodies import make_star

    from pipeline.spectra.mock.families.galactic import extreme_balmer

    with pytest.raises(TypeError, match="only a galaxy"):
        extreme_balmer(make_star(), np.random.default_rng(0), excess=0.3, onset=0.5)
