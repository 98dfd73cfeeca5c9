"""SynFlow: iterative conservation of synaptic flow, without data."""

from __future__ import annotations

import torch

from raydensity.pruning.at_initialization import Start
from raydensity.pruning.schedules import counts_left
from raydensity.pruning.selection import keep_largest
from raydensity.spec.sparsity import SynFlow
from raydensity.stack import State


def synflow(start: Start, method: SynFlow) -> State:
    """Keep the largest |weight| times gradient of the sum of outputs of the network of absolute values, fed ones.

    Biases are made absolute with the rest, and kept (specification d.4). Batch norm does what it does in use: by the
    statistics of the one image it would take the flow away.
    """
    cohort = start.cohort
    names = cohort.prunable()
    absolute = {name: p.detach().abs() for name, p in cohort.parameters.items()}
    ones = torch.ones(cohort.size, 1, *start.dataset.description.input_shape, device=cohort.device)
    kept: State = {name: torch.ones_like(cohort.weights(name), dtype=torch.bool) for name in names}
    for step in range(1, method.iterations + 1):
        mask = start.stacked(kept)
        leaves = {name: (p * mask[name]).requires_grad_() for name, p in absolute.items()}
        flow = cohort.differentiable_logits(leaves, ones, training=False).sum()
        gradients = torch.autograd.grad(flow, [leaves[name] for name in names])
        scores = start.kernels(
            {name: leaves[name].detach() * gradient for name, gradient in zip(names, gradients, strict=True)}
        )
        scores = {name: score.masked_fill(~kept[name], -1) for name, score in scores.items()}
        counts = counts_left(method, start.total, start.counts, step, method.iterations)
        kept = keep_largest(scores, counts, fewer_by_one=method.published)
    return kept
