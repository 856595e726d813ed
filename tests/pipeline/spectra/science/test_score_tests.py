"""Score tests: equal to the definition in dense algebra, the best of a bank counts."""

import numpy as np
import torch

from pipeline.spectra.science.score_tests import (
    join_banks,
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
