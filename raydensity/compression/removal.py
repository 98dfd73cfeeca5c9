"""From what was observed of a network, and a rule, to the network without some of its units or weights."""

from __future__ import annotations

import math
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
        masks = WEIGHTS_LEFT[rule.method](seen, weights_left(seen, rule.level))
        network = excise(seen.network, {})
        with torch.no_grad():
            for name, mask in masks.items():
                network.get_parameter(name).mul_(mask)
        return Compressed(cast(DenseNetwork, network), masks)
    if rule.method in UNITS_MERGED:
        return Compressed(
            UNITS_MERGED[rule.method](seen, {layer: _left(seen, layer, rule.level) for layer in seen.layers})
        )
    kept = {layer: _stay(seen, layer, rule, seed) for layer in seen.layers}
    narrow = cast(DenseNetwork, excise(seen.network, kept))
    if rule.compensation == "mean":
        compensation.by_mean(narrow, seen, kept)
    elif rule.compensation == "literal":
        compensation.literal(narrow, seen, kept)
    return Compressed(narrow)


def units_left(units: int, share: float) -> int:
    """How many units of a layer stay when a share goes, which is rounded down; at least one."""
    return max(1, units - math.floor(share * units + 1e-9))


def weights_left(seen: Observation, share: float) -> dict[str, int]:
    """How many weights each kernel would have without that share of the units of each hidden layer, by name."""
    sizes = [math.prod(seen.images.shape[1:]), *(_left(seen, layer, share) for layer in seen.layers)]
    kernels = prunable(seen.network)
    outputs = [*sizes[1:], list(kernels.values())[-1].shape[0]]
    return {name: inputs * own for name, inputs, own in zip(kernels, sizes, outputs, strict=True)}


def _left(seen: Observation, layer: str, share: float) -> int:
    return units_left(seen.outputs[layer].shape[1], share)


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
