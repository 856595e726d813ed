"""Matrix products of inference, by the library that uses the processor's widest instructions.

PyTorch's own products are MKL's, which on AMD leaves AVX-512 alone; those of oneDNN, which it has
too, take half the time there.
"""

from functools import cached_property

import torch
from torch import Tensor, nn

# For every number of rows oneDNN compiles a program, which takes as long as some hundred rows.
ROWS = 16
# For which the layout of a `Factor` is chosen; others take a little longer.
_USUAL_ROWS = 128


class Linear(nn.Linear):
    """`torch.nn.Linear`, multiplied by `multiply`."""

    def forward(self, values: Tensor) -> Tensor:
        """Return values @ weight.T + bias."""
        return multiply(values, self.weight, self.bias)


class Factor:
    """A matrix that never changes, in the layout in which oneDNN reads it.

    Else it is brought into that layout for every product, which takes a tenth of the time.

    Parameters
    ----------
    matrix : Tensor, shape (j, k)
    """

    def __init__(self, matrix: Tensor) -> None:
        self.matrix = matrix

    def __getstate__(self) -> dict[str, Tensor]:
        """Return what is pickled: the other layout is oneDNN's alone."""
        return {"matrix": self.matrix}

    @cached_property
    def packed(self) -> Tensor:
        """The matrix in that layout; only oneDNN's operators take it."""
        packed: Tensor = torch.ops.mkldnn._reorder_linear_weight(self.matrix, _USUAL_ROWS)
        return packed


def multiply(values: Tensor, matrix: Tensor | Factor, bias: Tensor | None = None) -> Tensor:
    """Return values @ matrix.T + bias; by oneDNN in single precision, without gradients.

    Where n is no multiple of `ROWS` the values are copied.

    Parameters
    ----------
    values : Tensor, shape (n, ..., k)
    matrix : Tensor, shape (j, k), or Factor
    bias : Tensor, shape (j,), optional
    """
    plain = matrix.matrix if isinstance(matrix, Factor) else matrix
    learns = torch.is_grad_enabled() and (values.requires_grad or plain.requires_grad)
    if learns or not _is_served(values):
        return nn.functional.linear(values, plain, bias)
    n = len(values)
    if n % ROWS:
        values = torch.cat([values, values.new_zeros(-n % ROWS, *values.shape[1:])])
    # The operator that code of `torch.compile` calls; it takes and gives plain tensors.
    weight = matrix.packed if isinstance(matrix, Factor) else matrix
    product: Tensor = torch.ops.mkldnn._linear_pointwise(values, weight, bias, "none", [], "")
    return product[:n]


def _is_served(values: Tensor) -> bool:
    library = torch.backends.mkldnn
    # What is traced is to become ONNX, which has no such operator.
    return (
        values.is_cpu
        and values.dtype == torch.float32
        and library.is_available()
        and bool(library.enabled)
        and not torch.jit.is_tracing()
    )
