"""Adam's step of a stack on a CPU core, compiled: every number is read and written once.

As a chain of tensor operations it takes as long as the products of small networks, since each operation goes through
the memory again. Elementwise and without reordering, so that results do not depend on the packing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numba
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from raydensity.spec import Adam

# Without fastmath: vectors and what is left over at their end must round alike.
jit: Callable = numba.njit(cache=True, nogil=True, error_model="numpy")
F = np.float32
WHOLE = np.ones((1, 1), np.uint8)  # in the place of a mask


def can_be_compiled(parameter: Tensor) -> bool:
    """Whether each network of a stacked parameter lies in memory without gaps. There may be some between networks."""
    of_this = parameter.device.type == "cpu" and parameter.dtype == torch.float32
    return of_this and _in_order(parameter[:1]) is not None


def step(
    rule: Adam,
    parameter: Tensor,
    gradient: Tensor,
    rate: Tensor,
    slots: dict[str, Tensor],
    *,
    number: int,
    mask: Tensor | None = None,
) -> None:
    """Change a stacked parameter [R, ...] and its slots in place, from its gradient. `rate` [R, 1, ...].

    Networks of slots and mask are laid out in memory as those of the parameter. `number` counts steps from 1. Where
    `mask` is False the gradient counts as zero.
    """
    if gradient.stride()[1:] != parameter.stride()[1:]:  # as autograd may give it
        gradient = torch.empty_like(parameter).copy_(gradient)
    tensors = [parameter, gradient, slots["mean"], slots["square"], *([] if mask is None else [mask])]
    assert all(tensor.stride()[1:] == parameter.stride()[1:] for tensor in tensors)
    # In double precision: 1 - beta2 in single is off by 5e-5 of itself.
    rests = 1 - rule.beta1, 1 - rule.beta2
    corrections = 1 - rule.beta1**number, math.sqrt(1 - rule.beta2**number)
    constants = list(map(F, (*rests, rule.beta2, rule.epsilon, *corrections)))
    rates = rate.detach().reshape(-1).numpy()
    for part, arrays in _parts(tensors):
        masks = WHOLE if mask is None else arrays[4].view(np.uint8)
        _step(*arrays[:4], masks, mask is not None, rates[part], *constants)


def _parts(stacks: list[Tensor]) -> Iterator[tuple[slice, list[NDArray]]]:
    """Networks and each stack's [R, numbers]: all at once or, where there are gaps in memory between them, one after
    the other. A step's numbers are the same, whatever the stack."""
    count = len(stacks[0])
    together = count == 1 or all(stack.stride(0) * count == stack.numel() for stack in stacks)
    for part in [slice(None)] if together else [slice(row, row + 1) for row in range(count)]:
        yield part, [_numbers(stack[part]) for stack in stacks]


def _in_order(stacked: Tensor) -> Tensor | None:
    """The same in the order of the memory; None where that has gaps."""
    if stacked.is_contiguous():
        return stacked
    transposed = stacked.transpose(-1, -2)
    return transposed if stacked.ndim == 3 and transposed.is_contiguous() else None


def _numbers(stacked: Tensor) -> NDArray:
    """[R, numbers] in the order of the memory, which has no gaps."""
    ordered = _in_order(stacked)
    assert ordered is not None
    return ordered.detach().view(len(stacked), -1).numpy()


@jit
def _step(parameters, gradients, means, squares, masks, masked, rates, rest1, rest2, beta2, epsilon, mean_share, root):
    for row in range(parameters.shape[0]):
        parameter, gradient, mean, square = parameters[row], gradients[row], means[row], squares[row]
        mask = masks[row if masked else 0]
        scale = rates[row] / mean_share
        for i in range(parameter.shape[0]):
            g = gradient[i] if not masked or mask[i] else F(0)
            m = mean[i] + rest1 * (g - mean[i])
            s = beta2 * square[i] + rest2 * (g * g)
            mean[i], square[i] = m, s
            parameter[i] -= scale * (m / (np.sqrt(s) / root + epsilon))
