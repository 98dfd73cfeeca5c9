"""Correlation of the units of a hidden layer ("Frivolous Units", figure 2; specification b.6). Shapes: U units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from raydensity.measures.covariance import Covariance

SAME = 0.99999  # |correlation| from which on two units are taken for one
BINS = 100


class Correlation(NamedTuple):
    """`mean` |correlation| of a layer's pairs of units, None without any, and the pairs by it in BINS equal bins."""

    layer: str
    mean: float | None
    histogram: list[int]


def correlation(found: Mapping[str, Sequence[Covariance]]) -> list[Correlation]:
    """Of each layer's first repeat."""
    rows = []
    for layer, repeats in found.items():
        own = absolute_correlations(repeats[0].matrix().cpu())
        bins = (own * BINS).long().clamp(max=BINS - 1)
        mean = own.mean().item() if len(own) else None
        rows.append(Correlation(layer, mean, torch.bincount(bins, minlength=BINS).tolist()))
    return rows


def absolute_correlations(covariance: Tensor) -> Tensor:
    """|correlation| of each pair of units, once: covariance [U, U] -> [pairs].

    Constant units, which have none, are left out, and pairs of SAME and more.
    """
    varying = covariance.diagonal() > 0
    own = covariance[varying][:, varying]
    deviations = own.diagonal().sqrt()
    first, second = torch.triu_indices(len(own), len(own), offset=1)
    pairs = (own[first, second] / (deviations[first] * deviations[second])).abs()
    return pairs[pairs < SAME]
