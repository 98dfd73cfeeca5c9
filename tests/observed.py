"""Small dense networks with given weights, and what is observed of them."""

from __future__ import annotations

import torch

from raydensity.compression import Observation, observe
from raydensity.models.mlp import DenseNetwork


def dense(*layers: tuple[list[list[float]], list[float]]) -> DenseNetwork:
    """A dense network from its layers' weights [outputs, inputs] and biases."""
    weights = [torch.tensor(weight) for weight, _ in layers]
    network = DenseNetwork(weights[0].shape[1], tuple(len(weight) for weight in weights[:-1]), len(weights[-1]))
    with torch.no_grad():
        for module, weight, (_, bias) in zip(network.children(), weights, layers, strict=True):
            module.weight.copy_(weight)
            module.bias.copy_(torch.tensor(bias))
    return network.eval()


def random_network(seed: int, inputs: int, hidden: tuple[int, ...], outputs: int) -> DenseNetwork:
    """Weights and biases drawn at random."""
    source = torch.Generator().manual_seed(seed)
    network = DenseNetwork(inputs, hidden, outputs)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=source))
    return network.eval()


def observed(network: DenseNetwork, *, count: int = 64, seed: int = 0, regression: bool = False) -> Observation:
    """The network on images that are drawn at random, with random labels."""
    source = torch.Generator().manual_seed(seed)
    inputs = network.fc1.in_features
    images = torch.randn(count, inputs, generator=source)
    classes = network.proj.out_features
    labels = torch.randn(count, generator=source)
    return observe(network, images, labels if regression else torch.randint(classes, (count,), generator=source))
