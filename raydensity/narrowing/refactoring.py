"""Removing redundant units: what is a linear combination of others goes, and their outgoing weights take it over.

Frivolous Units, sections 3 and 4, whose algorithm is in an appendix that could not be had; this one is the
specification's (b.9). A = [examples, units] are the activations of a layer as the next one sees them, after pooling and
normalisation; every position of a feature map is an example. A basis S of the units is chosen by QR decomposition of
the centred A with column pivoting, the others R are regressed on it, A_R = A_S C, and the weights that see S become
W_S + C W_R; the mean of A_R - A_S C goes into the bias, or into the running mean of the batch norm that follows.

A unit that is scaled, and its outgoing weights against it, leave a network that computes the same: what is chosen does
not depend on it. For the basis each column of A counts with the norm of its unit's outgoing weights, since units of
equal norm would let those that hardly matter displace the others; of which units there are combinations, and by what
coefficients, is found among columns that are divided by their own norms.

Where the columns are exactly dependent the network computes the same, with two exceptions. Where a padded convolution
follows, that mean would have to be missing in the padding, where there are no units: what goes into the bias is right
on average over the positions, too small in the middle and too large at borders, unless the mean is 0, as it is for
linear (not affine) dependence. And normalisation across neighbours loses those that go.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping

import numpy as np
import scipy.linalg
import torch
from torch import Tensor, nn

from raydensity.measures.chunks import in_chunks
from raydensity.models.chain import Chain, Wiring
from raydensity.narrowing.excision import by_wiring, columns, keep, units

ROWS = 2**11  # examples that are decomposed at a time, at least
ROWS_OF_UNITS = 4  # and as many for each unit: the triangle before them, with a row for each, is decomposed again


class Activations:
    """All that regressions among the columns of a matrix [examples, units] need, while its rows go by.

    Kept is the triangle of its QR decomposition with a column of ones before it, in float64: no more than
    [units + 1, units + 1] numbers, and fewer than `at_a_time` examples that wait for others, however many there are,
    and as exact as the matrix itself. `shape` is that in which a module sees the units of one image, such as
    [units * positions] or [units, height, width].
    """

    def __init__(self, count: int) -> None:
        self.units, self.at_a_time = count, rows_at_a_time(count)
        self._decomposed = torch.zeros(0, count + 1, dtype=torch.float64)
        self._waiting: list[Tensor] = []
        self.shape: tuple[int, ...] = ()

    def see(self, x: Tensor) -> None:
        """What a module sees of further images, [batch, *shape]: every position is an example."""
        self.shape = tuple(x.shape[1:])
        self.add(x.reshape(len(x), self.units, -1).mT.flatten(0, 1))

    def add(self, rows: Tensor) -> None:
        """Further examples [examples, units]."""
        self._waiting.append(rows)
        if sum(map(len, self._waiting)) >= self.at_a_time:
            self._decompose()

    def _decompose(self) -> None:
        waiting = torch.cat(self._waiting)
        self._waiting = []
        for part in waiting.tensor_split(max(len(waiting) // self.at_a_time, 1)):
            own = part.double().cpu()
            below = torch.cat([own.new_ones(len(own), 1), own], dim=1)
            self._decomposed = torch.linalg.qr(torch.cat([self._decomposed, below]), mode="r").R

    @property
    def _triangle(self) -> Tensor:
        if self._waiting:
            self._decompose()
        return self._decomposed

    @property
    def means(self) -> Tensor:
        """Mean of each unit [units]."""
        return self._triangle[0, 1:] / self._triangle[0, 0]

    @property
    def norms(self) -> Tensor:
        """Root of the sum of squares of each unit [units], not centred."""
        return self._triangle[:, 1:].norm(dim=0)

    @property
    def centered(self) -> Tensor:
        """A matrix [at most units, units] with the same products of columns as the centred activations have."""
        return self._triangle[1:, 1:]


def rows_at_a_time(units: int) -> int:
    """How many examples of so many units are decomposed at a time."""
    return max(ROWS, ROWS_OF_UNITS * units)


def refactor(network: Chain, images: Tensor, *, removed: Mapping[str, int]) -> Chain:
    """A smaller copy of a network, without its most redundant units and with the outgoing weights refactored.

    `images` [batch, ...] are those whose activations count, preprocessed as for training. `removed` is how many units
    go from each layer; layers that it lacks stay whole, those of a residual stream lose the same units. Each layer is
    treated with those before it already narrow. Raises ValueError for a layer that the network has not, one that would
    be empty, layers of a stream that differ, and without images.
    """
    narrow = copy.deepcopy(network).eval()
    for wiring, own in by_wiring(narrow, {layer: torch.tensor(count) for layer, count in removed.items()}):
        number, count = int(own), units(narrow, wiring)
        if own.is_floating_point():
            raise ValueError(f"removed: {wiring.layers[0]} loses a number of its {count} units, not {own.item():g}")
        if not 0 <= number < count:
            raise ValueError(
                f"removed: {wiring.layers[0]} has {count} units and can lose 0 to {count - 1}, not {number}"
            )
        if number:
            seen = observe(narrow, wiring, images)
            outgoing = [columns(narrow.get_submodule(consumer), count).flatten(1) for consumer in wiring.consumers]
            kept, gone = basis(seen, count - number, weights=torch.cat(outgoing, dim=1).norm(dim=1))
            for consumer, activations in seen.items():
                _take_over(narrow, consumer, wiring.consumers[consumer], activations, kept, gone)
            keep(narrow, wiring, kept)
    return narrow.train(network.training)


def dependent(network: Chain, images: Tensor, *, tolerance: float = 1e-5) -> dict[str, int]:
    """By layer, how many units are affine combinations of the others: what `refactor` removes with nothing lost.

    They are those whose pivot in the QR decomposition is at most `tolerance`, the activations of each unit, not
    centred, being divided by their norm. One unit of a layer stays, even if all are constant.
    """
    network = copy.deepcopy(network).eval()
    found: dict[str, int] = {}
    for wiring in network.wiring():
        seen = observe(network, wiring, images)
        norms = torch.stack([activations.norms for activations in seen.values()]).norm(dim=0)
        triangle, _ = _pivoted(seen, 1 / _without_zeros(norms))
        independent = int((np.abs(np.diag(triangle)) > tolerance).sum())
        found |= dict.fromkeys(wiring.layers, units(network, wiring) - max(independent, 1))
    return found


@torch.no_grad()
def observe(network: Chain, wiring: Wiring, images: Tensor) -> dict[str, Activations]:
    """The units of a wiring as each module sees them that does, over images [batch, ...], by name of the module."""
    if not len(images):
        raise ValueError("images: at least one is needed to see which units are redundant")
    count = units(network, wiring)
    seen = {name: Activations(count) for name in wiring.consumers}
    hooks = [
        network.get_submodule(name).register_forward_pre_hook(lambda module, inputs, own=own: own.see(inputs[0]))
        for name, own in seen.items()
    ]
    for part in in_chunks(network, images):
        network(part)
    for hook in hooks:
        hook.remove()
    return seen


def basis(seen: Mapping[str, Activations], size: int, *, weights: Tensor) -> tuple[Tensor, Tensor]:
    """The `size` units on which the others depend most, and those others: sorted indices of both.

    Each unit counts by its activations times its own of the `weights` [units].
    """
    order = torch.as_tensor(_pivoted(seen, weights)[1], dtype=torch.int64)
    return order[:size].sort().values, order[size:].sort().values


def _pivoted(seen: Mapping[str, Activations], factors: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Triangle and order of the columns, each times its factor [units].

    A residual stream is judged by all places at which it is seen.
    """
    stacked = torch.cat([activations.centered for activations in seen.values()]) * factors.double().cpu()
    return scipy.linalg.qr(stacked.numpy(), mode="r", pivoting=True)


