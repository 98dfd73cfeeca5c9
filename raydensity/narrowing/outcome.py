"""What is left of a network without its frivolous units (Frivolous Units, section 3): a measure of a sweep."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from raydensity.losses import is_right
from raydensity.measures.chunks import in_chunks
from raydensity.measures.evaluation_mode import evaluation_mode
from raydensity.models.chain import Chain
from raydensity.narrowing.difference import of_logits
from raydensity.narrowing.excision import excise
from raydensity.narrowing.refactoring import refactor
from raydensity.narrowing.spare import prunable, redundant


class Outcome(NamedTuple):
    """A narrow network beside its wide one: hidden `units` of that, how many are `left`, and what both answer.

    `same_answers`, `accuracy` and `whole_accuracy`, that of the wide one, are shares of the images that they are judged
    on, from 0 to 1, `mean_difference` is that of a logit. The `way` is "excised" (of prunable units) or "refactored"
    (of redundant ones).
    """

    way: str
    units: int
    left: int
    same_answers: float
    accuracy: float
    whole_accuracy: float
    mean_difference: float


@torch.no_grad()
def outcomes(network: Chain, images: Tensor, judged: Tensor, labels: Tensor, *, seed: int) -> list[Outcome]:
    """Both ways at the study's tolerances; of networks whose blocks add to what they see the second alone: what was
    ablated there, to find out what is prunable, is not what would be removed.

    Units are chosen by `images` [batch, ...]; wide and narrow networks are judged on the images `judged` and their
    `labels` [batch]: others, or what was chosen by chance counts as well. `seed` is that of prunability and redundancy.
    Raises ValueError where the network's wiring is not known, and without images.
    """
    narrow: dict[str, Chain] = {}
    with evaluation_mode(network):
        if not any(wiring.accumulates for wiring in network.wiring()):
            narrow["excised"] = excise(network, prunable(network, images, seed=seed))
        narrow["refactored"] = refactor(network, images, removed=redundant(network, images, seed=seed))
        parts = in_chunks(network, judged)
        whole, units = _logits(network, parts), _units(network, images[:1])
        whole_accuracy = _accuracy(whole, labels)
        found = []
        for way, own in narrow.items():
            logits = _logits(own, parts)
            apart = of_logits(whole, logits)
            accuracies = _accuracy(logits, labels), whole_accuracy
            found.append(Outcome(way, units, _units(own, images[:1]), apart.same_answers, *accuracies, apart.mean))
    return found


def _logits(network: Chain, parts: tuple[Tensor, ...]) -> Tensor:
    return torch.cat([network(part) for part in parts])


def _accuracy(logits: Tensor, labels: Tensor) -> float:
    return is_right(logits, labels).double().mean().item()


def _units(network: Chain, image: Tensor) -> int:
    return sum(output.shape[1] for output in network.activations(image).values())
