"""One spectrum as arrays: smoothing, bad pixels, comparison, and what a screen can tell apart."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog_schema.desi import ARM_PIXELS, WAVE_SIZE, WAVE_START, WAVE_STEP
from portal.data.spectrum import (
    UNMASKED,
    Spectrum,
    list_masked,
    make_curves,
    name_arms,
    pick_extremes,
    robust_range,
    shift_like,
    size_block,
    split_pixels,
)

WAVE = WAVE_START + WAVE_STEP * np.arange(WAVE_SIZE)
SEEDS = st.integers(0, 2**32 - 1)
WIDTHS = st.sampled_from([1, 3, 5, 9, 41])


def make_spectrum(flux: np.ndarray, ivar: np.ndarray, wave: np.ndarray = WAVE) -> Spectrum:
    zeros = np.zeros(len(wave), dtype="f4")
    mask = np.zeros(len(wave), dtype="i4")
    return Spectrum(wave, flux.astype("f4"), ivar.astype("f4"), mask, zeros)


def draw_spectrum(seed: int, size: int = 300, bad: float = 0.2) -> Spectrum:
    """A spectrum with noise as its errors say, and bad pixels of absurd flux."""
    rng = np.random.default_rng(seed)
    ivar = rng.uniform(1, 9, size)
    flux = 2 + rng.normal(size=size) / np.sqrt(ivar)
    is_bad = rng.random(size) < bad
    ivar[is_bad], flux[is_bad] = 0, 1e6
    return make_spectrum(flux, ivar, WAVE[:size])


def test_unsmoothed_curves_are_the_spectrum() -> None:
    flux, ivar = np.arange(WAVE_SIZE) % 7.0, np.full(WAVE_SIZE, 4.0)
    ivar[10] = 0
    curves = make_curves(make_spectrum(flux, ivar), 1)
    assert np.isnan(curves.flux[10])
    assert np.allclose(np.delete(curves.flux, 10), np.delete(flux, 10))
    assert np.allclose(np.delete(curves.sigma, 10), 0.5)
    assert np.allclose(np.delete(curves.residual, 10), 2 * np.delete(flux, 10))


def test_smoothing_ignores_bad_pixels_and_keeps_noise_honest() -> None:
    spectrum = draw_spectrum(4, WAVE_SIZE, 0.02)
    spectrum.model[:] = 2
    curves = make_curves(spectrum, 9)
    assert np.nanmax(np.abs(curves.flux)) < 7
    assert np.nanstd(curves.residual) == pytest.approx(1, abs=0.05)


@given(SEEDS, WIDTHS)
def test_smoothing_is_the_weighted_mean_of_the_box(seed: int, width: int) -> None:
    spectrum = draw_spectrum(seed)
    curves = make_curves(spectrum, width)
    for pixel in (0, 7, 150, 299):
        box = slice(max(pixel - width // 2, 0), pixel + width // 2 + 1)
        ivar = spectrum.ivar[box].astype(float)
        if ivar.sum() == 0:
            assert np.isnan(curves.flux[pixel])
            continue
        mean = (ivar * spectrum.flux[box]).sum() / ivar.sum()
        assert curves.flux[pixel] == pytest.approx(mean, rel=1e-5)
        assert curves.sigma[pixel] == pytest.approx(ivar.sum() ** -0.5, rel=1e-6)
        assert curves.residual[pixel] == pytest.approx(mean / curves.sigma[pixel], rel=1e-4)


@given(SEEDS, WIDTHS, st.floats(0.1, 100))
def test_units_of_flux_change_no_significance(seed: int, width: int, factor: float) -> None:
    one = draw_spectrum(seed)
    other = Spectrum(one.wave, one.flux * factor, one.ivar / factor**2, one.mask, one.model)
    mine, its = make_curves(one, width), make_curves(other, width)
    assert np.allclose(its.flux, mine.flux * factor, rtol=1e-4, equal_nan=True)
    assert np.allclose(its.residual, mine.residual, rtol=1e-3, equal_nan=True)


def test_undefined_model_leaves_a_gap_in_the_residual_only() -> None:
    spectrum = make_spectrum(np.ones(WAVE_SIZE), np.ones(WAVE_SIZE))
    spectrum.model[:100] = np.nan
    for width in (1, 5):
        curves = make_curves(spectrum, width)
        assert np.isfinite(curves.flux).all()
        assert np.isnan(curves.residual[: 100 - width]).all()
        assert np.isfinite(curves.residual[100:]).all()


def test_axis_follows_a_spike_but_not_a_monster() -> None:
    values = np.tile([0.0, 1.0], 4000)
    values[7] = 2.0
    assert robust_range(values) == pytest.approx((-0.05, 2.05))
    values[7] = 1e9
    assert robust_range(values)[1] < 3
    assert robust_range(np.full(3, np.nan)) == (0.0, 1.0)


@given(SEEDS, st.floats(1e-3, 1e3), st.floats(-100, 100))
def test_axes_move_and_stretch_with_their_values(seed: int, scale: float, shift: float) -> None:
    values = np.random.default_rng(seed).normal(size=500)
    low, high = robust_range(values)
    assert low < values.min()
    assert high > values.max()
    moved = robust_range(scale * values + shift)
    wanted = (scale * low + shift, scale * high + shift)
    assert moved == pytest.approx(wanted, rel=1e-6, abs=1e-6)


def test_masked_runs_are_named() -> None:
    spectrum = make_spectrum(np.ones(WAVE_SIZE), np.ones(WAVE_SIZE))
    spectrum.mask[100:110] = (1 << 2) | (1 << 9)
    spectrum.ivar[100:112] = 0
    runs = {name: (low, high, n) for name, low, high, n in list_masked(spectrum)}
    assert set(runs) == {"COSMIC", "BADFIBER", UNMASKED}
    assert runs["COSMIC"][2] == 10
    assert runs["COSMIC"][:2] == pytest.approx((3679.6, 3687.6))
    assert runs[UNMASKED][2] == 2


@given(SEEDS)
def test_runs_hold_each_bad_pixel_once_for_each_of_its_reasons(seed: int) -> None:
    rng = np.random.default_rng(seed)
    spectrum = draw_spectrum(seed)
    spectrum.mask[:] = rng.choice([0, 0, 1, 4, 1 | 1 << 10], 300)
    bits = sum(int(value).bit_count() for value in spectrum.mask)
    nameless = int(((spectrum.ivar <= 0) & (spectrum.mask == 0)).sum())
    runs = list_masked(spectrum)
    assert sum(n for _, _, _, n in runs) == bits + nameless
    for _, low, high, n in runs:
        assert high - low == pytest.approx(n * WAVE_STEP)
        assert ((spectrum.wave > low) & (spectrum.wave < high)).sum() == n


def test_runs_follow_a_grid_whose_steps_grow() -> None:
    wave = 4000 * 10 ** (1e-4 * np.arange(50))
    spectrum = make_spectrum(np.ones(50), np.ones(50), wave)
    spectrum.mask[[0, 20, 49]] = 1
    for (_, low, high, _), pixel in zip(list_masked(spectrum), (0, 20, 49), strict=True):
        assert low < wave[pixel] < high
        assert high - low == pytest.approx(wave[pixel] * 1e-4 * np.log(10), rel=1e-3)


def test_each_pixel_is_of_an_arm_that_sees_it() -> None:
    arms = np.array(name_arms(make_spectrum(np.ones(WAVE_SIZE), np.ones(WAVE_SIZE))))
    order = "".join(arms)
    assert order == "".join(sorted(order))
    for arm, (first, last) in ARM_PIXELS.items():
        pixels = np.flatnonzero(arms == arm)
        assert first <= pixels.min()
        assert pixels.max() < last
    cuts = np.flatnonzero(arms[1:] != arms[:-1]) + 1
    middles = [(ARM_PIXELS["b"][1] + ARM_PIXELS["r"][0]) // 2]
    middles.append((ARM_PIXELS["r"][1] + ARM_PIXELS["z"][0]) // 2)
    assert cuts.tolist() == middles


@given(SEEDS, st.floats(0.5, 3), st.floats(0.5, 3))
def test_a_spectrum_is_moved_to_anothers_redshift_and_level(
    seed: int, z: float, wanted_z: float
) -> None:
    one, wanted = (draw_spectrum(seed + n, WAVE_SIZE, 0.02) for n in (0, 1))
    bright = Spectrum(one.wave, one.flux * 50, one.ivar / 2500, one.mask, one.model)
    wave, flux = shift_like(bright, z, wanted, wanted_z, 16)
    assert np.all((wave >= wanted.wave[0]) & (wave <= wanted.wave[-1]))
    assert np.all(np.diff(wave) > 0)
    assert np.nanmedian(flux) == pytest.approx(2, abs=0.2)
    back, _ = shift_like(one, z, one, z, 16)
    assert np.allclose(back, one.wave[: len(back) * 16].reshape(-1, 16).mean(axis=1))


def test_a_spectrum_without_a_good_pixel_has_no_level() -> None:
    dark = make_spectrum(np.ones(300), np.zeros(300), WAVE[:300])
    wave, flux = shift_like(dark, 1.0, dark, 1.0, 16)
    assert len(wave) == len(flux)
    assert np.isnan(flux).all()
    assert dark.n_good == 0


@given(st.integers(1, 10_000), st.data())
def test_blocks_share_out_the_pixels(size: int, data: st.DataObject) -> None:
    first = data.draw(st.integers(0, size))
    inside = data.draw(st.sampled_from([None, (first, data.draw(st.integers(first, size)))]))
    starts = split_pixels(size, inside)
    assert starts[0] == 0
    assert np.all(np.diff(starts) > 0)
    assert starts[-1] < size
    assert len(starts) <= 3_000
    if inside and inside[1] > inside[0]:
        shown = starts[(starts >= inside[0]) & (starts < inside[1])]
        assert np.all(np.diff(shown) == size_block(inside[1] - inside[0]))


@given(SEEDS, st.integers(1, 400))
def test_no_extreme_of_a_block_is_lost(seed: int, size: int) -> None:
    rng = np.random.default_rng(seed)
    values = np.where(rng.random(size) < 0.2, np.nan, rng.normal(size=size))
    starts = np.unique([0, *rng.integers(0, size, 10)])
    picked = pick_extremes(values, starts)
    assert np.all(np.diff(picked) > 0)
    for low, high in zip(starts, [*starts[1:], size], strict=True):
        block, mine = values[low:high], values[picked[(picked >= low) & (picked < high)]]
        assert 1 <= len(mine) <= 2
        if np.isfinite(block).any():
            assert np.nanmin(mine) == np.nanmin(block)
            assert np.nanmax(mine) == np.nanmax(block)
