"""Dense networks: LeNet-300-100 by default (density paper, section 3.1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import ceil, prod

import torch.nn.functional as F
from torch import Tensor, nn

from raydensity.models.chain import Chain, Step, Wiring
from raydensity.models.layers import scaled
from raydensity.spec import MLP


class DenseNetwork(Chain):
    """Dense layers with ReLU between them: fc1, fc2, ..., proj."""

    def __init__(self, inputs: int, hidden: tuple[int, ...], classes: int) -> None:
        super().__init__()
        sizes = (inputs, *hidden)
        for number, (fan_in, fan_out) in enumerate(zip(sizes, hidden, strict=False), start=1):
            self.add_module(f"fc{number}", nn.Linear(fan_in, fan_out))
        self.proj = nn.Linear(sizes[-1], classes)

    def steps(self) -> dict[str, Step]:
        """fc1, fc2, ...; images of any shape are flattened."""

        def dense(layer: nn.Module) -> Step:
            return lambda x: F.relu(layer(x.flatten(1)), inplace=True)  # pages of new memory cost more than the sum

        hidden = {name: dense(layer) for name, layer in self.named_children() if name != "proj"}
        return {**hidden, "logits": self.proj}

    def wiring(self) -> list[Wiring]:
        """Each layer is seen by the next."""
        names = [name for name, _ in self.named_children()]
        return [Wiring([layer], [layer], {following: None}) for layer, following in pairwise(names)]


def build(architecture: MLP, *, input_shape: tuple[int, ...], classes: int, unit_multiple: int = 1) -> DenseNetwork:
    """The network at its width; hidden layers are rounded up to `unit_multiple` units (padding of a cohort)."""
    hidden = tuple(ceil(units / unit_multiple) * unit_multiple for units in hidden_units(architecture))
    return DenseNetwork(prod(input_shape), hidden, classes)


def hidden_units(architecture: MLP) -> tuple[int, ...]:
    """The units of each hidden layer at the architecture's width."""
    return tuple(
        scaled(units, architecture.width, f"fc{number} of mlp")
        for number, units in enumerate(architecture.hidden, start=1)
    )


def hidden_for(parameters: float, *, inputs: int, outputs: int, layers: int) -> tuple[int, ...]:
    """Equal hidden layers, so that a network has about so many parameters (the general model of ODF2NNA, c.1).

    Of the two whole numbers of units next to the solution the one that comes closer; at least one unit.
    """

    def count(units: int) -> int:
        return units * (inputs + 1) + (layers - 1) * units * (units + 1) + outputs * (units + 1)

    units = 1
    while count(units + 1) <= parameters:
        units += 1
    if count(units + 1) - parameters < parameters - count(units):
        units += 1
    return (units,) * layers


def narrow_shapes(shapes: Mapping[str, tuple[int, ...]], kept: Sequence[int]) -> dict[str, tuple[int, ...]]:
    """The shapes of a dense network's parameters where each hidden layer has only so many units."""
    first, last = next(iter(shapes.values()))[1], list(shapes.values())[-1][0]
    sizes = [first, *kept, last]
    weights = [(outputs, inputs) for inputs, outputs in pairwise(sizes)]
    narrow = [shape for weight in weights for shape in (weight, weight[:1])]
    return dict(zip(shapes, narrow, strict=True))


def embedded(state: Mapping[str, Tensor], shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """A narrow dense network's parameters in the shapes of a wider one: its units come first, all else is zero."""
    wide = {}
    for name, shape in shapes.items():
        wide[name] = state[name].new_zeros(shape)
        wide[name][tuple(slice(length) for length in state[name].shape)] = state[name]
    return wide


def extracted(state: Mapping[str, Tensor], kept: Sequence[int]) -> dict[str, Tensor]:
    """What `embedded` was given: the parameters of the first units of each hidden layer."""
    narrow = narrow_shapes({name: tuple(each.shape) for name, each in state.items()}, kept)
    return {name: state[name][tuple(slice(length) for length in shape)].clone() for name, shape in narrow.items()}
