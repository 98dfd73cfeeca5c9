"""Local response normalisation as TensorFlow has it (Frivolous Units, specification b.2)."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

ALPHA = 2e-5


def neighbours(x: Tensor, radius: int) -> Tensor:
    """The sum over each channel of [batch, channels, ...] and the `radius` channels on either side."""
    channels = x.shape[1]
    padded = F.pad(x, (0, 0) * (x.ndim - 2) + (radius, radius))
    total = padded[:, :channels]
    for shift in range(1, 2 * radius + 1):
        total = total + padded[:, shift : shift + channels]
    return total


class _Normalise(torch.autograd.Function):
    """Autograd's own backward pass would take twice as long, and hand a gradient in another memory order to the
    max-pool before it, which would take twice as long as well: products have the order of their first factor."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, radius: int) -> Tensor:
        root = neighbours(x.square(), radius).mul_(ALPHA).add_(1).rsqrt_()
        return x * (root * root.sqrt())

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, int], output: Tensor) -> None:
        x, ctx.radius = inputs
        ctx.save_for_backward(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (x,) = ctx.saved_tensors
        root = (neighbours(x.square(), ctx.radius) * ALPHA + 1).rsqrt()
        scaled = (root * root.sqrt()) * gradient
        return scaled - (1.5 * ALPHA) * (x * neighbours(x * scaled * root.square(), ctx.radius)), None


class LocalResponseNorm(nn.Module):
    """x / (1 + ALPHA * sum of the squares of the channels around)^0.75, each channel and two on either side.

    torch's has the mean in place of the sum, and takes four times as long. In fp32 whatever the precision: bf16 has no
    number between 1 and 1.0078.
    """

    def __init__(self, radius: int = 2) -> None:
        super().__init__()
        self.radius = radius

    def forward(self, x: Tensor) -> Tensor:
        """[batch, channels, height, width] -> the same shape, in fp32."""
        normalised: Tensor = _Normalise.apply(x.float(), self.radius)
        return normalised
