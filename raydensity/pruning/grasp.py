"""GraSP: keep what preserves the gradient flow."""

from __future__ import annotations

import torch
from torch import Tensor

from raydensity.pruning.at_initialization import Start
from raydensity.pruning.schedules import counts_left
from raydensity.pruning.selection import keep_largest
from raydensity.spec.sparsity import GraSP
from raydensity.stack import State


def grasp(start: Start, method: GraSP) -> State:
    """Remove the weights with the largest -weight * (Hessian times gradient), as Wang et al. 2020 do.

    On `samples_per_class` images of each class, logits divided by `temperature`.
    """
    names = start.cohort.prunable()
    labels = start.dataset.train_labels

    def by_class(own: Tensor) -> list[Tensor]:
        return [own[labels[own] == each] for each in range(start.dataset.description.classes)]

    images, own_labels = start.images(by_class, method.samples_per_class, "grasp")
    leaves = {name: p.detach().clone().requires_grad_() for name, p in start.cohort.parameters.items()}
    loss = start.losses(leaves, images, own_labels, temperature=method.temperature)
    gradients = torch.autograd.grad(loss, [leaves[name] for name in names], create_graph=True)
    flow = sum((gradient.detach() * gradient).sum() for gradient in gradients)
    assert isinstance(flow, Tensor)
    products = torch.autograd.grad(flow, [leaves[name] for name in names])
    # Wang et al. divide by the sum of all scores, which changes no order: it is left out.
    scores = {name: leaves[name].detach() * product for name, product in zip(names, products, strict=True)}
    return keep_largest(start.kernels(scores), counts_left(method, start.total, start.counts))
