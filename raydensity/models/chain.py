"""A network as a chain of hidden layers, each of which sees nothing but the output of the one before."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar, NamedTuple

from torch import Tensor, nn

Step = Callable[[Tensor], Tensor]


class Dropped(NamedTuple):
    """Which `share` of a hidden layer's `units` is dropped in training."""

    units: int
    share: float


class Chain(nn.Module):
    """The base of all architectures: they say what their steps are.

    Measures use it to begin in the middle: what follows a layer is computed from that layer's output alone.
    `biases` are those that do not start at zero, by parameter name; `dropped` are the hidden layers with dropout.
    """

    biases: ClassVar[Mapping[str, float]] = {}

    def __init__(self) -> None:
        super().__init__()
        self.dropped: dict[str, Dropped] = {}

    def steps(self) -> dict[str, Step]:
        """By hidden layer, in order: from what it sees to its output after the nonlinearity; last `logits`.

        The first sees the images [batch, ...]. Outputs are [batch, units], or feature maps [batch, units, height,
        width] before any pooling, which is part of the next step. Dropout is none of the steps.
        """
        raise NotImplementedError

    def ablated_layers(self) -> list[str]:
        """The hidden layers whose units prunability ablates: all, where the paper leaves none out."""
        return [name for name in self.steps() if name != "logits"]

    def activations(self, x: Tensor) -> dict[str, Tensor]:
        """Images [batch, ...] -> the outputs of the hidden layers."""
        outputs = {}
        for name, step in self.steps().items():
            if name != "logits":
                x = outputs[name] = step(x)
        return outputs

    def forward(self, x: Tensor, dropout: Mapping[str, Tensor] | None = None) -> Tensor:
        """Images [batch, ...] -> logits [batch, classes].

        `dropout` has what the units of a hidden layer are multiplied by, [batch, units]: 0 where they are dropped, and
        whole feature maps with them.
        """
        for name, step in self.steps().items():
            x = step(x)
            if dropout and name in dropout:
                factors = dropout[name].to(x.dtype)
                x = x * factors.view(*factors.shape, *[1] * (x.ndim - 2))
        return x
