"""Score tests: equal to the definition in dense algebra, the best of a bank counts."""

import numpy as np
import pytest
import torch

from pipeline.spectra.science.score_tests import (
    LEAST_LEFT,
    find_best_templates,
    join_banks,
    measure_response,
    scan_bank,
    score_templates,
)

N, GRID, BINS, RANK = 6, 60, 40, 5
FIRST = np.array([0, 3, 20, 7, 11, 2])


def draw(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


COMPONENTS = draw(0, RANK, GRID)
WEIGHT = np.random.default_rng(1).gamma(1.0, 3.0, (N, BINS)) + 0.01
RESIDUAL = draw(2, N, BINS)


def to_single(values: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(values).float()


def score(
    templates: np.ndarray, residual: np.ndarray = RESIDUAL, weight: np.ndarray = WEIGHT
) -> tuple[torch.Tensor, torch.Tensor]:
    given = (to_single(each) for each in (residual, weight, templates))
    return score_templates(to_single(COMPONENTS), torch.from_numpy(FIRST), *given)


def score_densely(row: int, template: np.ndarray) -> float:
    """Return tᵀC⁻¹r over its scatter where r = N C⁻¹ y and y has covariance C = N + VVᵀ."""
    design = COMPONENTS[:, FIRST[row] : FIRST[row] + BINS].T
    noise = np.diag(1 / WEIGHT[row])
    pull = np.linalg.solve(noise + design @ design.T, template)
    inner = noise @ np.linalg.solve(noise + design @ design.T, noise @ pull)
    return float(pull @ RESIDUAL[row] / np.sqrt(pull @ inner))


def test_a_template_s_score_is_the_definition() -> None:
    templates = draw(3, N, 4, BINS)
    found = score(templates)[0].numpy()
    expected = [[score_densely(row, each) for each in templates[row]] for row in range(N)]
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


def test_components_leave_nothing_of_what_is_theirs_where_the_noise_is_small() -> None:
    design = COMPONENTS[:, FIRST[0] : FIRST[0] + BINS]
    residual = RESIDUAL + design[2]
    weight = np.full((N, BINS), 1e4)
    _, rows = score(draw(3, N, 1, BINS), RESIDUAL, weight)
    _, moved = score(draw(3, N, 1, BINS), residual, weight)
    left, of_both = rows[0, -1] / 1e4, moved[0, -1] / 1e4
    np.testing.assert_allclose(of_both, left, atol=1e-3)
    np.testing.assert_allclose(design @ left.numpy(), 0, atol=1e-3)


def test_of_a_bank_the_best_template_of_each_source_counts() -> None:
    sources = [draw(4, 3, BINS), draw(5, 1, BINS), draw(6, 17, BINS)]
    bank = join_banks([to_single(source) for source in sources])
    _, rows = score(draw(3, N, 1, BINS))
    found = scan_bank(bank, rows, to_single(WEIGHT)).numpy()
    expected = [
        [max(score_densely(row, each) for each in source) for source in sources] for row in range(N)
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


def test_the_best_template_is_the_one_whose_score_counts() -> None:
    sources = [draw(4, 3, BINS), draw(5, 1, BINS), draw(6, 17, BINS)]
    bank, every = join_banks([to_single(source) for source in sources]), np.concatenate(sources)
    _, rows = score(draw(3, N, 1, BINS))
    best = find_best_templates(bank, rows, to_single(WEIGHT))
    scores = scan_bank(bank, rows, to_single(WEIGHT)).numpy()
    for row in range(N):
        found = [score_densely(row, every[k]) for k in best[row]]
        np.testing.assert_allclose(found, scores[row], rtol=1e-3, atol=1e-4)
    assert (np.searchsorted(bank.ends, best, side="right") - 1 == np.arange(3)).all()


def respond(templates: np.ndarray, least_left: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    given = (to_single(COMPONENTS), torch.from_numpy(FIRST), to_single(WEIGHT))
    return measure_response(*given, to_single(templates), least_left)


def test_an_amplitude_is_unbiased_and_scatters_by_its_error() -> None:
    """Of y = a t + Vc + n, of unit c, what is left of it about the best latent is N C⁻¹ y."""
    rng, row, amplitude, n = np.random.default_rng(7), 2, 1.7, 4000
    template = draw(3, BINS)
    design = COMPONENTS[:, FIRST[row] : FIRST[row] + BINS]
    noise = np.diag(1 / WEIGHT[row])
    drawn = rng.normal(size=(n, RANK)) @ design + rng.normal(size=(n, BINS)) @ np.sqrt(noise)
    residuals = np.linalg.solve(noise + design.T @ design, (drawn + amplitude * template).T).T
    residuals = residuals @ noise
    error = respond(np.broadcast_to(template, (N, 1, BINS)))[0][row, 0]
    pulled = np.linalg.solve(noise + design.T @ design, template)
    scale = score_densely(row, template) / (pulled @ RESIDUAL[row])
    amplitudes = error * scale * (residuals @ pulled)
    assert amplitudes.mean() == pytest.approx(amplitude, abs=4 * error / np.sqrt(n))
    assert amplitudes.std() == pytest.approx(error, rel=0.05)


def test_a_template_without_a_pixel_has_no_error() -> None:
    error, _ = respond(np.zeros((N, 1, BINS)))
    assert np.isnan(error).all()


def test_a_template_is_best_seen_where_the_model_does_not_absorb_it() -> None:
    templates = np.zeros((N, 2, BINS))
    templates[:, 0, 13] = 1
    templates[:, 1] = COMPONENTS[1][FIRST[:, None] + np.arange(BINS)]
    templates[:, 1, 31] += 20
    assert respond(templates)[1].tolist() == [[13, 31]] * N


def test_of_what_a_model_explains_wholly_the_error_is_that_of_the_score() -> None:
    templates = COMPONENTS[:1][:, FIRST[:, None] + np.arange(BINS)].transpose(1, 0, 2)
    plain, least = (respond(templates, share)[0] for share in (0.0, LEAST_LEFT))
    assert (least >= plain).all()


def test_what_a_model_explains_wholly_is_left_at_a_thousandth() -> None:
    design, weight = COMPONENTS[:, FIRST[0] : FIRST[0] + BINS], 30 * WEIGHT
    bank = join_banks([to_single(design[:1])])
    residual = RESIDUAL + design[0]
    _, rows = score(draw(3, N, 1, BINS), residual, weight)
    found = scan_bank(bank, rows, to_single(weight))[0, 0]
    covariance = np.diag(1 / weight[0]) + design.T @ design
    pulled = design[0] @ np.linalg.solve(covariance, residual[0])
    expected = pulled / np.sqrt(1e-3 * weight[0] @ design[0] ** 2)
    np.testing.assert_allclose(found, expected, rtol=1e-2)
