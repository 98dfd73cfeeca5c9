"""Removing units: a smaller module that computes what the network computes without them (Frivolous Units, section 3).

A unit is a row of a dense layer, a feature map of a convolution, or a channel of a residual stream: everywhere that it
is seen, it is as if it were 0. Normalisation across neighbouring units still finds the others where they were.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from raydensity.models.chain import Chain, Wiring
from raydensity.models.layers import UnsharedConv2d

# Along which dimension the units that a module gives or sees stand, of each of its tensors.
GIVEN: dict[type[nn.Module], dict[str, int]] = {
    nn.Linear: {"weight": 0, "bias": 0},
    nn.Conv2d: {"weight": 0, "bias": 0},
    UnsharedConv2d: {"weight": 1, "bias": 0},
    nn.BatchNorm2d: {"weight": 0, "bias": 0, "running_mean": 0, "running_var": 0},
}
SEEN: dict[type[nn.Module], int] = {nn.Linear: 1, nn.Conv2d: 1, UnsharedConv2d: 2}
COUNTS = {
    nn.Linear: ("out_features", "in_features"),
    nn.Conv2d: ("out_channels", "in_channels"),
    nn.BatchNorm2d: ("num_features", "num_features"),
}


class AtPositions(nn.Module):
    """A normalisation across `units` neighbours of which only those at `positions` are left; the others are 0."""

    def __init__(self, norm: nn.Module, positions: Tensor, *, units: int) -> None:
        super().__init__()
        self.norm, self.units = norm, units
        self.register_buffer("positions", positions)
        self.positions: Tensor

    def forward(self, x: Tensor) -> Tensor:
        """[batch, units left, ...] -> the same shape."""
        whole = x.new_zeros(len(x), self.units, *x.shape[2:])
        return self.norm(whole.index_copy(1, self.positions, x))[:, self.positions]


def excise(network: Chain, kept: Mapping[str, Tensor]) -> Chain:
    """A smaller copy of a network that has only some units of its hidden layers.

    `kept` are indices or a mask [units] by layer; layers that it lacks stay whole, and those of a residual stream have
    the same units. To rounding the copy computes what the network does where the other units are set to 0, those of a
    residual stream wherever a block has added to it. Raises ValueError for a layer or unit that the network has not,
    a layer that would be empty, and layers of a stream that differ.
    """
    narrow = copy.deepcopy(network)
    for wiring, own in by_wiring(narrow, kept):
        count = units(narrow, wiring)
        indices = own.nonzero()[:, 0] if own.dtype == torch.bool else own.unique()
        if own.dtype == torch.bool and len(own) != count:
            raise ValueError(f"kept: {wiring.layers[0]} has {count} units, and the mask is of {len(own)}")
        if not len(indices) or indices[0] < 0 or indices[-1] >= count:
            raise ValueError(f"kept: {wiring.layers[0]} keeps at least one of its units 0 to {count - 1}")
        keep(narrow, wiring, indices)
    return narrow


def by_wiring(network: Chain, chosen: Mapping[str, Tensor]) -> list[tuple[Wiring, Tensor]]:
    """What is chosen by layer, for all layers that share their units at once, in the order of the network."""
    wirings = network.wiring()
    layers = [layer for wiring in wirings for layer in wiring.layers]
    for layer in chosen:
        if layer not in layers:
            raise ValueError(f"no hidden layer {layer!r} in this network, it has {', '.join(layers)}")
    found = []
    for wiring in wirings:
        own = [torch.as_tensor(chosen[layer]) for layer in wiring.layers if layer in chosen]
        if any(not torch.equal(own[0], other) for other in own[1:]):
            raise ValueError(f"{' and '.join(wiring.layers)} share their units, and lose the same ones")
        if own:
            found.append((wiring, own[0]))
    return found


def units(network: Chain, wiring: Wiring) -> int:
    """How many units the layers of a wiring have."""
    producer = network.get_submodule(wiring.producers[0])
    return producer.get_parameter("weight").shape[GIVEN[_kind(producer)]["weight"]]


def columns(consumer: nn.Module, count: int) -> Tensor:
    """The kernel of a module that sees `count` units, as a view [units, columns of each, outputs, ...]."""
    weight = consumer.get_parameter("weight").detach()
    dimension = SEEN[_kind(consumer)]
    return weight.unflatten(dimension, (count, -1)).movedim((dimension, dimension + 1), (0, 1))


def keep(network: Chain, wiring: Wiring, indices: Tensor) -> None:
    """Drop all units of a wiring but those at `indices` (sorted), in place."""
    count = units(network, wiring)
    for name in wiring.producers:
        module = network.get_submodule(name)
        for tensor, dimension in GIVEN[_kind(module)].items():
            _select(module, tensor, dimension, indices)
        _recount(module, 0, len(indices))
    for name in wiring.consumers:
        module = network.get_submodule(name)
        dimension = SEEN[_kind(module)]
        each = module.get_parameter("weight").shape[dimension] // count
        of_them = (indices[:, None] * each + torch.arange(each, device=indices.device)).flatten()
        _select(module, "weight", dimension, of_them)
        _recount(module, 1, len(of_them))
    for layer in wiring.layers:
        if layer in network.dropped:
            network.dropped[layer] = network.dropped[layer]._replace(units=len(indices))
    for name in wiring.neighbours:
        norm = network.get_submodule(name)
        indices = indices.to(network.get_submodule(wiring.producers[0]).get_parameter("weight").device)
        if isinstance(norm, AtPositions):
            norm.positions = norm.positions[indices]
        else:
            network.set_submodule(name, AtPositions(norm, indices, units=count))


def _kind(module: nn.Module) -> type[nn.Module]:
    return next(kind for kind in GIVEN if isinstance(module, kind))


def _select(module: nn.Module, name: str, dimension: int, indices: Tensor) -> None:
    """Keep some slices of a parameter or buffer, which may be None."""
    tensor = getattr(module, name)
    if tensor is not None:
        chosen = tensor.detach().index_select(dimension, indices.to(tensor.device))
        is_parameter = isinstance(tensor, nn.Parameter)
        setattr(module, name, nn.Parameter(chosen, tensor.requires_grad) if is_parameter else chosen)


def _recount(module: nn.Module, side: int, count: int) -> None:
    if _kind(module) in COUNTS:
        setattr(module, COUNTS[_kind(module)][side], count)
