"""How many weights a network has: truly, and in the density paper's way of counting (its Table 1)."""

from __future__ import annotations

from itertools import pairwise
from math import prod

from torch import nn

from raydensity.models import prunable
from raydensity.models.layers import scaled
from raydensity.spec import MLP, Architecture, Conv2, ResNet


def parameter_count(model: nn.Module) -> int:
    """All trainable numbers, biases and batch norm included."""
    return sum(p.numel() for p in model.parameters())


def weight_count(model: nn.Module) -> int:
    """Prunable weights: the kernels."""
    return sum(p.numel() for p in prunable(model).values())


def table1_count(architecture: Architecture, *, input_shape: tuple[int, ...], classes: int) -> int:
    """The count of the density paper's Table 1, by the closed formulas that reproduce all its 13 cells.

    Dense networks: kernels. Conv-2: each position of a convolution counted as a kernel of its own, plus four numbers a
    filter. ResNet: the first convolution counted so, the last dense layer, and no kernel of any block (very probably
    an artefact of the authors' counter; the formula is theirs, the reading of its terms is not known). 0 for
    architectures that the table does not have.
    """
    if isinstance(architecture, MLP):
        hidden = [scaled(u, architecture.width, f"fc{n} of mlp") for n, u in enumerate(architecture.hidden, start=1)]
        sizes = [prod(input_shape), *hidden, classes]
        return sum(a * b for a, b in pairwise(sizes))
    channels, height, width = input_shape
    taps = height * width * 9
    if isinstance(architecture, Conv2):
        filters, units = (
            scaled(64, architecture.width, "conv1 of conv2"),
            scaled(256, architecture.width, "fc1 of conv2"),
        )
        pooled = (height // 2) * (width // 2)
        convolutions = taps * (channels * filters + filters * filters)
        return convolutions + pooled * filters * units + units * units + classes * units + 4 * filters
    if not isinstance(architecture, ResNet):
        return 0
    first = scaled(16, architecture.width, "block1 of resnet")
    last = first if architecture.constant_filters else scaled(64, architecture.width, "block3 of resnet")
    return taps * channels * first + classes * last + 4 * first + 40 + classes
