"""What shines beside a galaxy or star, and what the catalogue has wrong."""

import numpy as np
import pytest
from mock_bodies import plant

from catalog_schema.constants import LIGHT_SPEED
from catalog_schema.lines import LINES
from pipeline.spectra.mock.instrument import WAVE
from pipeline.spectra.mock.scene import R_BAND


@pytest.mark.parametrize("true_class", ["galaxy", "star"])
def test_a_background_emitter_lies_behind_and_has_its_flux(true_class: str) -> None:
    for seed in range(5):
        _, body, wave = plant(true_class, "background_emitter", seed, flux=20.0, contrast=1.5)
        z = wave * (1 + body.of.z) / LINES["oii"].wave - 1
        assert z > body.of.z + 0.07
        near = np.abs(WAVE - LINES["oii"].wave * (1 + z)) < 15
        light = np.trapezoid((body.other / body.screen)[near], WAVE[near])
        level = np.median(body.flux()[np.abs(WAVE - LINES["oii"].wave * (1 + z)) < 40])
        assert light == pytest.approx(20 + 1.5 * level, rel=0.15)


@pytest.mark.parametrize(
    ("true_class", "name"),
    [
        ("galaxy", "background_galaxy"),
        ("galaxy", "foreground_star"),
        ("star", "background_galaxy"),
        ("star", "background_quasar"),
    ],
)
def test_a_second_source_has_its_ratio(true_class: str, name: str) -> None:
    normal, body, _ = plant(true_class, name, ratio=0.4)
    assert body.other[R_BAND].mean() == pytest.approx(0.4 * normal.flux()[R_BAND].mean())
    assert body.z_catalog == normal.z_catalog


def test_an_unidentified_line_is_away_from_all_known_ones() -> None:
    for seed in range(8):
        _, body, wave = plant("galaxy", "unidentified_line", seed)
        offsets = [abs(wave / line.wave - 1) for line in LINES.values()]
        assert min(offsets) > 0.0039
        assert abs(WAVE[np.argmax(body.other)] / (wave * (1 + body.of.z)) - 1) < 1e-3


def test_a_wrong_redshift_is_wrong_in_the_catalogue_only() -> None:
    lines = 0
    for seed in range(20):
        normal, body, wave = plant("galaxy", "galaxy_wrong_redshift", seed)
        np.testing.assert_array_equal(normal.flux(), body.flux())
        assert abs(body.z_catalog - body.z_true) > 0.01
        assert 0 < body.z_catalog < 1.6
        lines += np.isfinite(wave)
    assert 8 <= lines <= 18


@pytest.mark.parametrize(
    ("called", "name", "true_class"),
    [
        ("galaxy", "star_called_galaxy", "star"),
        ("galaxy", "quasar_called_galaxy", "quasar"),
        ("star", "quasar_called_star", "quasar"),
        ("star", "galaxy_called_star", "galaxy"),
    ],
)
def test_a_wrong_class_is_another_object_of_the_same_brightness(
    called: str, name: str, true_class: str
) -> None:
    normal, body, _ = plant(called, name)
    assert body.true_class == true_class != normal.true_class
    assert body.z_catalog == normal.z_catalog
    assert (abs(body.z_true) < 0.002) == (true_class == "star")
    assert body.flux()[R_BAND].mean() == pytest.approx(normal.flux()[R_BAND].mean())


def test_a_velocity_is_wrong_by_what_was_drawn_to_either_side() -> None:
    for side, sign in ((0.1, 1), (0.9, -1)):
        _, body, _ = plant("star", "extreme_velocity", speed=600.0, side=side)
        assert (body.z_catalog - body.z_true) * LIGHT_SPEED == pytest.approx(sign * 600)
