"""Absorbers take light away blueward of their lines, as much as they say, and nowhere else."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mock_scenes import make_rng, make_scene

from catalog_schema.constants import LIGHT_SPEED
from pipeline.spectra.mock.families import absorbed
from pipeline.spectra.mock.instrument import WAVE

HIGH, LOW = make_scene(2.6), make_scene(0.5)


def passed(change, scene, **values) -> np.ndarray:
    """Share of light that is left where there was any, and 1 elsewhere."""
    changed, _ = change(scene, make_rng(), **values)
    return np.divide(changed.passed, scene.passed, out=np.ones(WAVE.size), where=scene.passed > 0)


def find_outflow(share: np.ndarray, rest: np.ndarray, line: float) -> float:
    """Mean speed towards us of what is absorbed within 12,000 km/s of a line."""
    speed = (1 - rest / line) * LIGHT_SPEED
    near = np.abs(speed) < 12_000
    return float(np.average(speed[near], weights=1 - share[near] + 1e-12))


BAL = {"speed": 6000.0, "width": 2500.0, "covering": 0.7, "silicon": 0.0}
FELOBAL = {"speed": 3000.0, "width": 1500.0, "covering": 0.8, "depth": 3.0, "ebv": 0.0}
BALMER = {"speed": 2000.0, "width": 1500.0, "covering": 0.6, "depth": 4.0}


def test_a_trough_lies_to_the_blue_of_civ_and_leaves_what_it_does_not_cover() -> None:
    share, rest = passed(absorbed.bal, HIGH, **BAL), HIGH.rest
    near = np.abs((1 - rest / 1549.06) * LIGHT_SPEED - 6000) < 4000
    assert share[near].min() == pytest.approx(0.3, abs=0.04)
    assert (share[rest > 1552] == 1).all()
    assert (share >= 0.3 - 1e-9).all()
    assert (share <= 1).all()
    # Two lines of one doublet, neither SiIV nor NV between them.
    between = (rest > 1290) & (rest < 1360)
    np.testing.assert_allclose(share[between], 1, atol=1e-3)


@settings(max_examples=25, deadline=None)
@given(speed=st.floats(1500, 9000))
def test_a_faster_outflow_absorbs_farther_to_the_blue(speed: float) -> None:
    slow = passed(absorbed.bal, HIGH, **{**BAL, "speed": speed, "covering": 0.5})
    fast = passed(absorbed.bal, HIGH, **{**BAL, "speed": speed + 1500, "covering": 0.5})
    red = HIGH.rest > 1400
    places = [np.average(HIGH.rest[red], weights=1 - s[red] + 1e-12) for s in (slow, fast)]
    assert places[1] < places[0] - 4
    _, wave = absorbed.bal(HIGH, make_rng(), **{**BAL, "speed": speed})
    assert wave == pytest.approx(1549.06 * (1 - speed / LIGHT_SPEED))


def test_silicon_absorbs_only_if_there_is_some() -> None:
    near = (HIGH.rest > 1340) & (HIGH.rest < 1380)
    without = passed(absorbed.bal, HIGH, **BAL)[near]
    with_it = passed(absorbed.bal, HIGH, **{**BAL, "silicon": 1.0})[near]
    assert with_it.min() < 0.5 < without.min()


def test_iron_and_magnesium_absorb_together() -> None:
    scene = make_scene(1.0)
    share, rest = passed(absorbed.felobal, scene, **FELOBAL), scene.rest
    for line in (2799.5, 2600.17, 2382.77):
        at = line * (1 - 3000 / LIGHT_SPEED)
        assert share[np.argmin(np.abs(rest - at))] < 0.35, line
    clear = (rest > 2900) | ((rest > 2450) & (rest < 2480))
    np.testing.assert_allclose(share[clear], 1, atol=0.02)
    dusty = passed(absorbed.felobal, scene, **{**FELOBAL, "ebv": 0.1})
    assert (dusty[rest > 2900] < 0.95).all()


@settings(max_examples=20, deadline=None)
@given(speed=st.floats(-300, 2950))
def test_a_damped_absorber_moves_to_the_blue_with_its_speed(speed: float) -> None:
    scene = make_scene(2.6)
    share = passed(absorbed.dla_proximate, scene, speed=speed, log_column=21.0)
    black = (share < 1e-3) & (scene.rest > 1150)
    centre = float(scene.rest[black].mean())
    assert (1 - centre / 1215.67) * LIGHT_SPEED == pytest.approx(speed, abs=80)
    _, wave = absorbed.dla_proximate(scene, make_rng(), speed=speed, log_column=21.0)
    assert wave == pytest.approx(centre, abs=0.4)


def test_a_damped_absorber_is_wider_with_its_column() -> None:
    widths = [
        (passed(absorbed.dla_proximate, HIGH, speed=500.0, log_column=column) < 0.5).sum()
        for column in (20.4, 21.0, 21.6)
    ]
    # The damping wings grow as the square root of the column.
    assert widths[1] / widths[0] == pytest.approx(2.0, rel=0.25)
    assert widths[2] / widths[1] == pytest.approx(2.0, rel=0.25)


def test_dust_dims_the_blue_more_and_spares_the_host() -> None:
    scene = make_scene(1.0)
    changed, wave = absorbed.strongly_reddened(scene, make_rng(), ebv=0.3)
    share = changed.parts["continuum"] / scene.parts["continuum"]
    assert (np.diff(share) > 0).all()
    np.testing.assert_array_equal(changed.parts["host"], scene.parts["host"])
    assert np.isnan(wave)
    at_v = np.argmin(np.abs(scene.rest - 4350)), np.argmin(np.abs(scene.rest - 3000))
    colour = 2.5 * np.log10(share[at_v[0]] / share[at_v[1]])
    # Of the SMC's curve (Pei 1992): A(3000) - A(B) is 1.5 to 2.5 times E(B-V).
    assert 1.2 * 0.3 < colour < 2.6 * 0.3


def test_balmer_lines_and_helium_absorb_by_their_strengths() -> None:
    share, rest = passed(absorbed.balmer_absorption, LOW, **BALMER), LOW.rest
    depth = {
        line: 1 - share[np.argmin(np.abs(rest - line * (1 - 2000 / LIGHT_SPEED)))]
        for line in (4862.68, 4341.68, 4102.89, 3889.75)
    }
    assert depth[4862.68] > depth[4341.68] > depth[4102.89] > 0.02
    assert depth[3889.75] == pytest.approx(0.6, abs=0.03)
    assert find_outflow(share, rest, 4862.68) > 1000
    clear = (rest > 5050) & (rest < 6200)
    np.testing.assert_allclose(share[clear], 1, atol=1e-3)


def test_published_distributions_are_drawn() -> None:
    shares = np.linspace(0, 1, 10_001)
    ebv = absorbed.REDDENED["ebv"].quantile(shares)
    # The tail of a Lorentzian (Hopkins et al. 2004): half as many above twice the limit.
    assert (ebv > 0.32).mean() == pytest.approx(0.44, abs=0.03)
    columns = absorbed.DLA["log_column"].quantile(shares)
    # 10 to 12 % above the break at 21.27 (Noterdaeme et al. 2009).
    assert 0.05 < (columns > 21.27).mean() < 0.15
    counts, _ = np.histogram(columns, [20.4, 20.5, 21.1, 21.2])
    assert np.log10(counts[0] / counts[2]) == pytest.approx(0.6 * 0.7, abs=0.05)
    width = absorbed.BAL["width"].quantile(shares)
    assert np.median(width) == pytest.approx(3500, rel=0.05)
    assert absorbed.FELOBAL["ebv"].quantile(shares).mean() == pytest.approx(0.077, rel=0.1)
