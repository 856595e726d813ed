"""Windows cut around wavelengths: the same pixels as by hand, nothing from beyond their ends."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from quasar_windows import GRID, make_residuals

from catalog_schema.constants import LIGHT_SPEED
from pipeline.spectra.science.residuals import divide, slide_sum

SPECTRA = make_residuals(1.3, n=3)
Z = st.floats(0.06, 6.7)


@given(z=Z, pixel=st.integers(0, GRID.window - 1))
def test_a_pixel_is_found_by_its_wavelength_in_any_frame(z: float, pixel: int) -> None:
    spectra = make_residuals(z)
    rest = GRID.wave[spectra.start[0] + pixel]
    assert spectra.observed_wave[0, pixel] == pytest.approx(rest * (1 + z))
    for frame in (None, 0.0, 2.5):
        wave = rest if frame is None else rest * (1 + z) / (1 + frame)
        assert spectra.find_pixel(wave, frame)[0] == pixel
    assert spectra.to_wave(np.array([pixel]))[0] == rest


def test_a_pixel_reaches_from_edge_to_edge() -> None:
    step = GRID.log10_step
    middle = GRID.wave[SPECTRA.start[0] + 100]
    places = [
        SPECTRA.find_pixel(middle * 10 ** (part * step))[0] for part in (-0.51, -0.49, 0.49, 0.51)
    ]
    assert places == [99, 100, 100, 101]
    assert SPECTRA.pixel_velocity == pytest.approx(LIGHT_SPEED * np.log(10**step), rel=1e-9)


def test_wavelengths_beyond_the_grid_are_those_of_its_ends() -> None:
    found = replace(SPECTRA, start=np.array([0, 5, GRID.size - 3])).to_wave(np.array([-2, -2, 9]))
    np.testing.assert_array_equal(found, GRID.wave[[0, 3, -1]])


@given(first=st.integers(-20, GRID.window + 20))
def test_a_cut_holds_the_window_s_pixels_and_no_weight_beyond_them(first: int) -> None:
    offsets = np.arange(-4, 5)
    cut = SPECTRA.cut(np.array([first, 50, GRID.window - 1]), offsets)
    for row, pixel in enumerate((first, 50, GRID.window - 1)):
        for column, place in enumerate(pixel + offsets):
            if 0 <= place < GRID.window:
                for name in ("flux", "model", "residual", "weight"):
                    values = getattr(SPECTRA, name)[row, place]
                    assert getattr(cut, name)[row, column] == values
            else:
                assert cut.weight[row, column] == 0


def test_residual_and_variance_of_unused_pixels_are_none() -> None:
    weight = SPECTRA.weight.copy()
    weight[:, 1000] = 0
    spoilt = replace(SPECTRA, weight=weight, noise_weight=weight)
    assert (spoilt.residual[:, 1000] == 0).all()
    assert np.isnan(spoilt.variance[:, 1000]).all()
    used = weight > 0
    np.testing.assert_allclose(spoilt.residual[used], (SPECTRA.flux - SPECTRA.model)[used])
    np.testing.assert_allclose(spoilt.variance[used], 1 / weight[used])


@given(seed=st.integers(0, 99), bad=st.sampled_from([0.0, 0.4, 1.0]))
def test_quiet_variance_is_the_middle_one_of_each_block(seed: int, bad: float) -> None:
    rng = np.random.default_rng(seed)
    weight = rng.gamma(2, 1, (2, 150)) * (rng.random((2, 150)) >= bad)
    arrays = dict.fromkeys(("flux", "model", "weight", "noise_weight"), weight)
    found = replace(SPECTRA, **arrays, start=np.zeros(2, int), z=np.ones(2)).quiet_variance
    for row in range(2):
        for first in (0, 64, 128):
            known = sorted(1 / w for w in weight[row, first : first + 64] if w > 0)
            expected = known[len(known) // 2] if known else np.nan
            np.testing.assert_allclose(found[row, first : first + 64], expected)


@given(seed=st.integers(0, 99), width=st.integers(1, 9))
def test_sliding_sums_are_those_of_neighbours(seed: int, width: int) -> None:
    values = np.random.default_rng(seed).normal(size=(2, 9))
    expected = [values[:, k : k + width].sum(1) for k in range(10 - width)]
    np.testing.assert_allclose(slide_sum(values, width), np.transpose(expected), atol=1e-12)


def test_only_a_positive_divisor_divides() -> None:
    found = divide(np.ones(1), np.array([2.0, 0.0, -1.0, np.nan]))
    np.testing.assert_array_equal(found, [0.5, np.nan, np.nan, np.nan])
