"""Complete paths of masked dense networks: which weights and units lie on one ("Sparsest Models Elude Pruning")."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor


class Connectivity(NamedTuple):
    """What of N masked networks lies on a path of kept weights from an input to an output.

    `masks`, a layer each: bool [N, O, I], the kept weights on such a path. `units`, a hidden layer each: bool
    [N, units], those on such a path. `weights` int64 [N] counts the former. `disconnected_units` int64
    [N, hidden layers]: hidden units that have a kept weight, incoming or outgoing, but lie on no such path.
    """

    masks: tuple[Tensor, ...]
    units: tuple[Tensor, ...]
    weights: Tensor
    disconnected_units: Tensor


def connected(masks: Sequence[Tensor]) -> Connectivity:
    """Strip dense networks of all units that no input reaches or that reach no output, and of their weights.

    masks: bool [N, O, I], a layer each from input to output. Removing units until none is left to remove comes to two
    passes: what the inputs reach, and what reaches the outputs; a weight is on a path where the one meets the other.
    Biases do not connect: a unit without a path from an input but with one to an output passes a constant on, which the
    paper counts as disconnected. Raises ValueError if there is no layer or their types or shapes do not fit.
    """
    _check(masks)
    networks, _, inputs = masks[0].shape
    reached = [masks[0].new_ones(networks, inputs)]
    for mask in masks:
        reached.append((mask & reached[-1][:, None, :]).any(dim=2))
    reaching = [masks[0].new_ones(networks, masks[-1].shape[1])]
    for mask in reversed(masks):
        reaching.append((mask & reaching[-1][:, :, None]).any(dim=1))
    reaching.reverse()
    on_path = tuple(
        mask & source[:, None, :] & target[:, :, None]
        for mask, source, target in zip(masks, reached[:-1], reaching[1:], strict=True)
    )
    units = tuple(a & b for a, b in zip(reached[1:-1], reaching[1:-1], strict=True))
    weights = torch.stack([mask.sum(dim=(1, 2)) for mask in on_path]).sum(dim=0)
    disconnected = weights.new_zeros(networks, len(units))
    for layer, ((before, after), unit) in enumerate(zip(pairwise(masks), units, strict=True)):
        disconnected[:, layer] = ((before.any(dim=2) | after.any(dim=1)) & ~unit).sum(dim=1)
    return Connectivity(on_path, units, weights, disconnected)


def connected_nonzeros(connectivity: Connectivity, biases: Sequence[Tensor]) -> Tensor:
    """Weights on complete paths, kept biases of connected hidden units and all kept biases of outputs: int64 [N].

    biases: bool [N, O], a layer each from input to output, True where the bias is kept. Raises ValueError if their
    number, types or shapes do not fit.
    """
    expected = [mask.shape[:2] for mask in connectivity.masks]
    if [bias.shape for bias in biases] != expected or any(bias.dtype != torch.bool for bias in biases):
        found = [(str(bias.dtype), tuple(bias.shape)) for bias in biases]
        raise ValueError(f"biases {found} must be bool of the shapes {[tuple(shape) for shape in expected]}")
    *hidden, output = biases
    total = connectivity.weights + output.sum(dim=1)
    for bias, unit in zip(hidden, connectivity.units, strict=True):
        total = total + (bias & unit).sum(dim=1)
    return total


def _check(masks: Sequence[Tensor]) -> None:
    if not masks:
        raise ValueError("a network needs a layer")
    if any(mask.dtype != torch.bool or mask.dim() != 3 for mask in masks) or any(
        after.shape[0] != before.shape[0] or after.shape[2] != before.shape[1] for before, after in pairwise(masks)
    ):
        found = [(str(mask.dtype), tuple(mask.shape)) for mask in masks]
        raise ValueError(f"masks {found} must be bool [N, O, I], the inputs of a layer the units of the one before")
