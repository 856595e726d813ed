"""Products by oneDNN: equal to torch's own, which gradients and traces still take."""

import copy
import pickle

import pytest
import torch
from torch import Tensor, nn

from pipeline.spectra.science.products import Factor, Linear, multiply


def draw(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(len(shape)))


@pytest.mark.parametrize("shape", [(1, 40), (16, 40), (37, 40), (5, 7, 40), (0, 40)])
@pytest.mark.parametrize("bias", [None, draw(9)])
def test_a_product_is_torch_s_own(shape: tuple[int, ...], bias: Tensor | None) -> None:
    values, matrix = draw(*shape), draw(9, 40, 1)[:, :, 0]
    expected = nn.functional.linear(values, matrix, bias)
    for each in (matrix, Factor(matrix)):
        torch.testing.assert_close(multiply(values, each, bias), expected, rtol=1e-5, atol=1e-5)


def test_rows_that_do_not_lie_side_by_side_are_multiplied_too() -> None:
    values, matrix = draw(20, 60), draw(9, 30)
    for part in (values[:, 10:40], values[:, ::2], values[:, :20].T[:, :10].repeat(1, 3)):
        torch.testing.assert_close(multiply(part, matrix), part @ matrix.T, rtol=1e-5, atol=1e-5)


def test_a_layer_learns() -> None:
    layer, own = Linear(6, 3), nn.Linear(6, 3)
    own.load_state_dict(layer.state_dict())
    for each in (layer, own):
        each(draw(4, 6)).square().sum().backward()
    torch.testing.assert_close(layer.weight.grad, own.weight.grad)
    torch.testing.assert_close(layer.bias.grad, own.bias.grad)


def test_a_trace_holds_plain_operators() -> None:
    with torch.no_grad():
        traced = torch.jit.trace(Linear(6, 3), (draw(4, 6),))
    assert "mkldnn" not in str(traced.inlined_graph)


def test_a_factor_is_pickled_and_copied_once_it_has_been_used() -> None:
    values, factor = draw(4, 6), Factor(draw(3, 6))
    expected = multiply(values, factor)
    for other in (pickle.loads(pickle.dumps(factor)), copy.deepcopy(factor)):
        torch.testing.assert_close(multiply(values, other), expected)


def test_double_precision_stays_so() -> None:
    values, matrix = draw(4, 6).double(), draw(3, 6).double()
    torch.testing.assert_close(multiply(values, Factor(matrix)), values @ matrix.T)
