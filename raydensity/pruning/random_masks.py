"""Random masks: the control that every method should beat, and where RigL starts."""

from __future__ import annotations

import torch

from raydensity.pruning.at_initialization import Start
from raydensity.pruning.budgets import erdos_renyi_kernel, uniform, zeros_rounded_down
from raydensity.pruning.selection import keep_largest, ranks
from raydensity.spec.sparsity import Random, RigL
from raydensity.stack import State


def random(start: Start, method: Random) -> State:
    """Exactly the asked number of weights, at random."""
    if method.distribution == "global":
        return keep_largest(_scores(start), start.counts)
    return by_layer(start, method.distribution)


def rigl_start(start: Start, method: RigL) -> State:
    """The mask from which RigL starts."""
    return by_layer(start, method.distribution, published=method.published)


def by_layer(start: Start, distribution: str, *, published: bool = False) -> State:
    """Each layer's share at random; `published` rounds as the code of RigL does."""
    shapes = [start.cohort.shapes[name] for name in start.cohort.prunable()]
    if published:
        shares = [zeros_rounded_down(shapes, count, distribution=distribution) for count in start.counts]
    else:
        budget = {"erk": erdos_renyi_kernel, "uniform": uniform}[distribution]
        shares = [budget(shapes, count) for count in start.counts]
    budgets = torch.tensor(shares, device=start.cohort.device)
    return {
        name: (ranks(scores.flatten(1)) < budgets[:, layer : layer + 1]).view_as(scores)
        for layer, (name, scores) in enumerate(_scores(start).items())
    }


def _scores(start: Start) -> State:
    """One random number a weight, each network's from its own generator."""
    sources = start.generators("random mask")
    cohort = start.cohort
    return {
        name: torch.stack([torch.rand(cohort.shapes[name], generator=source) for source in sources]).to(cohort.device)
        for name in cohort.prunable()
    }
