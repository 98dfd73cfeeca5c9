"""The one selector of all pruning: exactly k, ties broken by position."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from raydensity.stack import State


def ranks(scores: Tensor) -> Tensor:
    """Rank of each score within its row, 0 the smallest, ties in order of position: [N, n] -> int32 [N, n].

    The k smallest are `ranks(scores) < k`, exactly k of them for every k: rank once, then any sparsity is a comparison.
    Sorting takes about five times the memory of the scores: rank large layers of many networks one by one.
    """
    order = scores.sort(dim=-1, stable=True).indices
    places = torch.arange(scores.shape[-1], dtype=torch.int32, device=scores.device).expand_as(order)
    return torch.empty_like(order, dtype=torch.int32).scatter_(-1, order, places)


def share(fraction: float, total: int) -> int:
    """How many of `total` a fraction is: rounded to the nearest, halves up."""
    return int(fraction * total + 0.5 + 1e-9)


def keep_largest(scores: State, counts: Sequence[int], *, fewer_by_one: bool = False) -> State:
    """Masks that keep the `counts[n]` largest scores of network n over all layers, exactly, ties in order of position.

    Scores [N, ...] by parameter name -> bool masks of the same shapes. `fewer_by_one` is the published code's strict
    comparison with the smallest score that should stay, which drops that one and all its equals; it is not made where
    all should stay.
    """
    flat = torch.cat([each.flatten(1) for each in scores.values()], dim=1)
    wanted = torch.tensor(list(counts), device=flat.device).unsqueeze(1)
    order = flat.sort(dim=1, descending=True, stable=True)
    if fewer_by_one:
        kept = (flat > order.values.gather(1, (wanted - 1).clamp(min=0))) | (wanted >= flat.shape[1])
    else:
        places = torch.arange(flat.shape[1], device=flat.device).expand_as(order.indices)
        kept = torch.zeros_like(flat, dtype=torch.bool).scatter_(1, order.indices, places < wanted)
    parts = kept.split([each[0].numel() for each in scores.values()], dim=1)
    return {name: part.view_as(each) for (name, each), part in zip(scores.items(), parts, strict=True)}
