"""A network as a chain of hidden layers, each of which sees nothing but the output of the one before."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

Step = Callable[[Tensor], Tensor]


class Chain(nn.Module):
    """The base of all architectures: they say what their steps are.

    Measures use it to begin in the middle: what follows a layer is computed from that layer's output alone.
    """

    def steps(self) -> dict[str, Step]:
        """By hidden layer, in order: from what it sees to its output after the nonlinearity; last `logits`.

        The first sees the images [batch, ...]. Outputs are [batch, units], or feature maps [batch, units, height,
        width] before any pooling, which is part of the next step.
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

    def forward(self, x: Tensor) -> Tensor:
        """Images [batch, ...] -> logits [batch, classes]."""
        for step in self.steps().values():
            x = step(x)
        return x
