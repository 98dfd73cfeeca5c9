"""Dropout: which units each network drops in a step of training. Shapes: N networks, B images a batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from raydensity.models.chain import Dropped
from raydensity.randomness import generator
from raydensity.stack import State


def factors(
    dropped: Mapping[str, Dropped], order_seeds: Sequence[int], *, epoch: int, step: int, batch_size: int
) -> State:
    """What the units of each layer with dropout are multiplied by, [N, B, units] on the CPU, by the layer's name.

    0 where a unit is dropped, which has the probability `share`, else 1 / (1 - share). Drawn from each network's own
    `order_seed`, anew for every step; networks with the same seed drop the same units, as they see the same batches.
    """
    result = {}
    for layer, (units, share) in dropped.items():
        own = {}
        for seed in dict.fromkeys(order_seeds):
            source = generator(seed, "dropout", layer, epoch, step)
            own[seed] = (torch.rand(batch_size, units, generator=source) >= share).float().div_(1 - share)
        if len(own) == 1:
            result[layer] = own[order_seeds[0]].expand(len(order_seeds), -1, -1)
        else:
            result[layer] = torch.stack([own[seed] for seed in order_seeds])
    return result
