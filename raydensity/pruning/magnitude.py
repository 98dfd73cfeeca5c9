"""Magnitude pruning without retraining: by layer (density paper, section 3.2), or over the whole network."""

from __future__ import annotations

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
    rank = ranks(torch.cat([cohort.weights(name).abs().flatten(1) for name in names], dim=1))
    kept = sum((cohort.weights(name).flatten(1) != 0).sum(1) for name in names)
    assert isinstance(kept, Tensor)
    stops = [min(points, own) for own in kept.tolist()]  # points of each network, whoever else is in the cohort
    left, losses, accuracies = [], [], []
    for point in range(max(stops) + 1):
        gone = torch.where(kept > points, (kept * point + points - 1) // points, kept.clamp(max=point)).minimum(kept)
        # What is zero already ranks first.
        removed = (rank < (rank.shape[1] - kept + gone).unsqueeze(1)).split(sizes, dim=1)
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


def _ranks(weights: Tensor) -> Tensor:
    """Rank of each weight's magnitude within its network: [N, ...] -> int32 [N, ...]."""
    # One network at a time: a sort of the whole stack would be the largest thing that a cohort ever holds in memory.
    rank = torch.empty_like(weights, dtype=torch.int32)
    for own, network in zip(rank, weights, strict=True):
        own.copy_(ranks(network.abs().reshape(1, -1)).view_as(own))
    return rank
