"""FLOPs, parameters and what layers produce: counted, without running a network."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from raydensity import data, models
from raydensity.models.counts import weight_count
from raydensity.models.layers import UnsharedConv2d
from raydensity.models.positions import ran
from raydensity.spec import AnyDataset, Architecture


class Counted(NamedTuple):
    """One network: arithmetic of one image's forward pass, parameters, the weights among them that can be pruned, and
    numbers that its layers produce of an image.

    `largest_layer` is the number of weights of the layer that has most, `largest_output` what one layer produces at
    most.
    """

    flops: int
    parameters: int
    weights: int
    produced: int
    largest_layer: int
    largest_output: int


@cache
def count(dataset: AnyDataset, architecture: Architecture) -> Counted:
    """Count a network's arithmetic and numbers.

    Every weight is multiplied and added once a position; without running the network, which may be too large for it.
    """
    known = data.describe(dataset)
    model = models.outline(architecture, known)
    positions = {name: count for step in ran(dataset, architecture).values() for name, count in step.layers.items()}
    flops = produced = largest_layer = largest_output = 0
    for name, module in model.named_modules():
        if name in positions:
            weight = module.get_parameter("weight")
            if isinstance(module, UnsharedConv2d):  # has its weights once for each position already
                flops += 2 * weight.numel()
                output = weight.shape[1] * positions[name]
                produced += weight.shape[2] * positions[name]  # every position has its own copy of what its kernel sees
            else:
                flops += 2 * weight.numel() * positions[name]
                output = weight.shape[0] * positions[name]
            produced += output
            largest_layer, largest_output = max(largest_layer, weight.numel()), max(largest_output, output)
    parameters = sum(p.numel() for p in model.parameters())
    weights = weight_count(model)
    return Counted(flops, parameters, weights, produced, largest_layer, largest_output)
