"""SNIP, and its two forms in steps: Iter-SNIP and FORCE."""

from __future__ import annotations

import torch

from raydensity.pruning.at_initialization import Start
from raydensity.pruning.schedules import counts_left
from raydensity.pruning.selection import keep_largest
from raydensity.spec.sparsity import FORCE, SNIP, IterSNIP
from raydensity.stack import State


def saliency(start: Start, kept: State | None, number: int) -> State:
    """|weight times gradient| on one batch, the gradient that of the network with the weights `kept` (None: all)."""
    parameters = start.cohort.parameters
    masked = {name: p.detach().clone() for name, p in parameters.items()}
    if kept is not None:
        masked = {name: p * mask for (name, p), mask in zip(masked.items(), start.stacked(kept).values(), strict=True)}
    leaves = {name: p.requires_grad_() for name, p in masked.items()}
    names = start.cohort.prunable()
    gradients = torch.autograd.grad(start.losses(leaves, *start.batch(number)), [leaves[name] for name in names])
    found = dict(zip(names, gradients, strict=True))
    return start.kernels({name: (parameters[name].detach() * found[name]).abs() for name in names})


def snip(start: Start, method: SNIP) -> State:
    """Keep the largest |weight times gradient|: how much the loss would change without the weight, to first order."""
    return keep_largest(saliency(start, None, 0), counts_left(method, start.total, start.counts))


def iterative(start: Start, method: IterSNIP | FORCE) -> State:
    """The same in steps of falling size, a fresh batch each; FORCE lets weights come back, Iter-SNIP does not."""
    kept: State | None = None
    for step in range(1, method.steps + 1):
        counts = counts_left(method, start.total, start.counts, step, method.steps)
        scores = saliency(start, kept, step)
        if kept is not None and isinstance(method, IterSNIP):
            scores = {name: score.masked_fill(~kept[name], -1) for name, score in scores.items()}
        kept = keep_largest(scores, counts, fewer_by_one=method.published)
    assert kept is not None
    return kept
