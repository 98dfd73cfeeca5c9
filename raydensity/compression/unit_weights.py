"""Importance of units from their weights alone."""

from __future__ import annotations

import torch
from torch import Tensor

from raydensity.compression.observation import Observation


def incoming_l1(seen: Observation, layer: str) -> Tensor:
    """Sum of the absolute incoming weights: [U] (Li et al. 2017)."""
    return seen.incoming(layer).abs().sum(dim=1)


def incoming_l2(seen: Observation, layer: str) -> Tensor:
    """Euclidean norm of the incoming weights: [U]."""
    return seen.incoming(layer).norm(dim=1)


def outgoing_l1(seen: Observation, layer: str) -> Tensor:
    """Sum of the absolute outgoing weights: [U] (the output-weights norm of He et al. 2014)."""
    return seen.outgoing(layer).abs().sum(dim=0)


def outgoing_l2(seen: Observation, layer: str) -> Tensor:
    """Euclidean norm of the outgoing weights: [U]."""
    return seen.outgoing(layer).norm(dim=0)


def geometric_median(seen: Observation, layer: str) -> Tensor:
    """Sum of the distances of a unit's incoming weights to those of all others: [U] (He et al. 2019).

    It is smallest at the geometric median of the layer, which others can replace.
    """
    weights = seen.incoming(layer)
    # Without the way by matrix products, which would lose the last digits of small distances.
    return torch.cdist(weights, weights, compute_mode="donot_use_mm_for_euclid_dist").sum(dim=1)
