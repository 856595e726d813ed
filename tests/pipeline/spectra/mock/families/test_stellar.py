"""Rare stars: their lines are where and as strong as was drawn."""

import numpy as np
import pytest
from mock_bodies import make_galaxy, plant

from catalog_schema.constants import LIGHT_SPEED
from catalog_schema.lines import LINES
from pipeline.spectra.mock.body import Body, expected_flux
from pipeline.spectra.mock.families.stellar import flare_star


def light_at(body: Body, wave: float, half: float = 4.0) -> float:
    near = np.abs(body.rest - wave) < half
    return float((body.flux() / body.screen)[near].mean())


def test_a_flare_star_has_the_equivalent_width_drawn() -> None:
    _, body, wave = plant("star", "flare_star", ew=20.0, hot=0.01, temperature=3300.0)
    near = np.abs(body.rest - wave) < 14
    line = body.parts["flare"][near] / body.parts["stars"][near]
    assert np.trapezoid(line - line.min(), body.rest[near]) == pytest.approx(20, rel=0.15)
    assert body.of.subtype == "M"


def test_a_cataclysmic_has_hydrogen_and_helium_in_two_peaks() -> None:
    _, body, wave = plant("star", "cataclysmic", ew=90.0, fwhm=2000.0)
    for key in ("halpha", "hbeta", "heii_4687", "hei_5877"):
        there = light_at(body, LINES[key].wave, 15.0)
        assert there > 1.02 * light_at(body, LINES[key].wave + 70, 15.0)
    apart = 0.36 * 2000 / LIGHT_SPEED * wave
    assert light_at(body, wave + apart, 2.0) > 1.05 * light_at(body, wave, 2.0)


def test_a_composite_has_lines_of_hydrogen_and_bands() -> None:
    _, body, _ = plant("star", "white_dwarf_red_dwarf", hot=16_000.0, cool=3200.0, ratio=0.6)
    wave, head = LINES["hgamma"].wave, LINES["tio_7056"].wave
    assert light_at(body, wave) < 0.8 * light_at(body, wave + 100)
    assert light_at(body, head + 15) < 0.8 * light_at(body, head - 15)
    assert body.of.is_white_dwarf


@pytest.mark.parametrize("name", ["carbon_star", "carbon_white_dwarf"])
def test_carbon_has_its_bands(name: str) -> None:
    _, body, head = plant("star", name, swan=1.0)
    assert light_at(body, head - 30, 10.0) < 0.85 * light_at(body, head + 90, 10.0)


def test_metals_are_broad_in_a_white_dwarf() -> None:
    narrow, wide = (
        plant("star", "metal_white_dwarf", width=width, temperature=8000.0)[1] for width in (10, 50)
    )
    beside = LINES["caii_k"].wave - 60
    assert light_at(wide, beside) / light_at(wide, 5400) < 0.85 * (
        light_at(narrow, beside) / light_at(narrow, 5400)
    )


def test_a_field_splits_lines_by_the_linear_zeeman_effect() -> None:
    _, body, wave = plant("star", "magnetic_white_dwarf", field=6.0, temperature=12_000.0)
    # 46.7 Å per 100 MG at 1000 Å, as the square of wavelength.
    apart = 0.467 * 6 * (wave / 1000) ** 2
    assert apart == pytest.approx(66, abs=1)
    for side in (-apart, 0, apart):
        assert light_at(body, wave + side, 2.0) < 0.9 * light_at(body, wave + side + apart / 2, 2.0)


def test_an_ordinary_star_of_its_temperature_is_expected() -> None:
    _, body, _ = plant("star", "carbon_star", temperature=4500.0)
    assert body.of.temperature == 4500
    red = body.rest > 6800
    ratio = body.flux()[red] / expected_flux(body)[red]
    assert np.ptp(ratio) < 0.02


def test_a_galaxy_has_no_anomaly_of_a_star() -> None:
    with pytest.raises(TypeError, match="only a star"):
        flare_star(make_galaxy(), np.random.default_rng(0), temperature=3300.0, ew=9.0, hot=0.1)
