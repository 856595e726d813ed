"""Planted features: of the strength asked for, where there are pixels, each of its own kind."""

import numpy as np
import pytest

from catalog_schema.desi import SAMPLING
from pipeline.spectra.science.injection import SHAPES, Host, draw_feature

OBSERVED = 10 ** np.linspace(np.log10(3600), np.log10(9800), 4000)
REST = OBSERVED / 2.6


def make_host(seed: int = 0) -> Host:
    rng = np.random.default_rng(seed)
    weight = rng.gamma(3, 1, len(REST))
    weight[rng.random(len(REST)) < 0.1] = 0
    flux = (REST / 2000) ** -1 + rng.standard_normal(len(REST)) / np.sqrt(np.maximum(weight, 0.1))
    flux = np.where(weight > 0, flux, 0.0)
    return Host(REST, OBSERVED, flux, weight, SAMPLING.spans)


def draw(kind: str, strength: float, seed: int = 1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return draw_feature(kind, make_host(), strength, rng)


@pytest.mark.parametrize("kind", SHAPES)
@pytest.mark.parametrize("strength", [1.0, 30.0])
def test_strength_is_the_signal_to_noise_ratio(kind: str, strength: float) -> None:
    weight = make_host().weight
    feature = draw(kind, strength)
    assert np.sqrt((weight * feature.astype(float) ** 2).sum()) == pytest.approx(strength, rel=1e-5)
    assert (feature[weight == 0] == 0).all()


@pytest.mark.parametrize("kind", SHAPES)
def test_draws_repeat_and_differ(kind: str) -> None:
    np.testing.assert_array_equal(draw(kind, 10.0), draw(kind, 10.0))
    drawn = {draw(kind, 10.0, seed).tobytes() for seed in range(12)}
    # Dust and lost lines have one shape only.
    assert len(drawn) == 1 if kind in ("reddening", "lost_lines") else len(drawn) > 1


@pytest.mark.parametrize(
    ("kind", "sign"),
    [
        ("narrow_emission", 1),
        ("narrow_absorption", -1),
        ("broad_emission", 1),
        ("broad_trough", -1),
        ("reddening", -1),
        ("lost_lines", -1),
        ("cool_star", 1),
        ("galaxy", 1),
        ("cosmic_rays", 1),
    ],
)
def test_light_is_added_or_taken(kind: str, sign: int) -> None:
    for seed in range(5):
        assert (sign * draw(kind, 10.0, seed) >= 0).all()


def test_narrow_lines_are_narrow_and_bumps_broad() -> None:
    for seed in range(8):
        narrow, broad = draw("narrow_emission", 10.0, seed), draw("broad_emission", 10.0, seed)
        assert 1 <= np.count_nonzero(narrow > narrow.max() / 2) <= 9
        assert np.count_nonzero(broad > broad.max() / 2) > 30


def test_arm_offset_stays_in_its_arm() -> None:
    for seed in range(8):
        changed = OBSERVED[draw("arm_offset", 10.0, seed) != 0]
        low, high = changed.min(), changed.max()
        assert any(a <= low and high <= b for a, b in ((0, 5780), (5780, 7570), (7570, 1e5)))


def test_feature_without_a_pixel_is_nothing() -> None:
    host = make_host()
    host.weight[OBSERVED > 8000] = 0
    ripples = draw_feature("ripples", host, 9, np.random.default_rng(0))
    assert not ripples.any()
