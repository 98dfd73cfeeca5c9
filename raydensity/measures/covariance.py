"""The covariance of a hidden layer's units, over images or positions in images, without keeping their outputs.

Shapes: B images, M examples, U units.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from raydensity.measures.outputs import outputs
from raydensity.models.chain import Chain
from raydensity.randomness import generator

REPEATS = 3
MOST_EXAMPLES = 50_000  # of a layer
LARGE = 1e15
BLOCK = 2048  # examples that are multiplied at a time


class Covariance:
    """Covariance of U units, of which some examples come at a time; memory does not grow with them.

    Each block is centred at its own mean, multiplied in float32, and merged with those before in float64 (Chan, Golub
    and LeVeque 1983), so that large means take nothing from small variances.
    """

    def __init__(self, units: int, device: torch.device) -> None:
        self.examples = self._merged = 0
        self.mean = torch.zeros(units, dtype=torch.float64, device=device)
        self.scatter = torch.zeros(units, units, dtype=torch.float64, device=device)
        self._waiting: list[Tensor] = []

    def add(self, examples: Tensor) -> None:
        """Examples [M, U], float32."""
        self._waiting.append(examples)
        self.examples += len(examples)
        if sum(map(len, self._waiting)) >= BLOCK:
            self._merge()

    def _merge(self) -> None:
        waiting = torch.cat(self._waiting)
        self._waiting = []
        for block in waiting.split(BLOCK):
            number, total = len(block), self._merged + len(block)
            mean = block.mean(0, dtype=torch.float64)
            shift = mean.float()
            centred = block - shift
            rounding = mean - shift
            if not centred.abs().amax() < LARGE:  # squares would not be finite in float32
                centred = centred.double()
            scatter = (centred.T @ centred).double().addr_(rounding, rounding, alpha=-number)
            difference = mean - self.mean
            self.scatter += scatter.addr_(difference, difference, alpha=self._merged * number / total)
            self.mean += difference * (number / total)
            self._merged = total

    def matrix(self) -> Tensor:
        """The unbiased covariance, float64 [U, U]. Raises ValueError for fewer than two examples."""
        if self.examples < 2:
            raise ValueError(f"a covariance needs two examples or more, got {self.examples}")
        if self._waiting:
            self._merge()
        return self.scatter / (self.examples - 1)


@torch.no_grad()
def covariances(network: Chain, images: Iterable[Tensor], *, count: int, seed: int) -> dict[str, list[Covariance]]:
    """The covariance of each hidden layer's units, after the nonlinearity and before pooling, by repeat.

    `count` images [B, ...] come some at a time. Every position of every image is one example (specification b.6). Of
    more than MOST_EXAMPLES a random sample is taken, a share of each part of the images that is in proportion, and
    three times, drawn by `seed`; of fewer all are taken, once: repeats would be equal. Raises ValueError where other
    than `count` images come, and for a single tensor in place of some.
    """
    if isinstance(images, Tensor):
        raise ValueError("images: they come some at a time; of one tensor of them write [images]")
    found: dict[str, list[Covariance]] = {}
    done = 0
    for part in images:
        hidden = outputs(network, part)
        del hidden["logits"]
        for layer, output in hidden.items():
            examples = output.permute(0, 2, 3, 1).flatten(0, 2) if output.ndim == 4 else output
            sampled = len(examples) // len(part) * count > MOST_EXAMPLES
            if layer not in found:
                repeats = REPEATS if sampled else 1
                found[layer] = [Covariance(examples.shape[1], output.device) for _ in range(repeats)]
            for repeat, covariance in enumerate(found[layer]):
                if not sampled:
                    covariance.add(examples)
                    continue
                share = MOST_EXAMPLES * (done + len(part)) // count - MOST_EXAMPLES * done // count
                source = generator(seed, "redundancy", repeat, layer, done)
                chosen = torch.randperm(len(examples), generator=source)[:share]
                covariance.add(examples.index_select(0, chosen.to(output.device)))
        done += len(part)
    if done != count:
        raise ValueError(f"count: {count} images were announced, and {done} came")
    return found
