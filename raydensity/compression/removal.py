"""From what was observed of a network, and a rule, to the network without some of its units or weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from raydensity.compression import compensation
from raydensity.compression.methods import SCORES, UNITS_MERGED, WEIGHTS_LEFT
from raydensity.compression.observation import Observation
from raydensity.models import prunable
from raydensity.models.mlp import DenseNetwork
from raydensity.narrowing.excision import excise
from raydensity.randomness import generator
from raydensity.spec import Compression
from raydensity.spec.compression import units_left, weights_left


class Emptied(ValueError):
    """A layer would be left without units, which the rule refuses."""


@dataclass(frozen=True, eq=False)
class Compressed:
    """A network of its own without the units that went; or whole, with `masks` of the kernels that say which weights
    stay ([outputs, inputs] by parameter name)."""

    network: DenseNetwork
    masks: Mapping[str, Tensor] | None = None


def compress(seen: Observation, rule: Compression, *, seed: int) -> Compressed:
    """The network after a rule; the network that was observed stays as it is. `seed` draws units at random.

    Raises Emptied, naming the layer, where a layer would lose all its units and the rule refuses that.
    """
    if rule.method in WEIGHTS_LEFT:
        kernels = prunable(seen.network)
        sizes = [next(iter(kernels.values())).shape[1], *(len(kernel) for kernel in kernels.values())]
        left = dict(zip(kernels, weights_left(sizes, rule.level), strict=True))
        masks = WEIGHTS_LEFT[rule.method](seen, left)
        network = excise(seen.network, {})
        with torch.no_grad():
            for name, mask in masks.items():
                network.get_parameter(name).mul_(mask)
        return Compressed(cast(DenseNetwork, network), masks)
    if rule.method in UNITS_MERGED:
        units = {layer: units_left(outputs.shape[1], rule.level) for layer, outputs in seen.outputs.items()}
        return Compressed(UNITS_MERGED[rule.method](seen, units))
    kept = {layer: _stay(seen, layer, rule, seed) for layer in seen.layers}
    narrow = cast(DenseNetwork, excise(seen.network, kept))
    if rule.compensation == "mean":
        compensation.by_mean(narrow, seen, kept)
    elif rule.compensation == "literal":
        compensation.literal(narrow, seen, kept)
    return Compressed(narrow)


def _stay(seen: Observation, layer: str, rule: Compression, seed: int) -> Tensor:
    """Which units of a layer stay: a mask [U]."""
    units = seen.outputs[layer].shape[1]
    if rule.method == "random_units":
        scores = torch.rand(units, generator=generator(seed, "compression", layer))
    else:
        scores = SCORES[rule.method](seen, layer).cpu()
    if rule.criterion == "share":
        order = scores.argsort(stable=True)  # of equals, the first go
        stay = torch.ones(units, dtype=torch.bool)
        stay[order[: units - units_left(units, rule.level)]] = False
        return stay
    stay = scores > rule.level * (scores.max() if rule.criterion == "relative" else 1)
    if not stay.any():
        if rule.empty_layer == "refuse":
            raise Emptied(f"level: {layer} loses all its {units} units at {rule.criterion} level {rule.level:g}")
        stay[scores.argmax()] = True
    return stay
