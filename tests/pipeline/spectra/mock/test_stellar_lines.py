"""Depths lie where their lines are, and a split line has three parts of one area."""

import numpy as np
import pytest

from catalog_schema.lines import LINES
from pipeline.spectra.mock import stellar_lines
from pipeline.spectra.mock.stellar_lines import GRID


def at(depth: np.ndarray, wave: float) -> float:
    return float(np.interp(wave, GRID, depth))


def test_the_grid_is_even_in_velocity_and_covers_what_desi_sees_to_redshift_1_6() -> None:
    assert np.diff(np.log(GRID)) == pytest.approx(stellar_lines.STEP)
    assert GRID[0] < 3600 / 2.6
    assert GRID[-1] > 9824 / 0.99


@pytest.mark.parametrize("name", ["unit_planck", "iron", "alpha", "triplet"])
def test_depths_are_finite_and_not_negative(name: str) -> None:
    made = getattr(stellar_lines, name)
    depth = made(5000.0) if name == "unit_planck" else made()
    assert np.isfinite(depth).all()
    assert (depth >= 0).all()


def test_bands_fade_away_from_their_heads() -> None:
    head = LINES["tio_7056"].wave
    oxide = stellar_lines.titanium_oxide()
    assert at(oxide, head + 10) > 3 * at(oxide, head - 10)
    assert at(oxide, head + 10) > at(oxide, head + 200)
    swan = LINES["c2_5167"].wave
    assert at(stellar_lines.carbon(), swan - 10) > 3 * at(stellar_lines.carbon(), swan + 10)


def test_a_split_line_keeps_its_area_over_three_places() -> None:
    one, three = stellar_lines.balmer(4.0), stellar_lines.balmer(4.0, 60.0)
    wave = LINES["hbeta"].wave
    assert at(one, wave) == pytest.approx(1, abs=0.02)
    for side in (-60, 0, 60):
        assert at(three, wave + side) == pytest.approx(0.5, abs=0.05)
    assert at(three, wave + 30) < 0.1


def test_a_step_is_half_at_its_place() -> None:
    depth = stellar_lines.step(4000.0, 15.0)
    assert at(depth, 4000) == pytest.approx(0.5, abs=0.01)
    assert at(depth, 3500) > 0.999
    assert at(depth, 4500) < 0.001
