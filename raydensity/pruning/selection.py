"""The one selector of all pruning: exactly k, ties broken by position."""

from __future__ import annotations

import torch
from torch import Tensor


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
