"""Rival redshifts: the right one is among them, and a window moves without loss."""

from dataclasses import replace

import numpy as np
import pytest
from quasar_windows import GRID, make_residuals, shine

from pipeline.spectra.science.rivals import confuse_lines, find_rivals, move_window, shift_redshift

TEMPLATE = shine(GRID.wave)


def test_right_redshift_is_found_from_a_wrong_one() -> None:
    spectra = make_residuals(1.6)
    # CIII] taken for MgII.
    wrong = 2.6 * 1908.73 / 2799.1 - 1
    shift = np.array([round(np.log10(2.6 / (1 + wrong)) / GRID.log10_step)])
    flux, start = move_window(spectra.flux, spectra.start, shift, 16)
    weight, _ = move_window(spectra.weight, spectra.start, shift, 16)
    z = shift_redshift(spectra.z, shift, GRID.log10_step)
    assert z[0] == pytest.approx(wrong, abs=1e-3)
    moved = replace(spectra, flux=flux, weight=weight, start=start, z=z)
    rivals = find_rivals(moved, TEMPLATE, 3)
    found = shift_redshift(np.repeat(z, 3), rivals[0], GRID.log10_step)
    assert np.abs(found - 1.6).min() < 0.01


def test_flat_spectrum_has_no_rival() -> None:
    spectra = make_residuals(1.6)
    nothing = replace(spectra, flux=np.zeros_like(spectra.flux))
    assert not find_rivals(nothing, TEMPLATE, 3).any()


@pytest.mark.parametrize("shift", [-37, -16, 0, 5, 64])
def test_moved_pixels_keep_their_observed_wavelength(shift: int) -> None:
    spectra = make_residuals(1.6)
    moved, start = move_window(spectra.flux, spectra.start, np.array([shift]), 16)
    z = shift_redshift(spectra.z, np.array([shift]), GRID.log10_step)
    pixel = int(np.argmax(spectra.flux[0]))
    place = spectra.start[0] + pixel + shift - start[0]
    assert start[0] % 16 == 0
    assert moved[0, place] == spectra.flux[0, pixel]
    before, after = GRID.wave[spectra.start[0] + pixel], GRID.wave[start[0] + place]
    assert after * (1 + z[0]) == pytest.approx(before * 2.6, rel=1e-9)


def test_confused_lines_coincide() -> None:
    lines = (1215.67, 1549.06, 1908.73, 2799.1)
    for seed in range(10):
        wrong = confuse_lines(1.6, lines, (3800, 9600), np.random.default_rng(seed))
        ratios = [2.6 * line / (1 + wrong) for line in lines]
        assert any(abs(r - other) < 1e-6 for r in ratios for other in lines)
    assert confuse_lines(1.6, (100.0,), (3800, 9600), np.random.default_rng(0)) is None
