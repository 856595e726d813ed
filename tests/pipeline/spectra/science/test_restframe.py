"""Resampling, windows and norms against definitions written down independently."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog_schema.grids import Grid
from pipeline.spectra.science.restframe import (
    RestFrameGrid,
    find_noise_share,
    find_reach,
    find_window_starts,
    make_grid,
    normalise,
    resample,
    resample_log,
)

DESI = Grid(3600.0, 0.8, 7781)
SMALL = Grid(3600.0, 0.8, 500)


def resample_exactly(flux, ivar, z, start, observed: Grid, grid: RestFrameGrid, every: int):
    """Return some pixels of one spectrum by the definition, in float64 and by brute force."""
    flux, ivar = flux.astype(np.float64), ivar.astype(np.float64)
    left = observed.start + observed.step * (np.arange(observed.size) - 0.5)
    pixels = start + np.arange(grid.window + 1)
    edges = 10.0 ** (grid.log10_start + grid.log10_step * pixels) * (1 + z)
    lower, upper = edges[:-1][::every, None], edges[1:][::every, None]
    overlap = np.minimum(left + observed.step, upper) - np.maximum(left, lower)
    overlap = np.clip(overlap, 0, None) / observed.step
    weight = overlap @ ivar
    good = weight > 0
    mean = np.divide(overlap @ (ivar * flux), weight, out=np.zeros_like(weight), where=good)
    return mean, weight


def draw(seed: int, n: int, size: int, bad: float = 0.1):
    rng = np.random.default_rng(seed)
    flux = (5 + rng.standard_normal((n, size))).astype(np.float32)
    ivar = rng.gamma(2.0, 2.0, (n, size)).astype(np.float32)
    ivar[rng.random((n, size)) < bad] = 0
    flux[ivar == 0] = 0
    return flux, ivar


def check(flux, ivar, z, observed, grid, every=1) -> tuple:
    start, on_grid = find_window_starts(grid, observed, z)
    assert on_grid.all()
    found = resample(flux, ivar, z, start, observed, grid)
    for k in range(len(z)):
        mean, weight = resample_exactly(flux[k], ivar[k], z[k], start[k], observed, grid, every)
        # An overlap of 1e-12 of a pixel is rounding on either side.
        np.testing.assert_allclose(found[1][k][::every], weight, rtol=1e-5, atol=1e-9)
        sigma = np.abs(found[0][k][::every] - mean) * np.sqrt(weight)
        assert sigma.max() < 1e-5
    return found


@pytest.mark.parametrize("step", [1e-4, 3e-5, 4e-4, 2e-3], ids=["like", "fine", "coarse", "wide"])
def test_equals_the_definition(step: float) -> None:
    grid = make_grid(SMALL, 0.5, 3.0, step, 8)
    z = np.array([0.5, 1.234567, 2.0, 3.0])
    check(*draw(1, 4, SMALL.size), z, SMALL, grid)


def test_equals_the_definition_on_desi_s_grid() -> None:
    grid = make_grid(DESI, 0.05, 6.8, 1e-4, 16)
    check(*draw(2, 2, DESI.size), np.array([0.05, 6.8]), DESI, grid, every=20)


@given(z=st.floats(0.5, 3.0), seed=st.integers(0, 99))
def test_equals_the_definition_at_any_redshift(z: float, seed: int) -> None:
    grid = make_grid(SMALL, 0.5, 3.0, 1e-4, 16)
    flux, ivar = check(*draw(seed, 1, SMALL.size, bad=0.5), np.array([z]), SMALL, grid)
    assert np.isfinite(flux).all()
    assert np.isfinite(ivar).all()
    assert (flux[ivar == 0] == 0).all()


def test_partly_covered_bins_at_the_edges_keep_their_information() -> None:
    """With ivar 1 the total weight is that of every observed pixel, cut bins included."""
    grid = make_grid(SMALL, 0.5, 3.0, 2e-3, 4)
    z = np.array([1.7])
    start, _ = find_window_starts(grid, SMALL, z)
    flux, ivar = resample(*[np.ones((1, SMALL.size), np.float32)] * 2, z, start, SMALL, grid)
    pixels = start[0] + np.arange(grid.window + 1)
    edges = 10.0 ** (grid.log10_start + grid.log10_step * pixels) * (1 + z[0])
    low, high = SMALL.start - 0.4, SMALL.start - 0.4 + 0.8 * SMALL.size
    covered = np.clip(np.minimum(high, edges[1:]) - np.maximum(low, edges[:-1]), 0, None)
    is_used = ivar[0] > 0
    assert (is_used == (covered > 0)).all()
    is_cut = is_used & (covered < np.diff(edges) * (1 - 1e-9))
    assert is_cut.sum() == 2
    assert covered.sum() == pytest.approx(0.8 * SMALL.size)
    np.testing.assert_allclose(flux[0][is_used], 1, rtol=1e-6)
    # Every observed pixel counts once, in as many parts as it is cut.
    np.testing.assert_allclose(ivar[0][is_used], covered[is_used] / 0.8, rtol=1e-4, atol=1e-6)
    assert ivar.sum() == pytest.approx(SMALL.size, rel=1e-5)


def test_flux_is_conserved() -> None:
    """A line that lies anywhere keeps its integral over observed wavelength."""
    grid = make_grid(SMALL, 0.5, 3.0, 1e-4, 16)
    z = np.linspace(0.6, 2.9, 12)
    centres = np.linspace(3700, 3900, 12)
    flux = np.exp(-0.5 * ((SMALL.wave - centres[:, None]) / 4) ** 2).astype(np.float32)
    start, _ = find_window_starts(grid, SMALL, z)
    got, _ = resample(flux, np.ones_like(flux), z, start, SMALL, grid)
    pixels = start[:, None] + np.arange(grid.window + 1)
    edges = 10.0 ** (grid.log10_start + grid.log10_step * pixels) * (1 + z[:, None])
    np.testing.assert_allclose((got * np.diff(edges)).sum(1), flux.sum(1) * 0.8, rtol=1e-5)


def test_a_redshift_is_a_shift() -> None:
    """The same light at a redshift of whole pixels lies the same number of pixels lower."""
    grid = make_grid(DESI, 0.5, 3.0, 1e-4, 1)
    flux, ivar = draw(3, 1, DESI.size)
    z = np.array([1.0, 2.0 * 10 ** (1e-4 * 800) - 1])
    start, _ = find_window_starts(grid, DESI, z)
    assert start[0] - start[1] == 800
    pair = resample(np.repeat(flux, 2, 0), np.repeat(ivar, 2, 0), z, start, DESI, grid)
    np.testing.assert_allclose(pair[0][0], pair[0][1], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(pair[1][0], pair[1][1], rtol=1e-3, atol=1e-3)


def draw_noise(grid: RestFrameGrid, observed: Grid, n: int, z: float):
    """Resample pure noise of uneven ivar, the same for every spectrum."""
    rng = np.random.default_rng(4)
    ivar = np.tile(rng.gamma(3, 1, observed.size).astype(np.float32), (n, 1))
    flux = (rng.standard_normal(ivar.shape) / np.sqrt(ivar)).astype(np.float32)
    redshift = np.full(n, z)
    start, _ = find_window_starts(grid, observed, redshift)
    return resample(flux, ivar, redshift, start, observed, grid)


@pytest.mark.parametrize("step", [1e-4, 5e-4])
@pytest.mark.parametrize("n_pixels", [8, 64])
def test_weights_add_up_to_the_inverse_variance_of_the_mean(step: float, n_pixels: int) -> None:
    """Neighbours share an observed pixel and so its noise: a sum of ivars would be too large."""
    grid = make_grid(SMALL, 0.5, 3.0, step, 8)
    flux, weight = draw_noise(grid, SMALL, 4000, 1.1)
    chi = []
    for first in range(0, grid.window - n_pixels + 1, n_pixels):
        block = slice(first, first + n_pixels)
        if (weight[0, block] > 0).all():
            total = weight[0, block].sum(dtype=np.float64)
            chi.append((weight[:, block] * flux[:, block]).sum(1) / np.sqrt(total))
    observed_pixels = SMALL.size / np.count_nonzero(weight[0]) * n_pixels
    assert len(chi) > 0
    # The two observed pixels cut by the ends of a block are counted in part, with a² < a.
    assert np.mean(np.square(chi)) == pytest.approx(1, abs=0.02 + 0.5 / observed_pixels)


@pytest.mark.parametrize("step", [5e-5, 1e-4, 2e-4, 5e-4])
def test_noise_share_is_that_of_the_noise(step: float) -> None:
    """Averaged over where the edges fall, the variance of a pixel times its weight."""
    grid = make_grid(DESI, 0.5, 3.0, step, 16)
    share = find_noise_share(grid, DESI)
    assert share.shape == (grid.window,)
    assert ((share > 0) & (share < 1)).all()
    ivar = np.ones((1, DESI.size), np.float32)
    rng = np.random.default_rng(5)
    total, count = np.zeros(grid.window), np.zeros(grid.window)
    for z in rng.uniform(0.5, 3.0, 40):
        flux = rng.standard_normal((1, DESI.size)).astype(np.float32)
        start, _ = find_window_starts(grid, DESI, np.array([z]))
        got, weight = resample(flux, ivar, np.array([z]), start, DESI, grid)
        total += (got**2 * weight)[0]
        count += weight[0] > 0
    whole = slice(64, grid.window - 64)
    for part in np.array_split(np.arange(grid.window)[whole], 4):
        measured = total[part].sum() / count[part].sum()
        assert measured == pytest.approx(share[part].mean(), rel=0.03)


def test_bad_pixels_have_no_say() -> None:
    grid = make_grid(SMALL, 0.5, 3.0, 1e-4, 8)
    flux, ivar = draw(5, 1, SMALL.size, bad=0.3)
    wild = np.where(ivar == 0, np.float32(1e20), flux)
    z = np.array([1.0])
    start, _ = find_window_starts(grid, SMALL, z)
    for one, two in zip(
        resample(flux, ivar, z, start, SMALL, grid),
        resample(wild, ivar, z, start, SMALL, grid),
        strict=True,
    ):
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("z", [np.nan, np.inf, -1.0, 1e9])
def test_a_redshift_outside_gives_nothing_but_zeros_or_numbers(z: float) -> None:
    grid = make_grid(SMALL, 0.5, 3.0, 1e-4, 8)
    flux, ivar = draw(5, 1, SMALL.size)
    for values in resample(flux, ivar, np.array([z]), np.zeros(1, np.int32), SMALL, grid):
        assert np.isfinite(values).all()


@pytest.mark.parametrize("pixel", [0, 1, 250, 498, 499])
def test_a_single_pixel_keeps_its_flux(pixel: int) -> None:
    grid = make_grid(SMALL, 0.5, 3.0, 1e-4, 8)
    flux, ivar = np.zeros((2, 1, SMALL.size), np.float32)
    flux[0, pixel], ivar[0, pixel] = 7, 2
    rest, weight = check(flux, ivar, np.array([1.3]), SMALL, grid)
    used = weight[0] > 0
    assert used.any()
    np.testing.assert_allclose(rest[0][used], 7, rtol=1e-6)
    # Its parts have together the weight of the whole.
    assert weight.sum() == pytest.approx(2, rel=1e-5)


def test_no_good_pixel_is_zero() -> None:
    grid = make_grid(SMALL, 0.5, 3.0, 1e-4, 8)
    blank = np.zeros((1, SMALL.size), np.float32)
    flux, ivar = resample(blank, blank, np.array([1.0]), np.zeros(1, np.int32), SMALL, grid)
    assert not flux.any()
    assert not ivar.any()


ranges = st.tuples(st.floats(0, 3), st.floats(0.01, 4)).map(lambda t: (t[0], t[0] + t[1]))


@given(
    span=ranges,
    step=st.sampled_from([1e-4, 1.3e-4, 4e-4]),
    align=st.sampled_from([1, 7, 16]),
    share=st.floats(0, 1),
)
def test_windows_are_aligned_and_on_the_grid(span, step, align, share) -> None:
    low, high = span
    grid = make_grid(DESI, low, high, step, align)
    z = np.array([low, high, min(low + share * (high - low), high)])
    start, on_grid = find_window_starts(grid, DESI, z)
    assert on_grid.all()
    assert (start % align == 0).all()
    assert grid.size % align == grid.window % align == 0
    first = 10 ** (grid.log10_start + grid.log10_step * start) * (1 + z)
    last = 10 ** (grid.log10_start + grid.log10_step * (start + grid.window)) * (1 + z)
    assert (first <= 3599.6 * (1 + 1e-9)).all()
    assert (last >= 3599.6 + 0.8 * 7781).all()
    # The grid is no larger than it needs to be.
    assert start[1] < 2 * align + 1
    assert grid.size - (start[0] + grid.window) < 3 * align + 1


@pytest.mark.parametrize("z", [np.nan, np.inf, -1.0, -2.0, 50.0, -0.5])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_redshift_outside_is_said(z: float) -> None:
    grid = make_grid(DESI, 0.5, 3.0, 1e-4, 16)
    _, on_grid = find_window_starts(grid, DESI, np.array([z, 1.0]))
    assert on_grid.tolist() == [False, True]


def test_grid_wave_is_the_pixel_centre() -> None:
    grid = RestFrameGrid(3.0, 0.1, 3, 2, 1)
    np.testing.assert_allclose(grid.wave, 10 ** np.array([3.05, 3.15, 3.25]))
    np.testing.assert_allclose(DESI.wave[[0, 1, -1]], [3600, 3600.8, 9824])


def test_norm_is_the_median_of_a_clear_spectrum() -> None:
    flux, ivar = draw(6, 3, 400)
    expected = [np.median(f[w > 0]) for f, w in zip(flux, ivar, strict=True)]
    np.testing.assert_allclose(normalise(flux, ivar), expected, rtol=1e-6)


def test_norm_scales_with_the_flux() -> None:
    flux, ivar = draw(7, 2, 400)
    np.testing.assert_allclose(normalise(flux * 8, ivar / 64), 8 * normalise(flux, ivar), rtol=1e-5)


def test_norm_of_noise_is_three_errors_of_the_mean() -> None:
    rng = np.random.default_rng(8)
    flux = rng.standard_normal((20, 900)).astype(np.float32) - 0.2
    norm = normalise(flux, np.ones_like(flux))
    np.testing.assert_allclose(norm, 3 / 30, rtol=1e-5)


@given(
    values=st.lists(
        st.tuples(st.floats(-1e6, 1e6, width=32), st.sampled_from([0, 1e-6, 1, 1e4])),
        min_size=1,
        max_size=12,
    )
)
def test_norm_is_always_positive(values: list) -> None:
    flux, ivar = np.array(values, np.float32).T[:, None]
    norm = normalise(flux, ivar)
    assert norm.shape == (1,)
    assert np.isfinite(norm).all()
    assert (norm > 0).all()


@pytest.mark.parametrize("value", [-5.0, 0.0, 5.0])
def test_norm_of_one_valid_pixel(value: float) -> None:
    flux, ivar = np.zeros((2, 1, 50), np.float32)
    flux[0, 3], ivar[0, 3] = value, 4.0
    assert normalise(flux, ivar)[0] == pytest.approx(max(value, 1.5))


@pytest.mark.parametrize("step", [1e-4, 3e-5, 4e-4], ids=["like", "fine", "coarse"])
def test_a_logarithmic_grid_keeps_flux_and_information(step: float) -> None:
    first, width, z = 3.5810, 1e-4, 0.7312
    flux, ivar = (array[0].astype(float) for array in draw(3, 1, 3800))
    grid = make_grid(DESI, 0.05, 2.0, step, 16)
    start = int(find_window_starts(grid, DESI, np.array([z]))[0][0])
    found, weight = resample_log(flux, ivar, first, width, z, start, grid)
    left = first + width * (np.arange(3800) - 0.5)
    edges = grid.log10_start + step * (start + np.arange(grid.window + 1)) + np.log10(1 + z)
    for pixel in range(0, grid.window, 37):
        overlap = np.minimum(left + width, edges[pixel + 1]) - np.maximum(left, edges[pixel])
        share = np.clip(overlap, 0, None) / width * ivar
        assert weight[pixel] == pytest.approx(share.sum(), rel=1e-6, abs=1e-6)
        if share.sum() > 1e-6:
            assert found[pixel] == pytest.approx(share @ flux / share.sum(), rel=1e-6)
    inside = (left + width > edges[0]) & (left < edges[-1])
    assert weight.sum() == pytest.approx(ivar[inside].sum(), rel=2e-3)


def test_beyond_a_logarithmic_grid_is_nothing() -> None:
    grid = make_grid(DESI, 0.05, 2.0, 1e-4, 16)
    flux, weight = resample_log(np.ones(10), np.ones(10), 4.5, 1e-4, 0.5, 0, grid)
    assert not flux.any()
    assert not weight.any()


@given(step=st.floats(5e-5, 5e-4), align=st.integers(1, 64))
def test_windows_reach_to_the_end_of_their_own_survey_and_no_further(
    step: float, align: int
) -> None:
    wide = Grid(3.545, 1e-4, 4801, is_log=True)
    for own, other in ((wide, DESI), (DESI, wide)):
        grid = make_grid(own, 0.5, 2.0, step, align)
        assert find_reach(grid, own) > own.ends[1]
        assert (find_reach(grid, other) > other.ends[1]) == (own == wide)
