"""ProsPr: meta-gradients by the mask, through the first steps of training."""

from __future__ import annotations

import torch
from torch import Tensor

from raydensity.pruning.at_initialization import Start
from raydensity.pruning.schedules import counts_left
from raydensity.pruning.selection import keep_largest
from raydensity.spec import SGD
from raydensity.spec.sparsity import ProsPr
from raydensity.stack import State


def prospr(start: Start, method: ProsPr) -> State:
    """Keep the weights whose mask the loss after `inner_steps` of training depends on most (Alizadeh et al. 2022).

    The mask is applied once, to the initial weights. The steps are the run's own gradient descent without weight decay,
    each on a fresh batch, and so is the loss; differentiated in full. The published code, its authors' own, takes the
    first gradient for a constant where there is momentum.
    """
    cohort, names = start.cohort, start.cohort.prunable()
    rule = start.specs[0].training.optimizer
    momentum = rule.momentum if isinstance(rule, SGD) else 0.0
    rates = torch.tensor([spec.training.optimizer.learning_rate for spec in start.specs], device=cohort.device)
    rates = torch.cat([rates, rates[:1]])[: cohort.rows]
    weights = {name: p.detach() for name, p in cohort.parameters.items()}
    mask = {name: torch.ones_like(weights[name]).requires_grad_() for name in names}
    current: State = {
        name: p * mask[name] if name in mask else p.clone().requires_grad_() for name, p in weights.items()
    }
    speed: dict[str, Tensor] = {}
    for step in range(method.inner_steps):
        loss = start.losses(current, *start.batch(step))
        gradients = torch.autograd.grad(loss, list(current.values()), create_graph=True)
        if method.published and momentum and not step:
            gradients = tuple(gradient.detach() for gradient in gradients)
        for (name, value), gradient in zip(list(current.items()), gradients, strict=True):
            speed[name] = momentum * speed[name] + gradient if name in speed else gradient
            current[name] = value - rates.view(-1, *[1] * (value.ndim - 1)) * speed[name]
    loss = start.losses(current, *start.batch(method.inner_steps))
    gradients = torch.autograd.grad(loss, list(mask.values()))
    scores = start.kernels({name: g.abs() for name, g in zip(mask, gradients, strict=True)})
    return keep_largest(scores, counts_left(method, start.total, start.counts))
