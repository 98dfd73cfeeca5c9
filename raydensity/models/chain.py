"""A network as a chain of hidden layers, each of which sees nothing but the output of the one before."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple

from torch import Tensor, nn

Step = Callable[[Tensor], Tensor]


@dataclass
class Wiring:
    """Which modules have a row or a column for each of the units that some hidden layers share.

    `layers` is one hidden layer, or those of a residual stream, whose units all that adds into it must have.
    `producers` give the units: dense layers, convolutions, and batch norms after them. `consumers` are the dense layers
    and convolutions that see them, each with the batch norm after it, or None where it has a bias. `neighbours` are the
    normalisations across neighbouring units in between. `accumulates` says whether blocks see the units and add to them
    again: a unit that is ablated, where a layer ends, is then another thing than one that was never there.
    """

    layers: list[str]
    producers: list[str]
    consumers: dict[str, str | None] = field(default_factory=dict)
    neighbours: list[str] = field(default_factory=list)
    accumulates: bool = False


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

    def wiring(self) -> list[Wiring]:
        """How the units of all hidden layers hang together, in order, so that they can be removed. Modules by name.

        Raises ValueError for architectures that do not say it.
        """
        raise ValueError(f"units cannot be removed from a {type(self).__name__}, whose wiring is not known")

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
