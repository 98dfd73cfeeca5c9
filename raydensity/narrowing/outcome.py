"""What is left of a network without its frivolous units (Frivolous Units, section 3): a measure of a sweep."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from raydensity.losses import answers
from raydensity.models.chain import Chain
from raydensity.narrowing.difference import CHUNK, difference
from raydensity.narrowing.excision import excise
from raydensity.narrowing.refactoring import refactor
from raydensity.narrowing.spare import prunable, redundant


class Outcome(NamedTuple):
    """A narrow network beside its wide one: hidden `units` of that, how many are `left`, and what it answers.

    On other images than those that its units were chosen by: the share of `same_answers`, its `accuracy`, both from 0
    to 1, and the `mean_difference` of a logit. The `way` is "excised" (of prunable units) or "refactored" (of redundant
    ones).
    """

    way: str
    units: int
    left: int
    same_answers: float
    accuracy: float
    mean_difference: float


@torch.no_grad()
def outcomes(network: Chain, images: Tensor, other_images: Tensor, labels: Tensor, *, seed: int) -> list[Outcome]:
    """Both ways at the study's tolerances; of networks with a residual stream the second alone.

    Units are chosen by `images` [batch, ...], the narrow networks judged by `other_images` and their `labels` [batch].
    `seed` is that of prunability. Raises ValueError where the network's wiring is not known, and without images.
    """
    narrow: dict[str, Chain] = {}
    if all(len(wiring.layers) == 1 for wiring in network.wiring()):
        narrow["excised"] = excise(network, prunable(network, images, seed=seed))
    narrow["refactored"] = refactor(network, images, removed=redundant(network, images))
    found = []
    for way, own in narrow.items():
        apart = difference(network, own, other_images)
        right = torch.cat([answers(own(part)) for part in other_images.split(CHUNK)]) == labels
        counts = _units(network, images[:1]), _units(own, images[:1])
        found.append(Outcome(way, *counts, apart.same_answers, right.double().mean().item(), apart.mean))
    return found


def _units(network: Chain, image: Tensor) -> int:
    return sum(output.shape[1] for output in network.activations(image).values())
