"""Troughs, their indices and damped absorbers: planted ones are measured, ordinary light is not."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from quasar_windows import make_residuals, measure

from catalog_schema.constants import LIGHT_SPEED
from pipeline.science.measured import Measured
from pipeline.spectra.science.absorption import (
    damp,
    measure_damped,
    measure_indices,
    measure_troughs,
)


def trough(line: float, speed: float, width: float, depth: float):
    def change(rest, observed, model):
        velocity = (1 - rest / line) * LIGHT_SPEED
        return -model * depth * np.exp(-(((velocity - speed) / width) ** 8))

    return change


def dig(line: float, first: float, last: float, depth: float):
    """Take a share of the light between two speeds (km/s) of outflow from a line (Å) away."""

    def change(rest, observed, model):
        speed = -np.log(rest / line) * LIGHT_SPEED
        return -depth * model * ((speed >= first) & (speed < last))

    return change


SPEEDS = st.floats(3600, 14_000)


def see(found: dict[str, Measured], name: str) -> tuple[float, float, float]:
    """Return value, significance and wavelength of the first spectrum."""
    value, error, wave = (column[0] for column in found[name])
    return value, value / error, wave


# Redshifts at which the first line of a family is the only one that is seen, and this line.
ALONE = {"hibal": (1.55, 1549.06), "lobal": (0.55, 2798.9)}


@settings(max_examples=12)
@given(
    family=st.sampled_from(list(ALONE)),
    speed=st.floats(4500, 15_000),
    width=st.sampled_from([1500.0, 3500.0, 7000.0]),
    depth=st.floats(0.1, 1),
)
def test_depth_and_speed_of_one_trough_are_those_planted(
    family: str, speed: float, width: float, depth: float
) -> None:
    z, line = ALONE[family]
    half = width / 2
    spectra = make_residuals(z, dig(line, speed - half, speed + half, depth), noisy=False)
    found = measure_troughs(spectra)
    value, significance, wave = see(found, family)
    assert value == pytest.approx(depth, rel=0.02)
    assert found[f"{family}_speed"].value[0] == pytest.approx(speed, abs=160)
    assert wave == pytest.approx(line * np.exp(-speed / LIGHT_SPEED), rel=4e-4)
    # Depth over its error is the root of the light, in units of the noise, that is gone.
    rest = spectra.observed_wave[0] / (1 + z)
    inside = np.abs(-np.log(rest / line) * LIGHT_SPEED - speed) < half
    power = (spectra.weight[0] * spectra.model[0] ** 2)[inside].sum()
    assert significance == pytest.approx(depth * np.sqrt(power), rel=0.03)


@pytest.mark.parametrize(
    ("z", "line", "share"),
    [(5.6, 1398.0, 0.5), (6.2, 1240.1, 0.8)],
    ids=["SiIV", "NV"],
)
def test_shares_of_the_lines_of_a_family(z: float, line: float, share: float) -> None:
    """A trough in one line alone is told by how many lines see it, each by its share."""
    waves = np.array([1549.06, 1398.0, 1240.1, 1215.67])
    shares = np.array([1.0, 0.5, 0.8, 0.4])
    spectra = make_residuals(z, dig(line, 5000, 8500, share), noisy=False)
    rest = spectra.grid.wave[spectra.start[0] + np.arange(spectra.flux.shape[1])]
    power = []
    for wave in waves:
        inside = np.abs(-np.log(rest / wave) * LIGHT_SPEED - 6750) < 1750
        power.append((spectra.weight[0] * spectra.model[0] ** 2)[inside].sum())
    seen = shares**2 * power
    value, _, wave = see(measure_troughs(spectra), "hibal")
    k = int(np.flatnonzero(waves == line)[0])
    assert value == pytest.approx(seen[k] / seen.sum(), rel=0.12)
    assert wave == pytest.approx(1549.06 * np.exp(-6750 / LIGHT_SPEED), rel=2e-3)


@settings(max_examples=12)
@given(first=SPEEDS, width=st.floats(2600, 9000), depth=st.floats(0.25, 1))
def test_index_counts_what_lies_beyond_the_narrowest_trough(
    first: float, width: float, depth: float
) -> None:
    spectra = make_residuals(1.8, dig(1549.06, first, first + width, depth), noisy=False)
    found = measure_indices(spectra)
    lack = 1 - (1 - depth) / 0.9
    # Smoothing over 7 pixels widens and softens both ends by up to 3 pixels of 69 km/s.
    assert found["bi_civ"].value[0] == pytest.approx(lack * (width - 2000), abs=420)
    assert found["ai_civ"].value[0] == pytest.approx(lack * (width - 450), abs=420)
    assert found["ai_civ"].value[0] - found["bi_civ"].value[0] == pytest.approx(
        lack * 1550, rel=0.06
    )
    speed = -np.log(found["bi_civ"].wave[0] / 1549.06) * LIGHT_SPEED
    assert first + 1700 <= speed <= first + width + 210


@settings(max_examples=12)
@given(first=st.floats(1000, 9000), width=st.floats(1500, 6000))
def test_index_of_mgii_begins_at_a_thousand(first: float, width: float) -> None:
    spectra = make_residuals(1.0, dig(2799.1, first, first + width, 0.8), noisy=False)
    lack = 1 - 0.2 / 0.9
    assert measure_indices(spectra)["bi_mgii"].value[0] == pytest.approx(
        lack * (width - 1000), abs=420
    )


@pytest.mark.parametrize(
    ("first", "last", "depth", "shows"),
    [
        (5000, 6500, 0.9, "ai_civ"),
        (5000, 8000, 0.05, ""),
        (500, 2900, 0.9, "ai_civ"),
        (26_000, 29_000, 0.9, ""),
        (5000, 5069, 0.9, ""),
    ],
    ids=["narrow", "shallow", "slow", "fast", "very narrow"],
)
def test_what_is_no_broad_trough_has_no_balnicity(
    first: float, last: float, depth: float, shows: str
) -> None:
    found = measure_indices(make_residuals(1.8, dig(1549.06, first, last, depth), noisy=False))
    assert [name for name in ("bi_civ", "ai_civ") if found[name].value[0] > 0] == [shows] * bool(
        shows
    )


def test_two_troughs_each_begin_anew() -> None:
    def two(rest, observed, model):
        return sum(dig(1549.06, v, v + 3000, 0.9)(rest, observed, model) for v in (5000, 11_000))

    value = measure_indices(make_residuals(1.8, two, noisy=False))["bi_civ"].value[0]
    assert value == pytest.approx(2 * 1000 * (1 - 0.1 / 0.9), abs=800)


def test_half_a_line_unseen_is_no_index() -> None:
    # Of 0 to 25,000 km/s from CIV 46 per cent are seen at the first redshift, 62 at the other.
    assert np.isnan(measure_indices(make_residuals(1.415, noisy=False))["ai_civ"].value[0])
    assert measure_indices(make_residuals(1.45, noisy=False))["ai_civ"].value[0] == 0


@settings(max_examples=12)
@given(
    step=st.integers(0, 120),
    column=st.sampled_from([20.3, 20.7, 21.1, 21.5]),
    depth=st.floats(0.3, 1),
)
def test_damped_absorber_is_found_with_its_column_and_place(
    step: int, column: float, depth: float
) -> None:
    """At the quasar as well as far in front of it."""
    speed = -1500 + 300 * step

    def change(rest, observed, model):
        velocity = (rest / 1215.67 - 1) * LIGHT_SPEED
        return -depth * model * (1 - np.exp(-damp(velocity + speed, 10**column)))

    spectra = make_residuals(2.9, change, noisy=False)
    found = measure_damped(spectra)
    value, significance, wave = see(found, "dla")
    assert value == pytest.approx(depth, rel=0.03)
    assert found["dla_column"].value[0] == pytest.approx(column)
    assert (1 - wave / 1215.67) * LIGHT_SPEED == pytest.approx(speed, abs=60)
    # χ² falls by the square of the significance.
    chi2 = (spectra.weight * spectra.residual**2).sum()
    assert significance == pytest.approx(np.sqrt(chi2), rel=0.03)


def test_a_damped_line_is_sought_only_where_its_core_is_seen() -> None:
    """At this redshift the forest begins at 1189 Å: what lies bluer is not sought."""

    def change(rest, observed, model):
        velocity = (rest / 1215.67 - 1) * LIGHT_SPEED
        return -model * (1 - np.exp(-damp(velocity + 20_000, 10**20.3)))

    spectra = make_residuals(2.03, change, noisy=False)
    assert abs(see(measure_damped(spectra), "dla")[1]) < 3
    found = measure_damped(make_residuals(1.9, noisy=False))
    assert np.isnan(found["dla"].value[0])
    assert np.isnan(found["dla_column"].value[0])


def test_error_of_an_index_is_that_of_its_pixels_alone() -> None:
    """The noise of each pixel that counts, over 0.9: smoothing makes no information."""
    sigma, depth = 0.05, 0.8
    spectra = make_residuals(1.8, dig(1549.06, 5000, 13_000, depth), sigma=sigma, noisy=False)
    found = measure_indices(spectra)["bi_civ"]
    speed = -np.log(spectra.observed_wave[0] / 2.8 / 1549.06) * LIGHT_SPEED
    counted = (speed > 7000) & (speed < 13_000)
    each = spectra.pixel_velocity * sigma / spectra.model[0] / 0.9
    assert found.error[0] == pytest.approx(np.sqrt((each[counted] ** 2).sum()), rel=0.04)


@pytest.mark.parametrize("column", [19.5, 20.3, 21.0])
def test_equivalent_width_of_a_damped_line_is_the_published_one(column: float) -> None:
    """10 Å for 2 × 10²⁰ cm⁻², growing as the root of the column (Wolfe et al. 1986)."""
    wave = np.linspace(1115, 1315, 200_001)
    depth = 1 - np.exp(-damp((wave / 1215.67 - 1) * LIGHT_SPEED, 10**column))
    width = depth.sum() * (wave[1] - wave[0])
    assert width == pytest.approx(10 * np.sqrt(10**column / 2e20), rel=0.08)


def test_trough_gives_balnicity() -> None:
    found = measure(make_residuals(2.3, trough(1549.06, 10_000, 4000, 0.8)))
    # 8000 km/s of a trough 1 − 0.2/0.9 deep, of which the first 2000 km/s do not count.
    assert found["bi_civ"][0] == pytest.approx(6000 * (1 - 0.2 / 0.9), rel=0.2)
    assert found["bi_civ"][1] > 10
    assert found["hibal"][1] > 20
    assert found["hibal_speed"][0] == pytest.approx(10_000, abs=2500)
    assert found["ai_civ"][0] > found["bi_civ"][0]
    assert abs(found["lobal"][1]) < 6


def test_trough_beside_the_line_is_no_balnicity() -> None:
    found = measure(make_residuals(2.3, trough(1549.06, 1200, 800, 0.9)))
    assert found["bi_civ"][0] == 0
    assert found["ai_civ"][0] > 500


def test_low_ionisation_trough() -> None:
    found = measure(make_residuals(1.0, trough(2799.1, 6000, 2500, 0.7)))
    assert found["lobal"][1] > 20
    assert found["lobal_speed"][0] == pytest.approx(6000, abs=2000)
    assert found["bi_mgii"][0] > 1000


def test_damped_absorber() -> None:
    def change(rest, observed, model):
        return -model * (1 - np.exp(-damp((1 - rest / 1215.67) * LIGHT_SPEED, 10**21.1)))

    found = measure(make_residuals(2.8, change))
    assert found["dla"][0] == pytest.approx(1, abs=0.1)
    assert found["dla_column"][0] == pytest.approx(21.1)
    assert np.isnan(measure(make_residuals(1.0))["dla"][0])
