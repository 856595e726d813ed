"""Two spectra of one object: what has not changed is found so, what has is, nothing else."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from catalog_schema.changes import CHANGED_LINES
from catalog_schema.lines import LINES
from pipeline.spectra.science.epochs import (
    LINE_WINDOWS,
    MEASURED,
    NO_OVERLAP,
    NO_SIGNAL,
    Comparison,
    Epoch,
    compare_epochs,
)

STEP = 1e-4
WAVE = 10 ** np.arange(np.log10(1400), np.log10(7000), STEP)
SIGMA = 0.3


def make_light(broad: float = 1.0, narrow: float = 1.0, slope: float = -1.0) -> NDArray:
    """A power law of 10 at 3000 Å with broad lines of 4,000 km/s and [OIII]."""
    light = 10 * (WAVE / 3000) ** slope
    for name in LINE_WINDOWS:
        wave = LINES[name].wave
        width = wave * 4000 / 2.355 / 3e5
        light += broad * 8 * np.exp(-0.5 * ((WAVE - wave) / width) ** 2)
    return light + narrow * 20 * np.exp(-0.5 * ((WAVE - LINES["oiii"].wave) / 3) ** 2)


def see(light: NDArray, seed: int, sigma: float = SIGMA) -> Epoch:
    noise = sigma * np.random.default_rng(seed).standard_normal(len(light))
    return Epoch(light + noise, np.full(len(light), sigma**-2))


def compare(now: Epoch, then: Epoch, grey_error: float = 0.15) -> Comparison:
    return compare_epochs(WAVE, now, then, grey_error)


def test_lines_are_those_of_the_schema() -> None:
    assert set(LINE_WINDOWS) == set(CHANGED_LINES)
    for name, windows in LINE_WINDOWS.items():
        assert windows.blue[1] <= windows.core[0] < LINES[name].wave < windows.core[1]
        assert windows.core[1] <= windows.red[0]


def test_no_change_is_a_ratio_of_one_within_its_error() -> None:
    light, tiny = make_light(), 1e-6
    found = [compare(see(light, 2 * k), see(light, 2 * k + 1), tiny) for k in range(40)]
    assert {each.state for each in found} == {MEASURED}
    for name in LINE_WINDOWS:
        changes = np.array([each.lines[name].change for each in found])
        ratios = np.array([each.lines[name].ratio for each in found])
        assert 0.7 < changes.std() < 1.3
        np.testing.assert_allclose(ratios[:, 0].mean(), 1, atol=4 * ratios[:, 1].mean() / 40**0.5)
    continua = np.array([each.continuum for each in found])
    assert np.abs((continua[:, 0] - 1) / continua[:, 1]).mean() < 1.2
    colours = np.array([each.colour for each in found])
    assert np.abs(colours[:, 0] / colours[:, 1]).mean() < 1.2


@pytest.mark.parametrize(("now", "then", "sign"), [(0.0, 1.0, -1), (1.0, 0.0, 1)])
def test_lines_that_vanish_or_appear_are_found(now: float, then: float, sign: int) -> None:
    found = compare(see(make_light(now), 1), see(make_light(then), 2))
    for name, line in found.lines.items():
        assert sign * line.change > 5, name
        assert line.left < 0.1
    assert found.continuum.value == pytest.approx(1, abs=0.02)
    assert found.strongest in LINE_WINDOWS


def test_the_narrow_line_divides_losses_at_the_fibre_out() -> None:
    light = make_light()
    found = compare(see(light, 1), see(light * 0.6, 2))
    assert found.is_anchored
    # The usual losses pull the scale a little towards 1.
    assert found.scale.value == pytest.approx(1 / 0.6, rel=0.35)
    assert found.scale.error < 0.15
    blind = compare(see(make_light(narrow=0), 1), see(make_light(narrow=0) * 0.6, 2))
    assert not blind.is_anchored
    assert blind.scale == (1.0, 0.15)
    assert all(abs(found.lines[n].change) < abs(blind.lines[n].change) for n in LINE_WINDOWS)


def test_usual_losses_alone_are_no_change() -> None:
    light = make_light(narrow=0)
    for factor in (0.8, 0.9, 1.1, 1.25):
        found = compare(see(light, 1), see(light * factor, 2))
        assert all(abs(line.change) < 2 for line in found.lines.values())


def test_a_bluer_continuum_is_told() -> None:
    found = compare(see(make_light(slope=-1.5), 1), see(make_light(slope=-1.0), 2))
    assert found.colour.value == pytest.approx(-0.5, abs=5 * found.colour.error)
    assert found.colour.error < 0.05


def test_spectra_that_share_nothing_do_not_overlap() -> None:
    light = see(make_light(), 1)
    blue, red = WAVE < 3000, WAVE >= 3000
    parts = [Epoch(light.flux, np.where(part, light.weight, 0)) for part in (blue, red)]
    assert compare(*parts) == Comparison(NO_OVERLAP)
    nothing = Epoch(np.zeros(len(WAVE)), np.zeros(len(WAVE)))
    assert compare(light, nothing).state == NO_OVERLAP
    assert compare(nothing, nothing).state == NO_OVERLAP


def test_an_empty_fibre_is_no_vanished_quasar() -> None:
    bright, empty = see(make_light(), 1), see(np.zeros(len(WAVE)), 2)
    assert compare(empty, bright).state == NO_SIGNAL
    assert compare(bright, empty).state == NO_SIGNAL


def test_lost_pixels_are_left_out_of_both() -> None:
    light, rng = make_light(), np.random.default_rng(5)
    holes = rng.random((2, len(WAVE))) < 0.1
    now, then = (
        Epoch(np.where(hole, 1e6, epoch.flux), np.where(hole, 0, epoch.weight))
        for hole, epoch in zip(holes, (see(light, 1), see(light, 2)), strict=True)
    )
    found = compare(now, then)
    assert set(found.lines) == set(LINE_WINDOWS)
    assert all(abs(line.change) < 3 for line in found.lines.values())
    whole = compare(see(light, 1), see(light, 2))
    for name, line in found.lines.items():
        assert line.now.value == pytest.approx(whole.lines[name].now.value, rel=0.2)


def test_a_line_half_lost_is_not_measured() -> None:
    epoch = see(make_light(), 1)
    half = Epoch(epoch.flux, np.where((WAVE > 4780) & (WAVE < 4860), 0, epoch.weight))
    assert "hbeta" not in compare(half, see(make_light(), 2)).lines


@given(slope=st.floats(-0.02, 0.02), level=st.floats(0.5, 20))
@settings(max_examples=10)
def test_a_straight_continuum_of_any_slope_adds_nothing_to_a_line(
    slope: float, level: float
) -> None:
    light = make_light()
    straight = level * (1 + slope * (WAVE - 3000) / 100)
    plain, tilted = (
        compare(Epoch(values, see(values, 1).weight), Epoch(values, see(values, 1).weight))
        for values in (light, light + straight)
    )
    for name, line in plain.lines.items():
        assert tilted.lines[name].now.value == pytest.approx(line.now.value, rel=1e-6)


def test_flux_of_a_line_is_its_area_above_the_continuum() -> None:
    """Of one as wide as in the mean quasar; of a narrower one a part that is alike in both."""
    heights = dict(zip(LINE_WINDOWS, (3.0, 1.0, 2.0, 4.0, 5.0), strict=True))
    light = sum(
        heights[name] * np.exp(-0.5 * ((WAVE - line.centre) / line.sigma) ** 2)
        for name, line in LINE_WINDOWS.items()
    )
    found = compare(Epoch(20 + light, np.ones_like(WAVE)), Epoch(20 + light, np.ones_like(WAVE)))
    for name, line in LINE_WINDOWS.items():
        area = heights[name] * line.sigma * np.sqrt(2 * np.pi)
        assert found.lines[name].now.value == pytest.approx(area, rel=0.01)
    narrow = make_light()
    found = compare(*(Epoch(scale * narrow, np.ones_like(WAVE)) for scale in (1.0, 0.5)), 1e-6)
    for name in LINE_WINDOWS:
        assert found.lines[name].left == pytest.approx(0.5, rel=1e-3)


def test_a_line_is_told_better_than_by_adding_up_its_range() -> None:
    """A sum over the range less what lies below it has more noise beside its flux."""
    width = WAVE * np.log(10) * STEP
    epoch = see(make_light(), 1)
    found = compare(epoch, epoch)
    light = make_light(narrow=0) - make_light(broad=0, narrow=0)
    for name, line in LINE_WINDOWS.items():
        inside = (line.core[0] <= WAVE) & (line.core[1] > WAVE)
        summed = SIGMA * np.sqrt((width[inside] ** 2).sum())
        beside = np.zeros(len(WAVE), bool)
        for low, high in (line.blue, line.red):
            beside |= (low <= WAVE) & (high > WAVE)
        below = SIGMA * width[inside].sum() / np.sqrt(beside.sum())
        by_sum = (light * width)[inside].sum() / np.hypot(summed, below)
        value, error = found.lines[name].now
        assert value / error > by_sum


def test_errors_are_what_noise_makes_of_fluxes_and_ratios() -> None:
    light = make_light()
    found = [compare(see(light, 2 * k), see(light, 2 * k + 1), 1e-6) for k in range(100)]
    for name in ("civ", "mgii", "hbeta"):
        fluxes = np.array([each.lines[name].now for each in found])
        assert fluxes[:, 0].std() == pytest.approx(fluxes[:, 1].mean(), rel=0.3)
        ratios = np.array([each.lines[name].ratio for each in found])
        assert ratios[:, 0].std() == pytest.approx(ratios[:, 1].mean(), rel=0.3)
    for field in ("continuum", "colour"):
        values = np.array([getattr(each, field) for each in found])
        # At least as large: points that scatter by chance count for more.
        assert 0.6 < values[:, 0].std() / values[:, 1].mean() < 1.15


def test_scale_is_the_mean_of_the_line_and_of_the_usual_losses() -> None:
    """By [OIII] at most to a tenth, by rule to 15 per cent: weights of 1/0.01 and 1/0.0225."""
    light = make_light(narrow=50)
    found = compare(see(light, 1, 0.01), see(light * 0.8, 2, 0.01))
    ratio = 1 / 0.8
    line, rule = (0.1 * ratio) ** -2, 0.15**-2
    assert found.scale.value == pytest.approx((ratio * line + rule) / (line + rule), rel=2e-3)
    assert found.scale.error == pytest.approx((line + rule) ** -0.5, rel=2e-3)
    assert found.continuum.value == pytest.approx(ratio / found.scale.value, rel=2e-3)


def test_a_power_law_of_the_ratio_is_told_with_its_sign() -> None:
    now, then = (Epoch(make_light(0, 0, slope), np.full_like(WAVE, 1e4)) for slope in (-1.7, -1.2))
    assert compare(now, then).colour.value == pytest.approx(-0.5, abs=0.02)
    assert compare(then, now).colour.value == pytest.approx(0.5, abs=0.02)
    assert compare(now, then).continuum.value == pytest.approx(
        1 / compare(then, now).continuum.value, rel=1e-3
    )


def test_part_that_is_left_is_that_of_the_brighter() -> None:
    strong, weak = (Epoch(make_light(b), np.full_like(WAVE, 1e4)) for b in (1.0, 0.4))
    for pair in ((strong, weak), (weak, strong)):
        assert compare(*pair).lines["mgii"].left == pytest.approx(0.4, rel=0.02)
    assert compare(strong, weak).strongest in LINE_WINDOWS
    assert compare(strong, weak).lines["mgii"].ratio.value == pytest.approx(2.5, rel=0.02)


def test_pixels_that_scatter_more_than_they_say_count_for_more() -> None:
    light = make_light()
    honest, proud = see(light, 1), see(light, 1)
    proud = Epoch(proud.flux, 4 * proud.weight)
    errors = [compare(e, e).lines["mgii"].now.error for e in (honest, proud)]
    assert errors[1] == pytest.approx(errors[0], rel=0.12)
