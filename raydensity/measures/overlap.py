"""Overlap of the smallest weights before and after training (density paper, section 5.1)."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from raydensity.pruning.selection import ranks, share

SMALLEST_SHARE = 0.4


class Overlap(NamedTuple):
    """Of a layer's `weights`, `smallest` were ranked smallest at each time, and `common` both times."""

    weights: int
    smallest: int
    common: int


def overlap(initial: Tensor, trained: Tensor, *, smallest_share: float = SMALLEST_SHARE) -> Overlap:
    """How many of the smallest-magnitude weights of one layer are the same before and after training."""
    count = share(smallest_share, initial.numel())
    before = ranks(initial.abs().reshape(1, -1)) < count
    after = ranks(trained.abs().reshape(1, -1)) < count
    return Overlap(initial.numel(), count, int((before & after).sum()))
