"""Planted phenomena: each changes what it should, only where there are pixels, and can repeat."""

import numpy as np
import pytest
from quasar_windows import make_host

from pipeline.spectra.science import faults, phenomena
from pipeline.spectra.science.phenomena import PHENOMENA

RANGES = phenomena.RANGES | faults.RANGES


def draw(kind: str, z: float = 1.8, seed: int = 0) -> np.ndarray | None:
    return PHENOMENA[kind](make_host(z), np.random.default_rng(seed))


@pytest.mark.parametrize("kind", PHENOMENA)
@pytest.mark.parametrize("z", [0.1, 0.7, 1.8, 2.8, 5.0])
def test_every_kind_changes_a_spectrum_or_declines(kind: str, z: float) -> None:
    added = draw(kind, z)
    if added is not None:
        assert added.shape == make_host(z).rest.shape
        assert np.isfinite(added).all()
        assert np.abs(added).max() > 0
        np.testing.assert_array_equal(added, draw(kind, z))


@pytest.mark.parametrize("kind", ["bal", "felobal", "dla"])
def test_absorbers_leave_some_light(kind: str) -> None:
    for seed in range(8):
        added = draw(kind, 2.4, seed)
        if added is not None:
            assert (added <= 1e-12).all()
            assert (make_host(2.4).model + added >= -1e-9).all()


def test_what_cannot_be_seen_is_not_planted() -> None:
    assert draw("dla", 0.7) is None
    assert draw("bal", 0.7) is None
    assert draw("changing_look", 2.8) is None
    assert draw("galaxy_blend", 0.1) is None
    assert draw("supernova", 1.8) is None
    assert draw("emission", 1.8) is None


@pytest.mark.parametrize("speed", [-1200.0, 0.0, 4000.0])
def test_a_damped_absorber_lies_to_the_blue_by_its_speed(speed, monkeypatch) -> None:
    monkeypatch.setitem(
        phenomena.RANGES, "dla", {"speed": (speed, speed), "log_column": (20.8, 20.8)}
    )
    host = make_host(2.6)
    added = PHENOMENA["dla"](host, np.random.default_rng(0))
    black = host.rest[(added < -0.99 * host.model) & (host.model > 0)]
    assert (1 - black.mean() / 1215.67) * 299_792.458 == pytest.approx(speed, abs=150)


@pytest.mark.parametrize("kind", RANGES)
def test_every_range_is_drawn_from(kind, monkeypatch) -> None:
    """A range that is moved moves what is planted."""
    z = {"dla": 2.6, "changing_look": 0.4, "supernova": 0.2, "emission": 0.2}.get(kind, 1.8)
    of_kind = phenomena.RANGES if kind in phenomena.RANGES else faults.RANGES
    for name, (low, high) in RANGES[kind].items():
        before = [draw(kind, z, seed) for seed in range(12)]
        shifted = {**RANGES[kind], name: (low + 0.4 * (high - low), low + 0.5 * (high - low))}
        with monkeypatch.context() as patch:
            patch.setitem(of_kind, kind, shifted)
            after = [draw(kind, z, seed) for seed in range(12)]
        # Not every one has all that its kind may have.
        assert any(
            not np.array_equal(one, other) for one, other in zip(before, after, strict=True)
        ), name


def test_an_absorber_anywhere_on_the_line_of_sight_is_planted_where_it_is_seen() -> None:
    """At high redshift the forest is seen and most are; at low redshift none is."""
    seen = [sum(draw("dla", z, seed) is not None for seed in range(40)) for z in (1.6, 2.2, 3.0)]
    assert seen[0] == 0
    assert 0 < seen[1] < seen[2] == 40


def test_some_hot_stars_have_lines_in_emission_and_no_cool_one_has(monkeypatch) -> None:
    host = make_host(1.8)
    halpha = np.abs(host.observed - 6564.6) < 10
    beside = np.abs(np.abs(host.observed - 6564.6) - 150) < 20
    ratios = {}
    for temperature in (4000.0, 20_000.0):
        of_star = phenomena.RANGES["star"] | {"temperature": (temperature, temperature)}
        monkeypatch.setitem(phenomena.RANGES, "star", of_star)
        lights = [host.model + draw("star", seed=seed) for seed in range(30)]
        ratios[temperature] = np.array([x[halpha].max() / np.median(x[beside]) for x in lights])
    assert (ratios[4000.0] < 1.05).all()
    assert 5 <= (ratios[20_000.0] > 1.1).sum() <= 20
