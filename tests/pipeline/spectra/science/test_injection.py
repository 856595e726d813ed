"""Planted features: of the strength asked for, where there are pixels, each of its own kind."""

from dataclasses import replace

import numpy as np
import pytest

from catalog_schema.desi import SAMPLING
from catalog_schema.lines import STRONG, waves
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


def draw_of(kind: str, host: Host, strength: float = 10.0, seed: int = 1) -> np.ndarray:
    return draw_feature(kind, host, strength, np.random.default_rng(seed)).astype(float)


@pytest.mark.parametrize("kind", SHAPES)
@pytest.mark.parametrize("seed", range(3))
def test_a_feature_goes_with_strength_and_with_the_unit_of_its_host(kind: str, seed: int) -> None:
    host = make_host()
    feature = draw_of(kind, host, 10.0, seed)
    np.testing.assert_allclose(draw_of(kind, host, 30.0, seed), 3 * feature, rtol=1e-5, atol=1e-12)
    brighter = replace(host, flux=4 * host.flux, weight=host.weight / 16)
    np.testing.assert_allclose(
        draw_of(kind, brighter, 10.0, seed), 4 * feature, rtol=1e-4, atol=1e-12
    )
    # The same flux seen with less noise: the feature is as many times smaller.
    if kind != "sky_residual":
        deeper = replace(host, weight=host.weight * 100)
        np.testing.assert_allclose(
            draw_of(kind, deeper, 10.0, seed), feature / 10, rtol=1e-4, atol=1e-12
        )


@pytest.mark.parametrize("kind", SHAPES)
def test_flux_of_a_lost_pixel_is_not_looked_at(kind: str) -> None:
    host = make_host()
    wild = replace(host, flux=np.where(host.weight > 0, host.flux, 1e6))
    np.testing.assert_array_equal(draw_of(kind, wild), draw_of(kind, host))


def test_the_continuum_of_a_host_is_the_weighted_mean_of_a_hundred_and_one() -> None:
    host = make_host()
    feature = draw_of("reddening", host)
    for pixel in np.flatnonzero(host.weight > 0)[200:-200:97]:
        near = slice(pixel - 50, pixel + 51)
        level = np.average(host.flux[near], weights=host.weight[near])
        shape = -level * (1e4 / host.rest[pixel]) ** 1.2
        other = feature[pixel] / shape
        assert other == pytest.approx(feature[1000] / _redden(host, 1000), rel=1e-4)


def _redden(host: Host, pixel: int) -> float:
    near = slice(pixel - 50, pixel + 51)
    level = np.average(host.flux[near], weights=host.weight[near])
    return float(-level * (1e4 / host.rest[pixel]) ** 1.2)


def test_a_host_of_noise_below_zero_is_not_brightened_by_dust() -> None:
    host = make_host()
    dark = replace(host, flux=-np.abs(host.flux))
    for kind in ("reddening", "broad_trough", "arm_offset"):
        assert not draw_of(kind, dark).any()


def test_sky_follows_the_variance_up_to_its_highest_hundredth() -> None:
    host = make_host()
    good = host.weight > 0
    feature = np.abs(draw_of("sky_residual", host))[good]
    variance = 1 / host.weight[good]
    is_capped = variance > np.quantile(variance, 0.99)
    ratio = feature / variance
    np.testing.assert_allclose(ratio[~is_capped], ratio[~is_capped][0], rtol=1e-4)
    np.testing.assert_allclose(feature[is_capped], feature.max(), rtol=1e-5)
    assert 0 < is_capped.sum() <= 0.011 * good.sum()


@pytest.mark.parametrize("seed", range(6))
def test_a_trough_lies_to_the_blue_of_a_line_that_is_seen(seed: int) -> None:
    host = make_host()
    feature = draw_of("broad_trough", host, seed=seed) / -np.maximum(host.flux, 0.05)
    deepest = host.rest[np.argmax(feature)]
    speeds = [1 - deepest / line for line in waves(*STRONG, "halpha")]
    assert any(0.0 < speed < 0.085 for speed in speeds)


def test_lost_lines_are_dimmed_alike_at_their_places() -> None:
    host = make_host()
    feature = draw_of("lost_lines", host)
    seen = [line for line in waves(*STRONG) if host.rest[0] < line < host.rest[-1]]
    depths = [feature[np.abs(host.rest / line - 1) < 0.002].min() for line in seen]
    np.testing.assert_allclose(depths, depths[0], rtol=0.1)
    far = np.min([np.abs(host.rest / line - 1) for line in waves(*STRONG, "halpha")], axis=0)
    assert np.abs(feature[far > 0.08]).max() < 1e-3 * abs(depths[0])


@pytest.mark.parametrize("seed", range(6))
def test_cosmic_rays_hit_few_pixels_and_fringes_the_red_alone(seed: int) -> None:
    host = make_host()
    assert 1 <= np.count_nonzero(draw_of("cosmic_rays", host, seed=seed)) <= 9
    ripples = draw_of("ripples", host, seed=seed)
    assert not ripples[host.observed <= 8000].any()
    strong = [
        np.abs(ripples[(low < host.observed) & (low + 300 > host.observed)]).max()
        for low in (8100, 8800, 9450)
    ]
    assert strong[0] < strong[1] < strong[2]
