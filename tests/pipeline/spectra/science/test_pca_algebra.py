"""What the components are made of: solved and weighed as by plain dense algebra, pixel by pixel."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pipeline.spectra.science.pca import (
    LinearBasis,
    _make_normal,
    _multiply_pairs,
    _solve,
    _weigh_down,
    _whiten,
    fit_basis,
    infer_coefficients,
    rebin,
)

SIZE, WINDOW, RANK = 96, 64, 3
SEEDS = st.integers(0, 99)


def make_basis(seed: int = 0) -> LinearBasis:
    g = torch.Generator().manual_seed(seed)
    return LinearBasis(2 + torch.rand(SIZE, generator=g), torch.randn(RANK, SIZE, generator=g))


def make_spectra(
    basis: LinearBasis, n: int = 12, noise: float = 0.1, seed: int = 1
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(seed)
    start = 16 * torch.randint(0, (SIZE - WINDOW) // 16 + 1, (n,), generator=g)
    light = basis.mean + torch.randn(n, RANK, generator=g) @ basis.components
    flux = light.gather(1, start[:, None] + torch.arange(WINDOW))
    weight = torch.full((n, WINDOW), noise**-2)
    weight[torch.rand(n, WINDOW, generator=g) < 0.2] = 0
    return flux + noise * torch.randn(n, WINDOW, generator=g), weight, start


@given(seed=SEEDS, ridge=st.sampled_from([0.5, 3.0]))
def test_every_row_is_solved_as_alone(seed: int, ridge: float) -> None:
    rng = np.random.default_rng(seed)
    target, design = rng.normal(size=(5, 9)), rng.normal(size=(9, RANK))
    weight = rng.gamma(1, 1, (5, 9)) * (rng.random((5, 9)) < 0.7)
    found = _solve(*(torch.from_numpy(a) for a in (target, weight, design)), ridge).numpy()
    for row in range(5):
        # A ridge is as many more equations x = 0.
        root = np.sqrt(np.r_[weight[row], np.full(RANK, ridge)])
        stacked = np.vstack([design, np.eye(RANK)]) * root[:, None]
        wanted = np.linalg.lstsq(stacked, np.r_[target[row], np.zeros(RANK)] * root, rcond=None)[0]
        np.testing.assert_allclose(found[row], wanted, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("k", [1, 2, 5])
def test_normal_matrices_are_whole_and_symmetric(k: int) -> None:
    rng = np.random.default_rng(k)
    design, weight = rng.normal(size=(7, k)), rng.gamma(1, 1, (4, 7))
    products = _multiply_pairs(torch.from_numpy(design.T.copy()))
    found = _make_normal(torch.from_numpy(weight), products, k, 2.0).numpy()
    for row in range(4):
        expected = design.T @ np.diag(weight[row]) @ design + 2 * np.eye(k)
        np.testing.assert_allclose(found[row], expected)


@given(seed=SEEDS)
def test_whitening_turns_coefficients_and_changes_no_spectrum(seed: int) -> None:
    g = torch.Generator().manual_seed(seed)
    mixed = (
        torch.randn(40, RANK, generator=g).double() @ torch.randn(RANK, RANK, generator=g).double()
    )
    components = torch.randn(RANK, 20, generator=g).double()
    coefficients, turned = _whiten(mixed + 3, components)
    centred = (mixed - mixed.mean(0)) @ components
    torch.testing.assert_close(coefficients @ turned, centred, rtol=1e-6, atol=1e-8)
    torch.testing.assert_close(coefficients.T.cov(), torch.eye(RANK).double(), rtol=0, atol=1e-8)
    norms = turned.norm(dim=1)
    assert (norms.diff() <= 1e-9).all()
    torch.testing.assert_close(
        turned @ turned.T, torch.diag(norms**2), rtol=0, atol=1e-6 * float(norms[0] ** 2)
    )


def find_chi2(basis: LinearBasis, flux, weight, start) -> np.ndarray:
    """Return the reduced chi-squared of each spectrum's best coefficients."""
    mean, _ = infer_coefficients(flux, weight, start, basis)
    chi2 = []
    for row, coefficients in enumerate(mean.numpy()):
        pixels = slice(int(start[row]), int(start[row]) + WINDOW)
        model = basis.mean.numpy()[pixels] + coefficients @ basis.components.numpy()[:, pixels]
        w = weight[row].numpy()
        chi2.append((w * (flux[row].numpy() - model) ** 2).sum() / max((w > 0).sum(), 1))
    return np.array(chi2)


