"""AlexNet for CIFAR-10 (Frivolous Units, specification b.2)."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil
from typing import ClassVar

from torch import nn

from raydensity.models.chain import Chain, Dropped, Step, Wiring
from raydensity.models.layers import ACTIVATIONS, max_pool_same, scaled
from raydensity.models.local_response_norm import LocalResponseNorm
from raydensity.spec import Activation, AlexNet


class AlexNetwork(Chain):
    """conv1 - pool - norm1 - conv2 - pool - norm2 - fc1 - fc2 - proj, each hidden layer with its activation function.

    5x5 convolutions that keep the size, 3x3 max-pools with stride 2, local response normalisation.
    """

    biases: ClassVar[Mapping[str, float]] = {"conv2.bias": 0.1, "fc1.bias": 0.1, "fc2.bias": 0.1}

    def __init__(
        self,
        input_shape: tuple[int, int, int],
        *,
        units: tuple[int, int, int, int],
        classes: int,
        activation: Activation,
        dropout: float,
    ) -> None:
        super().__init__()
        channels, height, width = input_shape
        self.conv1 = nn.Conv2d(channels, units[0], 5, padding=2)
        self.norm1 = LocalResponseNorm()
        self.conv2 = nn.Conv2d(units[0], units[1], 5, padding=2)
        self.norm2 = LocalResponseNorm()
        self.fc1 = nn.Linear(units[1] * ceil(height / 4) * ceil(width / 4), units[2])
        self.fc2 = nn.Linear(units[2], units[3])
        self.proj = nn.Linear(units[3], classes)
        self.activation = ACTIVATIONS[activation]
        if dropout:
            self.dropped = {"fc1": Dropped(units[2], dropout), "fc2": Dropped(units[3], dropout)}

    def steps(self) -> dict[str, Step]:
        """Pooling and normalisation belong to the layer after them."""
        return {
            "conv1": lambda x: self.activation(self.conv1(x)),
            "conv2": lambda x: self.activation(self.conv2(self.norm1(max_pool_same(x)))),
            "fc1": lambda x: self.activation(self.fc1(self.norm2(max_pool_same(x)).flatten(1))),
            "fc2": lambda x: self.activation(self.fc2(x)),
            "logits": self.proj,
        }

    def wiring(self) -> list[Wiring]:
        """Each layer is seen by the next, that of a convolution through the normalisation after it."""
        return [
            Wiring(["conv1"], ["conv1"], {"conv2": None}, ["norm1"]),
            Wiring(["conv2"], ["conv2"], {"fc1": None}, ["norm2"]),
            Wiring(["fc1"], ["fc1"], {"fc2": None}),
            Wiring(["fc2"], ["fc2"], {"proj": None}),
        ]


def build(architecture: AlexNet, *, input_shape: tuple[int, int, int], classes: int) -> AlexNetwork:
    """The network at its width: 96s and 256s filters, 384s and 192s units."""
    first, second, third, fourth = (
        scaled(units, architecture.width, f"{layer} of alexnet")
        for layer, units in {"conv1": 96, "conv2": 256, "fc1": 384, "fc2": 192}.items()
    )
    return AlexNetwork(
        input_shape,
        units=(first, second, third, fourth),
        classes=classes,
        activation=architecture.activation,
        dropout=architecture.dropout,
    )
