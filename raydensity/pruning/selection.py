"""The one selector of all pruning: exactly k, ties broken by position."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from raydensity.stack import State

SELECTED_NUMBERS = 2**22  # scores that are selected from at a time: what it takes besides stays small


def ranks(scores: Tensor) -> Tensor:
    """Rank of each score within its row, 0 the smallest, ties in order of position: [N, n] -> int32 [N, n].

    The k smallest are `ranks(scores) < k`, exactly k of them for every k: rank once, then any sparsity is a comparison.
    Sorting takes about five times the memory of the scores: rank many networks one by one.
    """
    order = scores.sort(dim=-1, stable=True).indices
    places = torch.arange(scores.shape[-1], dtype=torch.int32, device=scores.device).expand_as(order)
    return torch.empty_like(order, dtype=torch.int32).scatter_(-1, order, places)


def share(fraction: float, total: int) -> int:
    """How many of `total` a fraction is: rounded to the nearest, halves up."""
    return int(fraction * total + 0.5 + 1e-9)


def in_parts(networks: int, numbers: int, most: int) -> Iterator[slice]:
    """All of a stack's networks, each with so many numbers, `most` numbers at a time and at least one network."""
    size = max(1, most // max(1, numbers))
    return (slice(begin, min(begin + size, networks)) for begin in range(0, networks, size))


def keep_largest(scores: State, counts: Sequence[int], *, fewer_by_one: bool = False) -> State:
    """Masks that keep the `counts[n]` largest scores of network n over all layers, exactly, ties in order of position.

    Scores [N, ...] by parameter name -> bool masks of the same shapes. What is not a number counts as infinite.
    `fewer_by_one` is the published code's strict comparison with the smallest score that should stay, which drops that
    one and all its equals; it is not made where all should stay.
    """
    masks = {name: torch.empty(each.shape, dtype=torch.bool, device=each.device) for name, each in scores.items()}
    sizes = [each[0].numel() for each in scores.values()]
    for part in in_parts(len(counts), sum(sizes), SELECTED_NUMBERS):
        flat = torch.cat([each[part].flatten(1) for each in scores.values()], dim=1)
        kept = _largest(flat.nan_to_num_(math.inf, math.inf, -math.inf), counts[part], fewer_by_one)
        for mask, own in zip(masks.values(), kept.split(sizes, dim=1), strict=True):
            mask[part] = own.view_as(mask[part])
    return masks


def _largest(scores: Tensor, counts: Sequence[int], fewer_by_one: bool) -> Tensor:
    """Which of the scores [N, n] are the `counts[n]` largest of their row."""
    # Finding the smallest score that stays takes a tenth of the time of sorting, and no memory to speak of.
    wanted = torch.tensor(list(counts), dtype=torch.int32, device=scores.device)
    least = scores.new_empty(len(scores), 1)
    for count in set(counts):
        rows = (wanted == count).nonzero().squeeze(1)
        own = scores if len(rows) == len(scores) else scores[rows]
        least[rows] = own.kthvalue(scores.shape[1] + 1 - max(1, count), dim=1, keepdim=True).values
    if fewer_by_one:
        return (scores > least) | (wanted >= scores.shape[1]).unsqueeze(1)
    kept = scores >= least
    crowded = (kept.sum(1) > wanted).nonzero().squeeze(1)  # more equals than there is room for
    if len(crowded):
        larger, equal = scores[crowded] > least[crowded], scores[crowded] == least[crowded]
        room = wanted[crowded].unsqueeze(1) - larger.sum(1, keepdim=True, dtype=torch.int32)
        kept[crowded] = larger | (equal & (equal.cumsum(1, dtype=torch.int32) <= room))
    return kept
