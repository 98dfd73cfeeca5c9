"""Masks of whole networks: from those of the kernels, by the rule for biases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import torch
from torch import Tensor

from raydensity.cohort import Cohort
from raydensity.models.mlp import DenseNetwork, embedded, narrow_shapes
from raydensity.stack import State


def with_biases(cohort: Cohort, kernels: State) -> State:
    """Masks of all parameters, [N, ...] by name, from those of the kernels.

    A hidden unit of a dense network keeps its bias if it has an outgoing weight; the output's biases always stay
    (specification d.2). Other architectures keep biases and batch norm: the paper has no rule for them.
    """
    masks = dict(kernels)
    if isinstance(cohort.model, DenseNetwork):
        masks |= hidden_biases(kernels)
    for name, shape in cohort.shapes.items():
        if name not in masks:
            masks[name] = torch.ones(cohort.size, *shape, dtype=torch.bool, device=cohort.device)
    return {name: masks[name] for name in cohort.shapes}


def hidden_biases(kernels: Mapping[str, Tensor]) -> State:
    """Masks of the hidden units' biases, from those of a dense network's kernels [..., outputs, inputs] in order."""
    layers = pairwise(kernels.items())
    return {layer.replace("weight", "bias"): outgoing.any(-2) for (layer, _), (_, outgoing) in layers}


def of_units(cohort: Cohort, kept: Sequence[Sequence[int]]) -> State:
    """Masks of all parameters, [N, ...] by name, of dense networks that have only the first units of each layer."""
    each = []
    for own in kept:
        narrow = narrow_shapes(cohort.shapes, own)
        ones = {name: torch.ones(shape, dtype=torch.bool, device=cohort.device) for name, shape in narrow.items()}
        each.append(embedded(ones, cohort.shapes))
    return {name: torch.stack([masks[name] for masks in each]) for name in cohort.shapes}


def units_left(cohort: Cohort) -> Tensor:
    """Units of each hidden layer that the masks of dense networks leave, those with a bias: int64 [N, layers]."""
    assert cohort.masks is not None
    biases = [name for name in cohort.shapes if name.endswith("bias")][:-1]
    return torch.stack([cohort.weights(name, cohort.masks[name]).sum(1) for name in biases], dim=1)


def spare_biases(cohort: Cohort, masks: State) -> None:
    """Keep the biases that the published ProsPr forgets to remove, in place: layer l's where l is no less than its
    units less one, counted from 0, which is the third layer of networks of width 3."""
    if isinstance(cohort.model, DenseNetwork):
        for number, (layer, _) in enumerate(pairwise(name for name, _ in cohort.model.named_children())):
            if number >= masks[f"{layer}.bias"].shape[1] - 1:
                masks[f"{layer}.bias"].fill_(True)


def explicit(cohort: Cohort, rows: list[tuple[tuple[int, ...], ...]]) -> State:
    """Kernels' masks from the bits of each network's units (`sparsity.Explicit`)."""
    masks: State = {}
    for layer, name in enumerate(cohort.prunable()):
        units, inputs = cohort.shapes[name]
        mask = torch.zeros(cohort.size, units, inputs, dtype=torch.bool)
        for network, layers in enumerate(rows):
            mask[network, : len(layers[layer])] = _bits(layers[layer], inputs)
        masks[name] = mask.to(cohort.device)
    return masks


def _bits(numbers: Sequence[int], count: int) -> Tensor:
    """The lowest `count` bits of some numbers, the lowest first: bool [n, count]."""
    if count < 63:
        found = torch.tensor(numbers, dtype=torch.int64).unsqueeze(1) >> torch.arange(count) & 1
    else:  # more than a tensor's numbers have
        found = torch.tensor([[number >> place & 1 for place in range(count)] for number in numbers])
    return found.view(-1, count).bool()


def shuffled(masks: State, sources: list[torch.Generator]) -> State:
    """Each kernel's mask with its places permuted, network by network: a control that keeps the layers' counts."""
    result = {}
    for name, mask in masks.items():
        flat = mask.flatten(1)
        orders = torch.stack([torch.randperm(flat.shape[1], generator=source) for source in sources])
        result[name] = flat.gather(1, orders.to(flat.device)).view_as(mask)
    return result
