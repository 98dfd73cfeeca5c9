"""What a trained dense network does on the images by which its units and weights are judged.

Shapes: B images, U units of a hidden layer.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import torch
from torch import Tensor, nn

from raydensity.losses import mean_loss
from raydensity.models.mlp import DenseNetwork


@dataclass(frozen=True, eq=False)
class Observation:
    """A network in evaluation mode, the `images` [B, ...] that it saw, preprocessed, their `labels` [B], and the
    outputs of its hidden layers after the nonlinearity, `outputs` [B, U] by layer."""

    network: DenseNetwork
    images: Tensor
    labels: Tensor
    outputs: dict[str, Tensor]

    @property
    def layers(self) -> list[str]:
        """The hidden layers, in order."""
        return list(self.outputs)

    def incoming(self, layer: str) -> Tensor:
        """The weights by which a layer's units see the one before: [U, inputs]."""
        return self._dense(layer).weight.detach()

    def biases(self, layer: str) -> Tensor:
        """[U]"""
        return self._dense(layer).bias.detach()

    def outgoing(self, layer: str) -> Tensor:
        """The weights by which the next layer sees a layer's units: [outputs, U]."""
        return self._dense(self.following(layer)).weight.detach()

    def following(self, layer: str) -> str:
        """The name of the next layer."""
        names = [name for name, _ in self.network.named_children()]
        return dict(pairwise(names))[layer]

    def _dense(self, layer: str) -> nn.Linear:
        module = self.network.get_submodule(layer)
        assert isinstance(module, nn.Linear)
        return module

    @cached_property
    def gradients(self) -> dict[str, Tensor]:
        """Gradient of each image's loss by the outputs of the hidden layers: [B, U] by layer."""
        outputs: list[Tensor] = []
        x = self.images
        with torch.enable_grad():
            for name, step in self.network.steps().items():
                x = step(x)
                if name != "logits":
                    x = x if outputs else x.detach().requires_grad_()
                    outputs.append(x)
            # The mean times B is the sum over images: each one's gradient is then its own.
            found = torch.autograd.grad(mean_loss(x, self.labels) * len(x), outputs)
        return dict(zip(self.layers, found, strict=True))


@torch.no_grad()
def observe(network: DenseNetwork, images: Tensor, labels: Tensor) -> Observation:
    """The network on images [B, ...], preprocessed as for training, and their labels [B].

    Raises ValueError for fewer than two images: nothing would vary.
    """
    if len(images) < 2:
        raise ValueError("images: units are judged by how they vary, which takes two images or more")
    return Observation(network, images, labels, network.activations(images))
