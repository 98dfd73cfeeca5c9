"""Layer-wise magnitude pruning without retraining: the trajectory of the density paper, section 3.2."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from raydensity.cohort import Cohort
from raydensity.data import Dataset
from raydensity.evaluation import evaluate
from raydensity.pruning.selection import ranks, share


class Trajectory(NamedTuple):
    """P points of pruning, the first with all weights, the last with none.

    `removed` [P] is the requested fraction of each layer, `weights_left` [P] counts the weights of all kernels; `loss`
    and `accuracy` [N, P] are on each network's validation images.
    """

    removed: list[float]
    weights_left: list[int]
    loss: Tensor
    accuracy: Tensor


@torch.no_grad()
def trajectory(cohort: Cohort, dataset: Dataset, validation: Tensor, preprocessing: str, *, step: float) -> Trajectory:
    """Remove the smallest weights of each layer, `step` of its original count at a time, and evaluate at each point.

    validation [N, V] indexes the training file. The cohort's own parameters stay as they are.
    """
    pruned = {name: p.detach().clone() for name, p in cohort.parameters.items()}
    rank = {name: _ranks(cohort.weights(name)) for name in cohort.prunable()}
    totals = {name: rank[name][0].numel() for name in rank}
    removed = [min(1.0, point * step) for point in range(int(1 / step + 1e-9) + 1)]
    if removed[-1] < 1:
        removed.append(1.0)
    weights_left, losses, accuracies = [], [], []
    for fraction in removed:
        gone = {name: share(fraction, total) for name, total in totals.items()}
        for name, count in gone.items():
            cohort.weights(name, pruned[name]).masked_fill_(rank[name] < count, 0)
        result = evaluate(cohort, dataset, validation, preprocessing, parameters=pruned)
        weights_left.append(sum(totals.values()) - sum(gone.values()))
        losses.append(result.loss)
        accuracies.append(result.accuracy)
    return Trajectory(removed, weights_left, torch.stack(losses, dim=1), torch.stack(accuracies, dim=1))


def _ranks(weights: Tensor) -> Tensor:
    """Rank of each weight's magnitude within its network: [N, ...] -> int32 [N, ...]."""
    # One network at a time: a sort of the whole stack would be the largest thing that a cohort ever holds in memory.
    rank = torch.empty_like(weights, dtype=torch.int32)
    for own, network in zip(rank, weights, strict=True):
        own.copy_(ranks(network.abs().reshape(1, -1)).view_as(own))
    return rank
