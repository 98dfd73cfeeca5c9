"""What stays for units that go (specification c.1, step 3)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from raydensity.compression.observation import Observation
from raydensity.models.mlp import DenseNetwork


@torch.no_grad()
def by_mean(narrow: DenseNetwork, seen: Observation, kept: Mapping[str, Tensor]) -> None:
    """Add to the next layer's biases what the units that went gave on average, in place: exact for constant units."""
    for layer, stay in kept.items():
        means = seen.outputs[layer][:, ~stay].double().mean(0)
        given = seen.outgoing(layer)[:, ~stay].double() @ means
        rows = kept.get(seen.following(layer))
        _bias(narrow, seen.following(layer)).add_(given if rows is None else given[rows])


@torch.no_grad()
def literal(narrow: DenseNetwork, seen: Observation, kept: Mapping[str, Tensor]) -> None:
    """Spread the sum of the biases of the units that went over those of their layer that stay, in place.

    That is how the paper's summary can be read: "sum biases of removed units into layer bias".
    """
    for layer, stay in kept.items():
        _bias(narrow, layer).add_(seen.biases(layer)[~stay].sum() / stay.sum())


def _bias(network: DenseNetwork, layer: str) -> nn.Parameter:
    return network.get_submodule(layer).get_parameter("bias")
