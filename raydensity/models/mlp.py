"""Dense networks: LeNet-300-100 by default (density paper, section 3.1)."""

from __future__ import annotations

from itertools import pairwise
from math import ceil, prod

import torch.nn.functional as F
from torch import nn

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
    hidden = tuple(
        ceil(scaled(units, architecture.width, f"fc{number} of mlp") / unit_multiple) * unit_multiple
        for number, units in enumerate(architecture.hidden, start=1)
    )
    return DenseNetwork(prod(input_shape), hidden, classes)
