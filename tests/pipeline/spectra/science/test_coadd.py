"""Joining arms: weights in the overlap, bad pixels, masks that arms share."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.spectra.science.coadd import ArmSpectra, join_arms, measure_coverage, measure_snr

ID = np.array([7])


def make_arm(first: int, flux, ivar=1.0, mask=0) -> ArmSpectra:
    flux = np.atleast_2d(np.asarray(flux, np.float32))
    ivar = np.broadcast_to(np.float32(ivar), flux.shape).copy()
    return ArmSpectra(first, flux, ivar, np.broadcast_to(np.uint32(mask), flux.shape).copy())


def test_overlap_is_the_weighted_mean() -> None:
    arms = [make_arm(0, [1, 1, 1, 1], 1), make_arm(2, [4, 4, 4], 3)]
    spectra, n_invalid, _ = join_arms(ID, arms, 6, 1e-6)
    assert spectra.flux.tolist() == [[1, 1, 3.25, 3.25, 4, 0]]
    assert spectra.ivar.tolist() == [[1, 1, 4, 4, 3, 0]]
    assert n_invalid.tolist() == [0]


@pytest.mark.parametrize("bad", ["mask", "nan", "ivar", "floor", "negative", "infinite"])
def test_bad_pixel_leaves_the_other_arm(bad: str) -> None:
    one, two = make_arm(0, [1, 1]), make_arm(0, [5, 5])
    if bad == "mask":
        one.mask[0, 1] = 2
    elif bad == "nan":
        one.flux[0, 1] = np.nan
    else:
        one.ivar[0, 1] = {"ivar": 0, "floor": 1e-6, "negative": -1, "infinite": np.inf}[bad]
    spectra, n_invalid, _ = join_arms(ID, [one, two], 2, 1e-6)
    assert spectra.flux.tolist() == [[3, 5]]
    assert spectra.ivar.tolist() == [[2, 1]]
    assert spectra.mask.tolist() == [[0, 0]]
    assert n_invalid.tolist() == [int(bad in ("nan", "negative", "infinite"))]


def test_mask_holds_the_bits_that_the_arms_share() -> None:
    arms = [make_arm(0, [1, 1, 1], mask=[[6, 6, 2**31]]), make_arm(1, [1, 1, 1], mask=[[3, 0, 5]])]
    spectra, _, _ = join_arms(ID, arms, 6, 1e-6)
    assert spectra.mask.tolist() == [[6, 2, 0, 5, 0, 0]]
    only, _, _ = join_arms(ID, arms[:1], 3, 1e-6)
    assert only.mask.view(np.uint32).tolist() == [[6, 6, 2**31]]


def test_order_of_the_arms_and_gaps_do_not_matter() -> None:
    arms = [make_arm(5, [4, 4], 3, [[8, 0]]), make_arm(0, [1, 1]), make_arm(1, [2])]
    spectra, _, _ = join_arms(ID, arms, 8, 1e-6)
    assert spectra.flux.tolist() == [[1, 1.5, 0, 0, 0, 0, 4, 0]]
    assert spectra.ivar.tolist() == [[1, 2, 0, 0, 0, 0, 3, 0]]
    assert spectra.mask.tolist() == [[0, 0, 0, 0, 0, 8, 0, 0]]


@given(seed=st.integers(0, 99))
def test_equals_the_definition(seed: int) -> None:
    rng = np.random.default_rng(seed)
    starts, lengths = [0, 6, 11], [9, 8, 9]
    arms = []
    for first, n in zip(starts, lengths, strict=True):
        flux, ivar = rng.normal(5, 1, (3, n)), rng.gamma(2, 1, (3, n)) * (rng.random((3, n)) < 0.8)
        flux[rng.random((3, n)) < 0.1] = np.nan
        arms.append(make_arm(first, flux, ivar, rng.integers(0, 2, (3, n))))
    weighted, weight, n_bad = np.zeros((3, 22)), np.zeros((3, 22)), np.zeros(3)
    for arm in arms:
        row = slice(arm.first_pixel, arm.first_pixel + arm.flux.shape[1])
        good = np.isfinite(arm.flux) & (arm.mask == 0) & (arm.ivar > 1e-6)
        weight[:, row] += np.where(good, arm.ivar, 0)
        weighted[:, row] += np.where(good, arm.ivar * np.float64(arm.flux), 0)
        n_bad += np.isnan(arm.flux).sum(axis=1)
    spectra, n_invalid, _ = join_arms(np.arange(3), arms, 22, 1e-6)
    np.testing.assert_allclose(spectra.ivar, weight, rtol=1e-6)
    mean = np.divide(weighted, weight, out=np.zeros_like(weight), where=weight > 0)
    np.testing.assert_allclose(spectra.flux, mean, rtol=1e-6)
    assert n_invalid.tolist() == n_bad.tolist()


def test_no_spectrum() -> None:
    arms = [make_arm(0, np.zeros((0, 4))), make_arm(2, np.zeros((0, 4)))]
    spectra, n_invalid, _ = join_arms(np.zeros(0, np.int64), arms, 6, 1e-6)
    assert spectra.flux.shape == spectra.mask.shape == (0, 6)
    assert n_invalid.shape == (0,)


wild = st.floats(width=32) | st.sampled_from([np.nan, np.inf, -np.inf, 0.0])


@given(pixels=st.lists(st.tuples(wild, wild, st.sampled_from([0, 0, 1])), min_size=3, max_size=9))
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_nothing_but_numbers_comes_out(pixels: list) -> None:
    flux, ivar, mask = np.array(pixels, np.float64).T
    clip = np.where(np.isfinite(ivar), np.clip(ivar, -1e9, 1e9), ivar)
    arms = [make_arm(0, np.clip(flux, -1e9, 1e9), clip, mask), make_arm(1, flux[:1] * 0 + 1)]
    spectra, _, _ = join_arms(ID, arms, len(pixels) + 1, 1e-6)
    assert np.isfinite(spectra.flux).all()
    assert np.isfinite(spectra.ivar).all()
    assert (spectra.ivar >= 0).all()
    assert (spectra.flux[spectra.ivar == 0] == 0).all()


def test_snr_and_coverage() -> None:
    flux = np.array([[1.0, 2, 3, 900], [1, 1, 1, 1]])
    ivar = np.array([[4.0, 4, 4, 0], [0, 0, 0, 0]])
    np.testing.assert_array_equal(measure_snr(flux, ivar), [4, np.nan])
    assert measure_coverage(ivar).tolist() == [0.75, 0]
    assert measure_snr(flux[:0], ivar[:0]).shape == (0,)


def test_filled_pixels_are_no_data_whatever_their_ivar() -> None:
    rng = np.random.default_rng(0)
    flux = rng.normal(size=(4, 40)).astype(np.float32)
    flux[0] = 0
    flux[1] = -999
    flux[2, 10:20] = 0
    ivar, mask = np.ones_like(flux), np.zeros(flux.shape, np.uint32)
    flux[1, 3] = np.nan
    spectra, n_invalid, n_filled = join_arms(
        np.arange(4), [ArmSpectra(0, flux, ivar, mask)], 40, 1e-6
    )
    assert n_filled.tolist() == [40, 39, 10, 0]
    assert n_invalid.tolist() == [0, 1, 0, 0]
    assert (spectra.ivar > 0).sum(axis=1).tolist() == [0, 0, 30, 40]
    assert (spectra.flux[:2] == 0).all()
