"""Ripples: a wave of any period and phase in one arm is seen there and nowhere else."""

import numpy as np
import pytest
import torch

from catalog_schema.desi import SAMPLING
from catalog_schema.grids import Arm, Sampling
from pipeline.spectra.science.ripples import Ripples

STEP, SIZE = 1e-4, 4368
LOW, HIGH = SAMPLING.grid.ends
WAVE = LOW * 10 ** (STEP * np.arange(SIZE))
MODEL = torch.from_numpy((WAVE / 6000) ** -1.0).float().expand(30, -1)


def measure(residual: np.ndarray, weight: torch.Tensor | None = None) -> dict[str, np.ndarray]:
    values = torch.from_numpy(residual).float()
    weight = torch.ones_like(values) if weight is None else weight
    found = Ripples(SAMPLING, STEP, SIZE).measure(values, weight, MODEL)
    return {name: each.numpy() for name, each in found.items()}


def draw_noise(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(30, SIZE))


@pytest.mark.parametrize("arm", "brz")
@pytest.mark.parametrize("period", [14.0, 33.0, 90.0])
def test_a_ripple_shows_in_its_arm_whatever_its_phase(arm: str, period: float) -> None:
    low, high = SAMPLING.spans[arm]
    inside = (low <= WAVE) & (high > WAVE)
    phase = np.random.default_rng(1).uniform(0, 2 * np.pi, (30, 1))
    wave = np.sin(2 * np.pi * WAVE / period + phase) * inside * MODEL.numpy()
    plain, found = measure(draw_noise()), measure(draw_noise() + 0.5 * wave)
    for name, values in found.items():
        if name.endswith(arm):
            assert np.median(values) > plain[name].max() + 2
        else:
            np.testing.assert_allclose(values, plain[name], rtol=1e-3)


def test_noise_scatters_as_two_free_amplitudes_of_many_periods() -> None:
    for values in measure(draw_noise(2)).values():
        # The largest of some dozens of independent Rayleigh deviates.
        assert 1.5 < np.median(values) < 4


def test_an_arm_without_pixels_or_that_no_survey_has_is_unknown() -> None:
    weight = torch.from_numpy(np.broadcast_to(WAVE < 5000, (30, SIZE)).astype(np.float32))
    found = measure(draw_noise(), weight)
    assert np.isfinite(found["ripple_b"]).all()
    assert np.isnan(found["ripple_z"]).all()
    one = Sampling(SAMPLING.grid, (Arm("r", 0, SAMPLING.grid.size),))
    values = torch.from_numpy(draw_noise()).float()
    alone = Ripples(one, STEP, SIZE).measure(values, torch.ones_like(values), MODEL)
    assert torch.isfinite(alone["ripple_r"]).all()
    assert torch.isnan(alone["ripple_b"]).all()


# Periods that are tried: between two of them up to a sixth of the amplitude is lost.
PERIODS = 1 / np.linspace(1 / 120, 1 / 12, 240)


@pytest.mark.parametrize(("arm", "period"), [("b", PERIODS[80]), ("z", PERIODS[40])])
def test_a_ripple_is_recovered_with_its_period_within_its_error(arm: str, period: float) -> None:
    n, amplitude, z = 300, 0.3, np.full(300, 1.5)
    low, high = SAMPLING.spans[arm]
    inside, model = (low <= WAVE) & (high > WAVE), MODEL[:1].expand(n, -1)
    rng = np.random.default_rng(3)
    phase = rng.uniform(0, 2 * np.pi, (n, 1))
    wave = amplitude * np.sin(2 * np.pi * WAVE / period + phase) * inside * model.numpy()
    residual = torch.from_numpy(rng.normal(size=(n, SIZE)) + wave).float()
    given = (residual, torch.ones_like(residual), model)
    tool = Ripples(SAMPLING, STEP, SIZE)
    finds, scores = tool.locate(*given, torch.from_numpy(z)), tool.measure(*given)
    name = f"ripple_{arm}"
    found = finds[name]
    np.testing.assert_allclose(found.value / found.error, scores[name].numpy(), rtol=1e-4)
    assert np.median(np.abs(found.period / period - 1)) < 0.02
    off = np.abs(found.value - amplitude) / found.error
    assert 0.55 < np.mean(off < 1) < 0.8
    assert np.mean(off < 2) > 0.9
    observed = found.wave * 2.5
    assert ((low < observed) & (observed < high)).all()
    assert found.name[0] == f"ripple of period {found.period[0]:.1f} Å in arm {arm}"
    dark = tool.locate(residual, 0 * given[1], model, torch.from_numpy(z))[name]
    assert np.isnan(np.stack(dark[:-1])).all()