def test_influence_is_halved_at_twice_the_median_misfit() -> None:
    basis = make_basis()
    flux, weight, start = make_spectra(basis, 40)
    flux[::5, 20] += 8
    chi2 = find_chi2(basis, flux, weight, start)
    ratio = chi2 / np.sort(chi2)[(len(chi2) - 1) // 2]
    found = _weigh_down(flux, weight, start, basis)
    assert found.shape == (40, 1)
    np.testing.assert_allclose(found[:, 0], 1 / (1 + (ratio / 2) ** 2), rtol=1e-3)
    hit = (weight[::5, 20] > 0).numpy()
    assert found[::5, 0].numpy()[hit].max() < found[:, 0].median()


@given(seed=SEEDS, factor=st.floats(0.1, 10))
def test_influence_knows_neither_depth_nor_order(seed: int, factor: float) -> None:
    """Weights of all that are wrong by a factor leave the ratio to the median."""
    basis = make_basis()
    flux, weight, start = make_spectra(basis, 15, seed=seed)
    plain = _weigh_down(flux, weight * 1e4, start, basis)
    other = _weigh_down(flux, weight * 1e4 * factor, start, basis)
    torch.testing.assert_close(other, plain, rtol=0.02, atol=1e-3)
    order = torch.randperm(15, generator=torch.Generator().manual_seed(seed))
    moved = _weigh_down(flux[order], weight[order], start[order], basis)
    torch.testing.assert_close(
        moved, _weigh_down(flux, weight, start, basis)[order], rtol=1e-3, atol=1e-4
    )


def test_a_spectrum_is_not_weighed_down_for_what_it_lacks() -> None:
    basis = make_basis()
    flux, weight, start = make_spectra(basis, 30)
    weight[4] = 0
    weight[5, WINDOW // 3 :] = 0
    wild = torch.where(weight > 0, flux, 1e6)
    found = _weigh_down(wild, weight, start, basis)
    torch.testing.assert_close(found, _weigh_down(flux, weight, start, basis))
    assert found[4, 0] == 1
    assert found[5, 0] > 0.4
    assert ((found > 0) & (found <= 1)).all()


@given(seed=SEEDS)
def test_bins_lose_nothing_of_a_basis_that_is_flat_in_them(seed: int) -> None:
    """The posterior of pixels is that of their weighted means."""
    g = torch.Generator().manual_seed(seed)
    coarse = LinearBasis(
        torch.rand(SIZE // 4, generator=g), torch.randn(RANK, SIZE // 4, generator=g)
    )
    fine = LinearBasis(coarse.mean.repeat_interleave(4), coarse.components.repeat_interleave(4, 1))
    flux, weight, start = make_spectra(fine, 6, seed=seed)
    whole = infer_coefficients(flux, weight, start, fine)
    binned = infer_coefficients(*rebin(flux, weight, 4), start // 4, coarse)
    for one, two in zip(whole, binned, strict=True):
        torch.testing.assert_close(one, two, rtol=5e-3, atol=1e-4)


@given(seed=SEEDS)
def test_coefficients_go_with_their_components(seed: int) -> None:
    basis = make_basis()
    flux, weight, start = make_spectra(basis, 6, seed=seed)
    mean, variance = infer_coefficients(flux, weight, start, basis)
    order, sign = torch.tensor([2, 0, 1]), torch.tensor([1.0, -1.0, 1.0])
    turned = LinearBasis(basis.mean, sign[:, None] * basis.components[order])
    other = infer_coefficients(flux, weight, start, turned)
    torch.testing.assert_close(other[0], sign * mean[:, order], rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(other[1], variance[:, order], rtol=1e-3, atol=1e-6)


def test_pixels_in_two_halves_tell_what_they_tell_together() -> None:
    """The posterior of one half is the prior of the other: precisions and what they say add up."""
    basis = make_basis()
    flux, weight, start = (
        part.double() if part.is_floating_point() else part for part in make_spectra(basis, 4)
    )
    basis = LinearBasis(basis.mean.double(), basis.components.double())
    first = torch.where(torch.arange(WINDOW) < 30, weight, 0.0)

    def find_information(some: torch.Tensor, row: int) -> tuple[torch.Tensor, torch.Tensor]:
        pixels = slice(int(start[row]), int(start[row]) + WINDOW)
        design = basis.components[:, pixels].T
        precision = design.T @ (some[row, :, None] * design)
        return precision, design.T @ (some[row] * (flux[row] - basis.mean[pixels]))

    whole = infer_coefficients(flux, weight, start, basis)[0]
    for row in range(4):
        parts = [find_information(some, row) for some in (first, weight - first)]
        precision = torch.eye(RANK).double() + parts[0][0] + parts[1][0]
        expected = torch.linalg.solve(precision, parts[0][1] + parts[1][1])
        torch.testing.assert_close(whole[row], expected)


def fit(flux, weight, start, size: int = 768) -> LinearBasis:
    return fit_basis(flux, weight, start, size, 2, torch.Generator().manual_seed(1))


def test_a_basis_moves_with_its_windows() -> None:
    """All windows sixteen pixels further on a longer grid: the same shapes, as much further."""
    pixels = torch.linspace(0, 1, 768)
    g = torch.Generator().manual_seed(0)
    start = 16 * torch.randint(0, 17, (80,), generator=g)
    light = 1 + torch.randn(80, 1, generator=g) * torch.sin(20 * pixels)
    flux = light.gather(1, start[:, None] + torch.arange(512))
    flux = flux + 0.05 * torch.randn(flux.shape, generator=g)
    weight = torch.full_like(flux, 400.0)
    basis, moved = fit(flux, weight, start), fit(flux, weight, start + 16, 784)
    inner = slice(32, 736)
    torch.testing.assert_close(moved.mean[16:][inner], basis.mean[inner], rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(
        moved.components[0, 16:][inner].abs(), basis.components[0, inner].abs(), rtol=0, atol=5e-3
    )
