"""Layers that torch lacks, activation functions by name, and the rounding of widths."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from raydensity.spec import Activation


def scaled(default: int, width: float, layer: str) -> int:
    """Units of a layer at a width factor: floor(default * width), as Table 1 of the density paper forces.

    Raises ValueError where that leaves the layer empty.
    """
    units = math.floor(default * width + 1e-9)  # 100 * 0.29 must be 29
    if units < 1:
        raise ValueError(
            f"width {width:g} leaves layer {layer} empty: floor({default} * {width:g}) = 0, "
            f"the smallest width is {1 / default:g}"
        )
    return units


class UnsharedConv2d(nn.Module):
    """3x3 convolution with padding 1 whose kernel differs at each position (a locally connected layer).

    `weight` has shape [height * width, out_channels, in_channels * 9], `bias` [out_channels, height, width], as Flax's
    ConvLocal: the reading of the density paper's Table 1 in which its counts are true ones. Without `bias` where batch
    norm follows.
    """

    def __init__(self, in_channels: int, out_channels: int, *, height: int, width: int, bias: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(height * width, out_channels, in_channels * 9))
        self.bias = nn.Parameter(torch.empty(out_channels, height, width)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        """[batch, in_channels, height, width] -> [batch, out_channels, height, width]."""
        batch, _, height, width = x.shape
        patches = F.unfold(x, 3, padding=1)  # [batch, in * 9, positions]
        out = torch.bmm(self.weight, patches.permute(2, 1, 0))  # [positions, out, batch]
        out = out.permute(2, 1, 0).reshape(batch, -1, height, width)
        return out if self.bias is None else out + self.bias


ACTIVATIONS: dict[Activation, Callable[[Tensor], Tensor]] = {
    "relu": F.relu,
    "leaky_relu": partial(F.leaky_relu, negative_slope=0.2),  # TensorFlow's slope
    "elu": F.elu,
    "selu": F.selu,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
}


def max_pool_same(x: Tensor) -> Tensor:
    """3x3 max-pool with stride 2 as TensorFlow's SAME: [batch, channels, h, w] -> [batch, channels, ceil(h/2), ...].

    Maps of even size are padded after the last row and column alone, which is what torch calls ceil mode.
    """
    return F.max_pool2d(x, 3, stride=2, padding=(x.shape[2] % 2, x.shape[3] % 2), ceil_mode=True)
