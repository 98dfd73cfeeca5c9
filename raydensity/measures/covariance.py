"""The covariance of a hidden layer's units, over images or positions in images, without keeping their outputs.

Shapes: B images, M examples, U units.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from raydensity.measures.outputs import passes
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


class Covariances:
    """The covariance of each hidden layer's units, after the nonlinearity and before pooling, by repeat.

    The `outputs` for `count` images come some at a time. Every position of every image is one example (specification
    b.6). Of more than MOST_EXAMPLES a random sample is taken, a share of each part of the images that is in proportion,
    and three times, drawn by `seed`; of fewer all are taken, once: repeats would be equal.
    """

    def __init__(self, *, count: int, seed: int) -> None:
        self.count, self.seed = count, seed
        self._done = 0
        self._found: dict[str, list[Covariance]] = {}

    @torch.no_grad()
    def add(self, outputs: Mapping[str, Tensor]) -> None:
        """The outputs of all steps for some images."""
        images, done = len(outputs["logits"]), self._done
        for layer, output in outputs.items():
            if layer == "logits":
                continue
            examples = output.permute(0, 2, 3, 1).flatten(0, 2) if output.ndim == 4 else output
            sampled = len(examples) // images * self.count > MOST_EXAMPLES
            if layer not in self._found:
                repeats = REPEATS if sampled else 1
                self._found[layer] = [Covariance(examples.shape[1], output.device) for _ in range(repeats)]
            for repeat, covariance in enumerate(self._found[layer]):
                if not sampled:
                    covariance.add(examples)
                    continue
                share = MOST_EXAMPLES * (done + images) // self.count - MOST_EXAMPLES * done // self.count
                source = generator(self.seed, "redundancy", repeat, layer, done)
                chosen = torch.randperm(len(examples), generator=source)[:share]
                covariance.add(examples.index_select(0, chosen.to(output.device)))
        self._done += images

    def of_layers(self) -> dict[str, list[Covariance]]:
        """By hidden layer, of each repeat. Raises ValueError where other than `count` images came."""
        if self._done != self.count:
            raise ValueError(f"count: {self.count} images were announced, and {self._done} came")
        return self._found


def covariances(network: Chain, images: Iterable[Tensor], *, count: int, seed: int) -> dict[str, list[Covariance]]:
    """`Covariances` alone, over `images` [B, ...] as the network sees them, some at a time.

    Raises ValueError where other than `count` images come, and for a single tensor in place of some.
    """
    found = Covariances(count=count, seed=seed)
    for outputs in passes(network, images):
        found.add(outputs)
    return found.of_layers()
