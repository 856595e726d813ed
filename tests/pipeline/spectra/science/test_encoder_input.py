"""What the encoder looks at: compiled loops give what the operators give."""

import pytest
import torch
from torch import Tensor

from pipeline.spectra.science import encoder_input
from pipeline.spectra.science.encoder_input import bin_residual, make_patches, place

N, WINDOW, PATCH, FACTOR, BINS = 5, 96, 16, 4, 40
FIRST = torch.tensor([0, 2, 3, 1, 2])


def draw_windows() -> tuple[Tensor, Tensor]:
    g = torch.Generator().manual_seed(0)
    flux = 3 * torch.randn(N, WINDOW, generator=g)
    ivar = torch.rand(N, WINDOW, generator=g)
    ivar[:, 20:24] = 0
    ivar[3] = 0
    flux[ivar == 0] = torch.nan
    flux[0, 5] = 0
    return flux, ivar


def make_all() -> list[Tensor]:
    flux, ivar = draw_windows()
    start, mean = FACTOR * FIRST, torch.linspace(-1, 2, BINS)
    return [
        make_patches(flux, ivar, FIRST, PATCH, 12),
        *bin_residual(flux, ivar, start, mean, 0.1, FACTOR),
        place(ivar[:, :, None], FIRST, WINDOW + 8),
    ]


def test_loops_and_operators_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    looped = make_all()
    monkeypatch.setattr(encoder_input, "_is_plain", lambda values: False)
    for found, expected in zip(looped, make_all(), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


def test_what_lies_beside_a_window_and_what_is_missing_is_0() -> None:
    patches, weight, pull, placed = make_all()
    assert not patches[1, :2].any()
    assert not patches[1, 2 + WINDOW // PATCH :].any()
    for each in (patches, weight, pull, placed):
        assert not each[3].any()
        assert each[0].any()
        assert not each.isnan().any()


def test_a_bin_holds_the_softened_weights_of_its_pixels() -> None:
    flux, ivar = draw_windows()
    mean = torch.linspace(-1, 2, BINS)
    weight, pull = bin_residual(flux, ivar, FACTOR * FIRST, mean, 0.1, FACTOR)
    softened = ivar[1, 8:12] / (1 + 0.01 * ivar[1, 8:12])
    torch.testing.assert_close(weight[1, 2 + 2], softened.sum())
    torch.testing.assert_close(pull[1, 2 + 2], (softened * (flux[1, 8:12] - mean[4])).sum())
