"""A sparse network rebuilt from the weights in its record: its activations, and which of its units are connected."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray

INPUTS = 2

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class KeptNetwork:
    """Weights [units, inputs] and biases [units] by layer, zero where nothing was kept."""

    weights: list[Array]
    biases: list[Array]

    @property
    def layers(self) -> int:
        return len(self.weights)

    def activations(self, points: Array) -> list[Array]:
        """What every layer gives for points [n, 2]: the inputs, the hidden layers after their ReLU, the logit."""
        found = [points]
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            sums = found[-1] @ weight.T + bias
            found.append(np.maximum(sums, 0) if layer + 1 < self.layers else sums)
        return found

    def connected(self) -> list[Flags]:
        """By layer from the inputs on: which units lie on a path of kept weights from an input to the output.

        `raydensity/measures/connectivity.py` does it for stacks of masks on any device; a test holds them together.
        """
        reached = [np.ones(INPUTS, dtype=bool)]
        for weight in self.weights:
            reached.append(((weight != 0) & reached[-1]).any(axis=1))
        reaching = [np.ones(len(self.weights[-1]), dtype=bool)]
        for weight in reversed(self.weights):
            reaching.append(((weight != 0) & reaching[-1][:, None]).any(axis=0))
        ends = [source & target for source, target in zip(reached, reversed(reaching), strict=True)]
        return [np.ones(INPUTS, dtype=bool), *ends[1:-1], np.ones(len(self.weights[-1]), dtype=bool)]

    def used(self) -> list[Flags]:
        """By layer: which units have a kept weight; inputs and outputs always are."""
        hidden = [(before != 0).any(axis=1) | (after != 0).any(axis=0) for before, after in pairwise(self.weights)]
        return [np.ones(INPUTS, dtype=bool), *hidden, np.ones(len(self.weights[-1]), dtype=bool)]


def rebuild(record: pd.Series) -> KeptNetwork:
    """The network of a row with `hidden` and the `kept_` lists.

    Raises ValueError where the record holds no weights, or those of a network that is not one of two inputs.
    """
    layer, unit, source = (np.asarray(record[f"kept_{name}"], dtype=int) for name in ("layer", "unit", "input"))
    value = np.asarray(record["kept_value"], dtype=float)
    if not len(value):
        raise ValueError("its record holds no weights: it diverged, or was trained by an older version")
    layers = len(record["hidden"].split("-")) + 1
    # Units beyond the last that has a weight have none: a layer may be taken as long as that.
    sizes = [INPUTS] + [1] * layers
    for place in range(layers):
        sizes[place + 1] = max([1, *(unit[layer == place] + 1), *(source[layer == place + 1] + 1)])
    if np.any(source[layer == 0] >= INPUTS) or sizes[-1] != 1:
        raise ValueError("a picture shows two inputs and one output, which this network does not have")
    weights = [np.zeros((after, before)) for before, after in pairwise(sizes)]
    biases = [np.zeros(size) for size in sizes[1:]]
    for place in range(layers):
        here = (layer == place) & (source >= 0)
        weights[place][unit[here], source[here]] = value[here]
        own = (layer == place) & (source < 0)
        biases[place][unit[own]] = value[own]
    return KeptNetwork(weights, biases)
