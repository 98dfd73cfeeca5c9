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
    rank = {}
    for name in cohort.prunable():
        weights = cohort.weights(name)
        rank[name] = ranks(weights.abs().flatten(1)).view(weights.shape).to(torch.int32)
    totals = {name: rank[name][0].numel() for name in rank}
    removed = [min(1.0, point * step) for point in range(int(1 / step + 1e-9) + 1)]
    if removed[-1] < 1:
        removed.append(1.0)
    weights_left, losses, accuracies = [], [], []
    for fraction in removed:
        gone = {name: share(fraction, total) for name, total in totals.items()}
        for name, count in gone.items():
            cohort.weights(name, pruned[name]).mul_(rank[name] >= count)
        result = evaluate(cohort, dataset, validation, preprocessing, parameters=pruned)
        weights_left.append(sum(totals.values()) - sum(gone.values()))
        losses.append(result.loss)
        accuracies.append(result.accuracy)
    return Trajectory(removed, weights_left, torch.stack(losses, dim=1), torch.stack(accuracies, dim=1))
