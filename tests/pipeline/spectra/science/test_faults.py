"""Planted faults lie where the instrument makes them and are as large as was drawn."""

import numpy as np
import pytest
from quasar_windows import make_host
from scipy.ndimage import label

from catalog_schema.vocabulary import ArtefactKind
from pipeline.spectra.science import faults
from pipeline.spectra.science.faults import FAULTS, RANGES

SEEDS = range(12)


def draw(kind: str, seed: int, z: float = 1.8) -> np.ndarray:
    added = FAULTS[kind](make_host(z), np.random.default_rng(seed))
    assert added is not None
    return added


def test_every_kind_of_artefact_has_a_recipe_and_a_range() -> None:
    assert set(FAULTS) == set(RANGES) == set(ArtefactKind.values())


@pytest.mark.parametrize("kind", ["arm_offset", "excess_noise"])
@pytest.mark.parametrize("seed", SEEDS)
def test_a_fault_of_an_arm_lies_in_one_arm(kind: str, seed: int) -> None:
    host = make_host()
    changed = host.observed[draw(kind, seed) != 0]
    assert any(low <= changed.min() and changed.max() < high for low, high in host.spans)


@pytest.mark.parametrize("seed", SEEDS)
def test_an_arm_is_off_most_at_one_end_and_by_no_more_than_was_drawn(seed: int) -> None:
    host, added = make_host(), draw("arm_offset", seed)
    inside = added != 0
    share = np.abs(added / host.model)[inside]
    assert np.all(np.diff(share) >= -1e-12) or np.all(np.diff(share) <= 1e-12)
    assert RANGES["arm_offset"]["size"][0] <= share.max() <= RANGES["arm_offset"]["size"][1]
    # One sign, that of all of the arm.
    assert len(set(np.sign(added[inside]))) == 1


@pytest.mark.parametrize("kind", ["sky_residual", "excess_noise"])
@pytest.mark.parametrize("seed", SEEDS)
def test_significance_is_within_its_range(kind: str, seed: int) -> None:
    host, added = make_host(), draw(kind, seed)
    low, high = RANGES[kind]["significance"]
    assert low <= np.sqrt((host.weight * added**2).sum()) * (1 + 1e-9)
    assert np.sqrt((host.weight * added**2).sum()) <= high * (1 + 1e-9)


def test_sky_is_left_where_the_sky_is_bright() -> None:
    host = make_host()
    lines = [5577.3, 6300.3, 8430.2, 9376.0]
    sky = sum(np.exp(-0.5 * ((host.observed - line) / 4) ** 2) for line in lines)
    weight = np.where(host.weight > 0, host.weight / (1 + 20 * sky), 0)
    noisy = type(host)(host.rest, host.observed, host.model, weight, host.z, host.spans)
    n_lines, is_bright = [], []
    for seed in range(40):
        added = FAULTS["sky_residual"](noisy, np.random.default_rng(seed))
        assert added is not None
        is_bright.append(sky[np.argmax(np.abs(added))] > 0.05)
        peaks = [np.abs(added[np.abs(host.observed - line) < 8]).max() for line in lines]
        n_lines.append(sum(peak > 0.05 * max(peaks) for peak in peaks))
    assert np.mean(is_bright) > 0.8
    # All of the lines in some, one alone in others.
    assert min(n_lines) == 1
    assert max(n_lines) == len(lines)


@pytest.mark.parametrize("seed", SEEDS)
def test_cosmic_rays_are_a_few_and_narrow(seed: int) -> None:
    host, added = make_host(), draw("cosmic_rays", seed)
    assert (added >= 0).all()
    _, count = label(added > 0)
    assert 1 <= count <= RANGES["cosmic_rays"]["count"][1]
    step = np.gradient(host.observed)
    assert step[added > 0].sum() <= count * (4 * 0.8 + 2 * step.max()) + 1e-9


@pytest.mark.parametrize("seed", SEEDS)
def test_fringes_repeat_and_grow_towards_the_red(seed: int, monkeypatch) -> None:
    monkeypatch.setitem(faults.RANGES, "fringes", RANGES["fringes"] | {"period": (60.0, 60.0)})
    host, added = make_host(), draw("fringes", seed)
    wave = added / host.model
    assert not wave[host.observed < 8000].any()
    red = (host.observed > 8900) & (host.observed < 9800)
    grid = np.arange(8920.0, 9780.0)
    even = np.interp(grid, host.observed[red], wave[red] / ((host.observed[red] - 8000) / 1800))
    np.testing.assert_allclose(even[60:], even[:-60], atol=0.02 * np.abs(even).max())


@pytest.mark.parametrize("kind", ["scattered_light", "flux_calibration"])
def test_broad_faults_are_smooth(kind: str) -> None:
    host = make_host()
    for seed in SEEDS:
        added = draw(kind, seed)
        if kind == "flux_calibration":
            added = added / host.model
        # From one pixel to the next less than a tenth of what there is at all.
        assert np.abs(np.diff(added)).max() < 0.1 * np.ptp(added)
