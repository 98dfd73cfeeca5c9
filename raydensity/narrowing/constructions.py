"""Networks twice as wide that compute what a dense network computes, with known units to spare.

Frivolous Units, section 3: prunable and redundant units are distinct, since there are networks with more of both, with
only more prunable ones, and with only more redundant ones. u are a layer's activities, theta its outgoing weights.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from raydensity.models.mlp import DenseNetwork


def more_of_both(network: DenseNetwork) -> DenseNetwork:
    """Activities [u, u] with outgoing weights [theta, 0]: half of each layer is prunable, and half redundant."""
    return _doubled(network, lambda kernel: torch.cat([kernel, torch.zeros_like(kernel)], dim=1))


def only_redundant(network: DenseNetwork, *, balance: float) -> DenseNetwork:
    """Activities [u, u] with outgoing weights 1/2 [theta + b, theta - b]: half of each layer is redundant.

    With a `balance` b large beside the weights theta none is prunable: without one unit of the second half the next
    layer is off by 1/2 (b - theta) u, without its twin by -1/2 (b + theta) u.
    """
    return _doubled(network, lambda kernel: torch.cat([kernel + balance, kernel - balance], dim=1) / 2)


def only_prunable(network: DenseNetwork, beside: DenseNetwork) -> DenseNetwork:
    """Activities [u, v] with outgoing weights [theta, 0]: the units v, those of a network beside it, are prunable.

    v is seen by the later layers of `beside` and by nothing else. Where the activities v are uncorrelated with u and
    with each other, as where they see independent inputs, no unit is redundant that was not before. Raises ValueError
    where the networks differ in inputs or in the number of layers.
    """
    layers, others = _dense(network), _dense(beside)
    if len(layers) != len(others) or layers[0].in_features != others[0].in_features:
        raise ValueError("beside: networks side by side have the same inputs and as many layers")
    kernels = [torch.cat([layers[0].weight, others[0].weight])]
    kernels += [torch.block_diag(own.weight, other.weight) for own, other in zip(layers[1:], others[1:], strict=True)]
    biases = [torch.cat([own.bias, other.bias]) for own, other in zip(layers, others, strict=True)]
    classes = layers[-1].out_features
    return _assembled([*kernels[:-1], kernels[-1][:classes]], [*biases[:-1], biases[-1][:classes]])


def _doubled(network: DenseNetwork, outgoing: Callable[[Tensor], Tensor]) -> DenseNetwork:
    """Every hidden unit twice; `outgoing` turns the kernel [out, in] after a layer into one [out, 2 in]."""
    first, *others = _dense(network)
    layers = [(first.weight, first.bias), *((outgoing(layer.weight), layer.bias) for layer in others)]
    twice = [(torch.cat([kernel, kernel]), torch.cat([bias, bias])) for kernel, bias in layers[:-1]]
    kernels, biases = zip(*twice, layers[-1], strict=True)
    return _assembled(kernels, biases)


def _dense(network: DenseNetwork) -> list[nn.Linear]:
    return [layer for layer in network.children() if isinstance(layer, nn.Linear)]


def _assembled(kernels: Sequence[Tensor], biases: Sequence[Tensor]) -> DenseNetwork:
    """The dense network with these kernels [out, in] and biases [out]."""
    inputs, *hidden = (kernel.shape[1] for kernel in kernels)
    network = DenseNetwork(inputs, tuple(hidden), len(kernels[-1]))
    for layer, kernel, bias in zip(_dense(network), kernels, biases, strict=True):
        layer.weight, layer.bias = nn.Parameter(kernel.detach().clone()), nn.Parameter(bias.detach().clone())
    return network
