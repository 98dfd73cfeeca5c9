"""How likely randomly placed weights connect an input to an output ("Sparsest Models Elude Pruning", section L).

At a fixed number of weights the probability falls to 0 as a network gets wider. By Markov's inequality it is at most
the expected number of complete paths: with k_l weights in layer l of 2 -> n -> n -> n -> 1, k1 k2 k3 k4 / n^3.

`sizes` are the units from inputs to outputs, such as (2, n, n, n, 1). `kept` says what is drawn, uniformly and without
replacement: with a sequence that many weights of each layer, with an integer that many of all weights together.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate, pairwise

import numpy as np
from numpy.typing import NDArray

# Weights and units held at once: some hundred MB.
AT_ONCE = 2**24


def expected_paths(sizes: Sequence[int], kept: Sequence[int] | int) -> float:
    """Exact expected number of complete paths from any input to any output.

    Raises ValueError if `kept` does not fit `sizes`.
    """
    layers = _layer_sizes(sizes, kept)
    paths = math.prod(sizes)
    if isinstance(kept, int):
        # A path takes one weight of each layer, all different: falling factorials k (k-1) ... of them are drawn.
        return paths * math.perm(kept, len(layers)) / math.perm(sum(layers), len(layers))
    return paths * math.prod(kept) / math.prod(layers)


def bound(sizes: Sequence[int], kept: Sequence[int] | int) -> float:
    """Upper bound on the probability of a complete path: the expected number of paths, 1 at most.

    Raises ValueError if `kept` does not fit `sizes`.
    """
    return min(1.0, expected_paths(sizes, kept))


def simulate(sizes: Sequence[int], kept: Sequence[int] | int, *, samples: int, generator: np.random.Generator) -> float:
    """Share of `samples` random masks that have a complete path.

    Time grows with the weights kept and the units, memory is bounded. Raises ValueError if `kept` does not fit `sizes`
    or there is no sample.
    """
    layers = _layer_sizes(sizes, kept)
    if samples < 1:
        raise ValueError(f"samples is {samples}: it must be 1 or more")
    total = kept if isinstance(kept, int) else sum(kept)
    at_once = max(1, AT_ONCE // (total + sum(sizes)))
    found = 0
    for start in range(0, samples, at_once):
        number = min(at_once, samples - start)
        if isinstance(kept, int):
            weights = _draw(sum(layers), kept, number, generator)
        else:
            starts = accumulate(layers, initial=0)
            drawn = zip(starts, layers, kept, strict=False)
            weights = np.concatenate([first + _draw(size, k, number, generator) for first, size, k in drawn], axis=1)
        found += int(_has_path(sizes, layers, weights).sum())
    return found / samples


def _layer_sizes(sizes: Sequence[int], kept: Sequence[int] | int) -> list[int]:
    """Number of weights of each layer."""
    if len(sizes) < 2 or min(sizes) < 1:
        raise ValueError(f"sizes {tuple(sizes)} must be two or more, each 1 or more")
    layers = [before * after for before, after in pairwise(sizes)]
    if isinstance(kept, int):
        fits = 0 <= kept <= sum(layers)
    else:
        fits = len(kept) == len(layers) and all(0 <= k <= size for k, size in zip(kept, layers, strict=True))
    if not fits:
        raise ValueError(f"{kept} weights cannot be kept of layers with {layers}")
    return layers


def _draw(total: int, count: int, number: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """`count` different numbers below `total`, every set equally likely, `number` times: int64 [number, count]."""
    # Floyd's algorithm: its work does not depend on `total`, which grows with the square of the width.
    chosen = np.empty((number, count), dtype=np.int64)
    for place, last in enumerate(range(total - count, total)):
        candidate = generator.integers(last + 1, size=number)
        taken = (chosen[:, :place] == candidate[:, None]).any(axis=1)
        chosen[:, place] = np.where(taken, last, candidate)
    return chosen


def _has_path(sizes: Sequence[int], layers: Sequence[int], weights: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether kept weights connect an input to an output: bool [N].

    weights: int64 [N, k], positions in the concatenated layers [in, out].
    """
    ends = np.cumsum(layers)
    layer = np.searchsorted(ends, weights, side="right")
    within = weights - (ends - np.array(layers))[layer]
    # Units are numbered through the network.
    offsets = np.array(list(accumulate(sizes, initial=0)))
    columns = np.array(sizes[1:])[layer]
    source = offsets[layer] + within // columns
    target = offsets[layer + 1] + within % columns
    reached = np.zeros((len(weights), sum(sizes)), dtype=bool)
    reached[:, : sizes[0]] = True
    for number in range(len(layers)):
        mask, place = np.nonzero(layer == number)
        live = reached[mask, source[mask, place]]
        reached[mask[live], target[mask, place][live]] = True
    return np.any(reached[:, -sizes[-1] :], axis=1)