def _without_zeros(norms: Tensor) -> Tensor:
    """Norms [units] to divide columns by: those that are zero everywhere stay as they are."""
    return torch.where(norms > 0, norms, 1.0)


@torch.no_grad()
def _take_over(
    network: Chain, name: str, norm: str | None, activations: Activations, kept: Tensor, gone: Tensor
) -> None:
    """Give the weights that a module has for the units `gone` to those `kept`, in place."""
    consumer = network.get_submodule(name)
    weight = consumer.get_parameter("weight")
    # Directions among the kept units that rounding alone could make tell nothing about the others.
    rounding = torch.finfo(weight.dtype).eps
    norms = _without_zeros(activations.norms)
    pieces = ((activations.centered / norms)[:, part].numpy() for part in (kept, gone))
    combination = torch.as_tensor(scipy.linalg.lstsq(*pieces, cond=rounding)[0]) * norms[gone] / norms[kept, None]
    means = torch.zeros(len(activations.means), dtype=torch.float64)
    means[gone] = activations.means[gone] - activations.means[kept] @ combination
    constant = _response(consumer, means.to(weight), activations.shape)
    if norm is None:
        consumer.get_parameter("bias").add_(constant)
    else:
        network.get_submodule(norm).get_buffer("running_mean").sub_(constant)
    own = columns(consumer, len(means))
    own[kept] += torch.einsum("kg,g...->k...", combination.to(weight), own[gone])


def _response(consumer: nn.Module, constants: Tensor, shape: tuple[int, ...]) -> Tensor:
    """What a module adds to its outputs if each unit is everywhere higher by a constant [units].

    Convolutions have one bias for all positions, and add less at padded borders: the mean over positions is meant.
    """
    raised = constants.repeat_interleave(math.prod(shape) // len(constants)).view(1, *shape)
    response = (consumer(raised) - consumer(torch.zeros_like(raised)))[0]
    return response.mean(dim=(1, 2)) if isinstance(consumer, nn.Conv2d) else response
