"""Magnitude pruning without retraining: by layer (density paper, section 3.2), or over the whole network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from raydensity.cohort import Cohort
from raydensity.data import Dataset
from raydensity.evaluation import evaluate
from raydensity.pruning.selection import ranks, share


class Trajectory(NamedTuple):
    """For each network some points of pruning, the first with all weights, the last with none.

    `removed` is the requested fraction (of each layer), `weights_left` counts the weights of all kernels; `loss` and
    `accuracy` (a fraction) are on the network's validation images.
    """

    removed: list[list[float]]
    weights_left: list[list[int]]
    loss: list[list[float]]
    accuracy: list[list[float]]


@torch.no_grad()
def trajectory(cohort: Cohort, dataset: Dataset, validation: Tensor, preprocessing: str, *, step: float) -> Trajectory:
    """Remove the smallest weights of each layer, `step` of its original count at a time, and evaluate at each point.

    validation [N, V] indexes the training file. The cohort's own parameters stay as they are.
    """
    pruned = {name: p.detach().clone() for name, p in cohort.parameters.items()}
    rank = {name: _ranks([cohort.weights(name)]) for name in cohort.prunable()}
    totals = {name: own.shape[1] for name, own in rank.items()}
    removed = [min(1.0, point * step) for point in range(int(1 / step + 1e-9) + 1)]
    if removed[-1] < 1:
        removed.append(1.0)
    weights_left, losses, accuracies = [], [], []
    for fraction in removed:
        gone = {name: share(fraction, total) for name, total in totals.items()}
        for name, count in gone.items():
            own = cohort.weights(name, pruned[name])
            own.masked_fill_((rank[name] < count).view_as(own), 0)
        result = evaluate(cohort, dataset, validation, preprocessing, parameters=pruned)
        weights_left.append(sum(totals.values()) - sum(gone.values()))
        losses.append(result.loss)
        accuracies.append(result.accuracy)
    size = cohort.size
    loss, accuracy = (torch.stack(each, dim=1).tolist() for each in (losses, accuracies))
    return Trajectory([removed] * size, [weights_left] * size, loss, accuracy)


@torch.no_grad()
def global_trajectory(
    cohort: Cohort, dataset: Dataset, validation: Tensor, preprocessing: str, *, points: int
) -> Trajectory:
    """Remove the smallest of all weights that are not zero, in at most `points` steps, and evaluate at each point.

    Networks with fewer weights than `points` lose one at a time, and have fewer points. validation [N, V] indexes the
    training file. The cohort's own parameters stay as they are.
    """
    pruned = {name: p.detach().clone() for name, p in cohort.parameters.items()}
    names = cohort.prunable()
    sizes = [cohort.weights(name)[0].numel() for name in names]
    rank = _ranks([cohort.weights(name) for name in names])
    kept = sum((cohort.weights(name).flatten(1) != 0).sum(1) for name in names)
    assert isinstance(kept, Tensor)
    stops = [min(points, own) for own in kept.tolist()]  # points of each network, whoever else is in the cohort
    left, losses, accuracies = [], [], []
    for point in range(max(stops) + 1):
        gone = torch.where(kept > points, (kept * point + points - 1) // points, kept.clamp(max=point)).minimum(kept)
        # What is zero already ranks first. A bound of more bits than ranks would have torch copy them all.
        removed = (rank < (rank.shape[1] - kept + gone).int().unsqueeze(1)).split(sizes, dim=1)
        for name, out in zip(names, removed, strict=True):
            own = cohort.weights(name, pruned[name])
            own.masked_fill_(out.view_as(own), 0)
        result = evaluate(cohort, dataset, validation, preprocessing, parameters=pruned)
        left.append(kept - gone)
        losses.append(result.loss)
        accuracies.append(result.accuracy)
    weights_left, loss, accuracy = (torch.stack(each, dim=1) for each in (left, losses, accuracies))
    share = 1 - weights_left / kept.clamp(min=1).unsqueeze(1)
    parts: list[list] = [
        [curve[: stop + 1] for curve, stop in zip(curves.tolist(), stops, strict=True)]
        for curves in (share, weights_left, loss, accuracy)
    ]
    return Trajectory(*parts)


def _ranks(kernels: Sequence[Tensor]) -> Tensor:
    """Rank of each weight's magnitude among those of its network, in all these kernels [N, ...]: int32 [N, n]."""
    # One network at a time: a sort of the whole stack would be the largest thing that a cohort ever holds in memory.
    size, total = len(kernels[0]), sum(kernel[0].numel() for kernel in kernels)
    rank = torch.empty(size, total, dtype=torch.int32, device=kernels[0].device)
    for network, own in enumerate(rank):
        own.copy_(ranks(torch.cat([kernel[network].abs().flatten() for kernel in kernels])))
    return rank
