"""Rival redshifts: the right one is among them, and a window moves without loss."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from quasar_windows import GRID, make_residuals, shine

from catalog_schema.lines import LINES, STRONG, waves
from pipeline.spectra.science.pca import LinearBasis
from pipeline.spectra.science.residuals import Residuals
from pipeline.spectra.science.rivals import confuse_lines, find_rivals, move_window, shift_redshift

MEAN = torch.from_numpy(shine(GRID.wave)).float()
# The slope of the continuum is free.
SLOPE = torch.from_numpy(np.log(GRID.wave / 2500)).float()
BASIS = LinearBasis(MEAN, 0.5 * (MEAN * SLOPE)[None])


def test_right_redshift_is_found_from_a_wrong_one() -> None:
    spectra = make_residuals(1.6)
    # CIII] taken for MgII.
    wrong = 2.6 * LINES["ciii"].wave / LINES["mgii"].wave - 1
    moved = move(spectra, round(np.log10(2.6 / (1 + wrong)) / GRID.log10_step))
    z = moved.z
    assert z[0] == pytest.approx(wrong, abs=1e-3)
    rivals = find_rivals(moved, BASIS, 3)
    found = shift_redshift(np.repeat(z, 3), rivals[0], GRID.log10_step)
    assert np.abs(found - 1.6).min() < 0.01


@pytest.mark.parametrize("z", [1.2, 1.6, 2.1])
def test_a_spectrum_at_its_own_redshift_has_no_rival(z: float) -> None:
    assert not find_rivals(make_residuals(z, sigma=0.05), BASIS, 3).any()


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
    lines = waves(*STRONG[:4])
    for seed in range(10):
        wrong = confuse_lines(1.6, lines, (3800, 9600), np.random.default_rng(seed))
        ratios = [2.6 * line / (1 + wrong) for line in lines]
        assert any(abs(r - other) < 1e-6 for r in ratios for other in lines)
    assert confuse_lines(1.6, (100.0,), (3800, 9600), np.random.default_rng(0)) is None


def move(spectra: Residuals, shift: int) -> Residuals:
    """Return spectra at another redshift."""
    shifts = np.full(len(spectra), shift)
    flux, start = move_window(spectra.flux, spectra.start, shifts, 16)
    weight, _ = move_window(spectra.weight, spectra.start, shifts, 16)
    z = shift_redshift(spectra.z, shifts, GRID.log10_step)
    return replace(spectra, flux=flux, weight=weight, start=start, z=z)


@pytest.mark.parametrize("slope", [-0.5, 0.5])
def test_slope_of_the_continuum_makes_no_rival(slope: float) -> None:
    spectra = move(make_residuals(1.6, sigma=0.02), 320)
    tilt = (spectra.observed_wave / 6000) ** slope
    tilted = replace(spectra, flux=spectra.flux * tilt, weight=spectra.weight / tilt**2)
    one, other = (find_rivals(each, BASIS, 1) for each in (spectra, tilted))
    assert np.abs(one + 320).max() <= 16
    assert np.abs(other + 320).max() <= 16


@pytest.mark.parametrize("n_rivals", [1, 4])
def test_rivals_keep_apart_and_come_best_first(n_rivals: int) -> None:
    spectra = move(make_residuals(1.6), 640)
    [found] = find_rivals(spectra, BASIS, 4)
    assert (find_rivals(spectra, BASIS, n_rivals)[0] == found[:n_rivals]).all()
    places = [0, *found[found != 0]]
    gaps = np.abs(np.subtract.outer(places, places))[~np.eye(len(places), dtype=bool)]
    # The best within a bin of 16 pixels are sought to 4.
    assert gaps.min() >= 96 - 32
    assert (found % 4 == 0).all()
    assert found[0] != 0
    ends = spectra.start[0] + found
    assert ((ends >= 0) & (ends + GRID.window <= GRID.size)).all()


def test_rows_are_matched_for_themselves() -> None:
    one, other = move(make_residuals(1.3), 480), move(make_residuals(2.1, seed=1), 320)
    arrays = ("flux", "model", "weight", "noise_weight", "start", "z")
    both = replace(
        one, **{n: np.concatenate([getattr(s, n) for s in (one, other)]) for n in arrays}
    )
    together = find_rivals(both, BASIS, 3)
    for row, alone in enumerate((one, other)):
        np.testing.assert_array_equal(together[row], find_rivals(alone, BASIS, 3)[0])


@given(shift=st.integers(-200, 200), first=st.integers(0, 40))
def test_a_window_moves_without_loss_but_for_what_leaves_it(shift: int, first: int) -> None:
    start = np.array([16 * first + 320])
    values = np.arange(1.0, 65.0)[None]
    moved, begin = move_window(values, start, np.array([shift]), 16)
    assert begin[0] % 16 == 0
    assert 0 <= start[0] + shift - begin[0] < 16
    offset = start[0] + shift - begin[0]
    np.testing.assert_array_equal(moved[0, :offset], 0)
    np.testing.assert_array_equal(moved[0, offset:], values[0, : 64 - offset])


@given(z=st.floats(0, 6), shift=st.integers(-5000, 5000))
def test_a_shift_keeps_observed_wavelengths(z: float, shift: int) -> None:
    moved = shift_redshift(np.array([z]), np.array([shift]), 1e-4)[0]
    assert (1 + moved) * 10 ** (1e-4 * shift) == pytest.approx(1 + z)
    assert shift_redshift(np.array([moved]), np.array([-shift]), 1e-4)[0] == pytest.approx(z)


@given(z=st.floats(0.1, 4), seed=st.integers(0, 99))
def test_a_confused_line_is_seen_and_the_redshift_wrong_and_positive(z: float, seed: int) -> None:
    lines, observed = (1215.67, 1549.06, 1908.73, 2799.1, 4862.7), (3600.0, 9800.0)
    wrong = confuse_lines(z, lines, observed, np.random.default_rng(seed))
    if wrong is not None:
        assert wrong > 0
        assert abs(wrong - z) > 1e-3
        seen = [line for line in lines if observed[0] < line * (1 + z) < observed[1]]
        ratio = (1 + z) / (1 + wrong)
        assert any(abs(ratio * line / other - 1) < 1e-9 for line in seen for other in lines)
    else:
        assert not any(
            (1 + z) * line / other > 1
            for line in lines
            if observed[0] < line * (1 + z) < observed[1]
            for other in lines
            if other != line
        )
