"""What runs in each step of a network, at how many positions of an image, and what it gives."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor, nn

from raydensity import data, models
from raydensity.models.layers import UnsharedConv2d
from raydensity.spec import AnyDataset, Architecture


class Ran(NamedTuple):
    """A step: layers with weights, by name in the order in which they run, with the positions of each; and the units
    of the step's output, with theirs."""

    layers: dict[str, int]
    units: int
    positions: int


@cache
def ran(dataset: AnyDataset, architecture: Architecture) -> dict[str, Ran]:
    """By step, the last the logits; of the shapes alone."""
    known = data.describe(dataset)
    network = models.outline(architecture, known).eval()  # which may be too large to run
    layers: dict[str, int] = {}

    def note(name: str) -> Callable[[nn.Module, object, Tensor], None]:
        def hook(_module: nn.Module, _inputs: object, output: Tensor) -> None:
            layers[name] = output.shape[2:].numel()

        return hook

    for name, module in network.named_modules():
        if isinstance(module, nn.Linear | nn.Conv2d | UnsharedConv2d):
            module.register_forward_hook(note(name))
    found = {}
    x = torch.zeros(1, *known.input_shape, device="meta")
    with torch.no_grad():
        for name, step in network.steps().items():
            layers.clear()
            x = step(x)
            found[name] = Ran(dict(layers), x.shape[1], x.shape[2:].numel())
    return found
