"""Matched filters: every box by brute force, planted features at their place and significance."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.spectra.science.filters import measure_boxes, scan_widths

WIDTHS = (1, 2, 4, 16, 32)


def draw(seed: int, n: int = 3, m: int = 96, bad: float = 0.2) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    weight = rng.gamma(2.0, 1.0, (n, m)).astype(np.float32)
    weight[rng.random((n, m)) < bad] = 0
    residual = (rng.standard_normal((n, m)) / np.sqrt(np.maximum(weight, 0.1))).astype(np.float32)
    return np.where(weight > 0, residual, 0).astype(np.float32), weight


def list_boxes(residual: np.ndarray, weight: np.ndarray, width: int) -> list[tuple[int, float]]:
    """Return middle pixel and signal-to-noise ratio of every box of one spectrum."""
    boxes = []
    for first in range(0, len(residual) - width + 1, max(width // 8, 1)):
        r, w = (values[first : first + width].astype(np.float64) for values in (residual, weight))
        if np.count_nonzero(w) >= 0.5 * width:
            boxes.append((first + width // 2, (w * r).sum() / np.sqrt(w.sum())))
    return boxes


@given(seed=st.integers(0, 999), bad=st.sampled_from([0.0, 0.2, 0.7]))
def test_equals_brute_force(seed: int, bad: float) -> None:
    residual, weight = draw(seed, bad=bad)
    scan = scan_widths(residual, weight, WIDTHS)
    for k in range(len(residual)):
        for j, width in enumerate(WIDTHS):
            boxes = list_boxes(residual[k], weight[k], width)
            ratios = np.array([ratio for _, ratio in boxes] or [0.0])
            assert scan.emission[k, j] == pytest.approx(max(ratios.max(), 0), rel=1e-4, abs=1e-4)
            lowest = max(-ratios.min(), 0)
            assert scan.absorption[k, j] == pytest.approx(lowest, rel=1e-4, abs=1e-4)
            assert scan.power[k, j] == pytest.approx((ratios**2).mean(), rel=1e-4, abs=1e-6)
            at = dict(boxes)
            finds = (
                (scan.emission_pixel[k, j], scan.emission[k, j]),
                (scan.absorption_pixel[k, j], -scan.absorption[k, j]),
            )
            for pixel, found in finds:
                assert (pixel == -1) == (found == 0)
                assert pixel == -1 or at[pixel] == pytest.approx(found, rel=1e-4, abs=1e-4)


@given(seed=st.integers(0, 999), bad=st.sampled_from([0.0, 0.2, 0.7]))
def test_power_of_a_part_is_that_of_the_boxes_whose_middle_is_there(seed: int, bad: float) -> None:
    residual, weight = draw(seed, bad=bad)
    limits = np.sort(np.random.default_rng(seed).integers(0, 97, (len(residual), 4)), axis=1)
    scan = scan_widths(residual, weight, WIDTHS, limits)
    assert scan.part_power.shape == (len(residual), 3, len(WIDTHS))
    for k in range(len(residual)):
        for j, width in enumerate(WIDTHS):
            boxes = list_boxes(residual[k], weight[k], width)
            for part in range(3):
                low, high = limits[k, part : part + 2]
                inside = [ratio for middle, ratio in boxes if low <= middle < high]
                expected = np.mean(np.square(inside)) if inside else np.nan
                found = scan.part_power[k, part, j]
                assert found == pytest.approx(expected, rel=1e-4, abs=1e-6, nan_ok=True)


def test_parts_change_nothing_else() -> None:
    residual, weight = draw(3)
    limits = np.tile([0, 40, 96], (len(residual), 1))
    whole, parted = (
        scan_widths(residual, weight, WIDTHS),
        scan_widths(residual, weight, WIDTHS, limits),
    )
    assert whole.part_power.shape == (len(residual), 0, len(WIDTHS))
    for name in ("emission", "absorption", "power", "emission_pixel", "absorption_pixel"):
        np.testing.assert_array_equal(getattr(whole, name), getattr(parted, name))


@pytest.mark.parametrize(("width", "sign"), [(1, 1), (4, 1), (4, -1), (16, -1), (64, 1)])
def test_planted_feature_is_found_where_it_is(width: int, sign: int) -> None:
    """A box of height h over pixels of weight w has the significance h √(w · width)."""
    residual, weight = np.zeros((1, 512), np.float32), np.full((1, 512), 4.0, np.float32)
    height = 12 / np.sqrt(4 * width)
    residual[0, 160 : 160 + width] = sign * height
    widths = (1, 4, 16, 64)
    scan = scan_widths(residual, weight, widths)
    found, where = (
        (scan.emission, scan.emission_pixel)
        if sign > 0
        else (scan.absorption, scan.absorption_pixel)
    )
    best = int(np.argmax(found[0]))
    assert widths[best] == width
    assert found[0, best] == pytest.approx(12, rel=1e-5)
    assert where[0, best] == 160 + width // 2
    other = scan.absorption if sign > 0 else scan.emission
    assert (other == 0).all()


def test_ratios_of_noise_are_unit_gaussians() -> None:
    """One place per spectrum: its box is as wide as the window."""
    rng = np.random.default_rng(0)
    weight = rng.gamma(3.0, 1.0, (4000, 16)).astype(np.float32)
    residual = (rng.standard_normal(weight.shape) / np.sqrt(weight)).astype(np.float32)
    scan = scan_widths(residual, weight, (16,))
    ratio = (scan.emission - scan.absorption)[:, 0]
    assert ratio.mean() == pytest.approx(0, abs=0.06)
    assert ratio.std() == pytest.approx(1, abs=0.04)
    np.testing.assert_allclose(scan.power[:, 0], ratio**2, rtol=1e-4, atol=1e-6)


def test_stride_loses_little() -> None:
    """A feature that lies between two places of the filter keeps 96 per cent of its ratio."""
    weight = np.ones((1, 512), np.float32)
    for first in range(100, 132):
        residual = np.zeros((1, 512), np.float32)
        residual[0, first : first + 64] = 1
        assert scan_widths(residual, weight, (64,)).emission[0, 0] >= 0.93 * 8


def test_missing_pixels_are_not_looked_at_and_half_a_box_must_be_good() -> None:
    residual, weight = draw(1)
    wild = np.where(weight == 0, np.float32(1e20), residual)
    one, two = (scan_widths(values, weight, WIDTHS) for values in (residual, wild))
    for name in ("emission", "absorption", "emission_pixel", "absorption_pixel", "power"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
    weight = np.zeros((1, 32), np.float32)
    weight[0, 8:11] = 1
    scan = scan_widths(np.ones_like(weight), weight, (4, 8))
    np.testing.assert_allclose(scan.emission[0], [np.sqrt(3), 0], rtol=1e-6)
    assert scan.emission_pixel[0, 1] == -1


@pytest.mark.parametrize("shape", [(0, 64), (2, 64), (2, 8)])
def test_nothing_to_see_is_zero_and_not_nan(shape: tuple[int, int]) -> None:
    """No spectrum, no pixel with weight, a window shorter than the filter."""
    scan = scan_widths(np.ones(shape, np.float32), np.zeros(shape, np.float32), (1, 16))
    for values in (scan.emission, scan.absorption, scan.power):
        assert values.shape == (shape[0], 2)
        assert (values == 0).all()
    assert (scan.emission_pixel == -1).all()
    assert (scan.absorption_pixel == -1).all()


@pytest.mark.parametrize("widths", [(1, 3), (4, 2), (0, 1), (8, 8)])
def test_widths_that_are_no_rising_powers_of_two_are_refused(widths: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="powers of two"):
        scan_widths(*draw(2), widths)


@pytest.mark.parametrize("width", [4, 64])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_planted_box_is_recovered_at_its_place_within_its_error(width: int, sign: int) -> None:
    n, m, middle, level, excess = 400, 1024, 512, 3.0, 1.5 / np.sqrt(width)
    rng = np.random.default_rng(5)
    weight = rng.gamma(4.0, 4.0, (n, m)).astype(np.float32)
    weight[rng.random((n, m)) < 0.1] = 0
    noise = np.divide(1, np.sqrt(weight), where=weight > 0, out=np.zeros_like(weight))
    residual = (rng.normal(size=(n, m)) * noise).astype(np.float32)
    inside = slice(middle - width // 2, middle + width // 2)
    residual[:, inside] += np.where(weight[:, inside] > 0, sign * excess, 0)
    model = np.full((n, m), level, np.float32)
    scan = scan_widths(residual, weight, (width,))
    pixel, snr = (
        (scan.emission_pixel, scan.emission)
        if sign > 0
        else (scan.absorption_pixel, scan.absorption)
    )
    part, error = measure_boxes(residual, weight, model, pixel[:, 0], width)
    np.testing.assert_allclose(sign * part / error, snr[:, 0], rtol=1e-4)
    is_found = np.abs(pixel[:, 0] - middle) <= width // 4
    assert is_found.mean() > 0.8
    off = np.abs(sign * part - excess / level)[is_found] / error[is_found]
    # The best of several places is a little too high.
    assert 0.55 < np.mean(off < 1) < 0.8
    assert np.mean(off < 2) > 0.9


def test_without_a_box_or_a_model_above_0_nothing_is_measured() -> None:
    one = np.ones((2, 32), np.float32)
    model = np.stack([one[0], -one[1]])
    for pixel, model_of in (([-1, -1], one), ([10, 10], model)):
        found = measure_boxes(one, one, model_of, np.array(pixel), 4)
        is_known = np.isfinite(np.stack(found))
        assert not is_known[:, 1].any()
        assert is_known[:, 0].all() == (pixel[0] >= 0)
