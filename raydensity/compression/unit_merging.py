"""Units that go to others: what they gave is taken over by units that stay."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import torch

from raydensity.compression.observation import Observation
from raydensity.models.mlp import DenseNetwork
from raydensity.narrowing.excision import excise
from raydensity.narrowing.refactoring import refactor


def correlation(seen: Observation, left: Mapping[str, int]) -> DenseNetwork:
    """The network with so many units `left` by layer: of the two most correlated, one is merged into the other.

    The one goes that is more correlated with all others; its twin takes over the outgoing weights times the slope of
    the regression of the one on the other, the next biases what the regression leaves (as in neuron merging, Kim et al.
    2020). Units that do not vary go first, into the biases.
    """
    kept, weights, biases = {}, {}, {}
    for layer, count in left.items():
        weight, bias = seen.outgoing(layer).double().clone(), seen.biases(seen.following(layer)).double().clone()
        outputs = seen.outputs[layer].double()
        means, centred = outputs.mean(0), outputs - outputs.mean(0)
        covariance = centred.T @ centred / len(outputs)
        # Unit by unit, on a CPU: a GPU would be waited for at every one of them.
        weight, bias, means, covariance = weight.cpu(), bias.cpu(), means.cpu(), covariance.cpu()
        variance = covariance.diagonal()
        scale = variance.clamp(min=torch.finfo(torch.float64).tiny).sqrt()
        alike = (covariance / scale / scale[:, None]).abs().fill_diagonal_(-1)
        there = torch.ones(len(means), dtype=torch.bool)
        while there.sum() > count:
            own = alike.masked_fill(~(there & there[:, None]), -1)
            constant = there & (variance == 0)
            if constant.any():
                gone = int(constant.nonzero()[0, 0])
                slope, twin = 0.0, gone
            else:
                first, second = divmod(int(own.argmax()), len(own))
                total = own.clamp(min=0).sum(1)
                gone, twin = (first, second) if total[first] >= total[second] else (second, first)
                slope = (covariance[gone, twin] / variance[twin]).item()
                weight[:, twin] += slope * weight[:, gone]
            bias += (means[gone] - (slope * means[twin] if slope else 0.0)) * weight[:, gone]
            there[gone] = False
        kept[layer], weights[layer], biases[layer] = there, weight, bias
    narrow = cast(DenseNetwork, excise(seen.network, kept))
    with torch.no_grad():
        for layer in left:
            following = narrow.get_submodule(seen.following(layer))
            columns = weights[layer][:, kept[layer]]
            rows = kept.get(seen.following(layer))
            own_bias = biases[layer] if rows is None else biases[layer][rows]
            following.get_parameter("weight").copy_(columns if rows is None else columns[rows])
            following.get_parameter("bias").copy_(own_bias)
    return narrow


def principal_components(seen: Observation, left: Mapping[str, int]) -> DenseNetwork:
    """The network with so many units `left` by layer, those on which the others depend most, whose outgoing weights the
    refactoring of Frivolous Units takes over (narrowing/refactoring.py).

    Units that are left are units of the network, no principal components; the name stands in ids of networks.
    """
    removed = {layer: seen.outputs[layer].shape[1] - count for layer, count in left.items()}
    return cast(DenseNetwork, refactor(seen.network, seen.images, removed=removed))
