"""Loss and accuracy of a cohort on images of its data set. Shapes: N networks, V images."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from raydensity.cohort import Cohort
from raydensity.data import Dataset, augment, normalize
from raydensity.losses import is_right
from raydensity.stack import State

# Fixed: the size of a product decides how it is summed, so it must not depend on the cohort.
CHUNK = {"compiled": 4096, "stacked": 512, "loop": 128}


class Evaluation(NamedTuple):
    """Mean loss [N] and accuracy [N] (a fraction, NaN in a regression), both float64."""

    loss: Tensor
    accuracy: Tensor


def gather(
    dataset: Dataset, indices: Tensor, preprocessing: str, *, test: bool = False, draws: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Normalised images [N, B, ...] and labels [N, B] for indices [N, B]; the same memory for all where those are.

    With `draws` [N, B, DRAWS] (data/augmentation.py) the images are varied by them.
    """
    images, labels = (
        (dataset.test_images, dataset.test_labels) if test else (dataset.train_images, dataset.train_labels)
    )
    if len(indices) > 1 and indices.stride(0) == 0 and draws is None:
        one, own = gather(dataset, indices[:1], preprocessing, test=test)
        return one.expand(len(indices), *one.shape[1:]), own.expand(len(indices), -1)
    flat = indices.reshape(-1)
    chosen = images.index_select(0, flat).view(*indices.shape, *images.shape[1:])
    inputs = (
        normalize(dataset, chosen, preprocessing) if draws is None else augment(dataset, chosen, preprocessing, draws)
    )
    return inputs, labels.index_select(0, flat).view_as(indices)


def chunk_of(cohort: Cohort) -> int:
    """How many images of each network are evaluated at a time."""
    return CHUNK["compiled" if cohort.compiled else "stacked" if cohort.stacked else "loop"]


def _own(cohort: Cohort, images: Tensor) -> Tensor:
    """Images in memory of each network's own, where networks may not share them."""
    return images if cohort.shares_images else images.contiguous()


@torch.no_grad()
def evaluate(
    cohort: Cohort,
    dataset: Dataset,
    indices: Tensor,
    preprocessing: str,
    *,
    test: bool = False,
    parameters: State | None = None,
) -> Evaluation:
    """Evaluate every network on its own images: indices [N, V] into the training file, or the test file."""
    losses = torch.zeros(cohort.size, dtype=torch.float64, device=cohort.device)
    correct = torch.zeros(cohort.size, dtype=torch.int64, device=cohort.device)
    for part in indices.split(chunk_of(cohort), dim=1):
        images, labels = gather(dataset, part, preprocessing, test=test)
        loss, count = cohort.evaluate(_own(cohort, images), labels, parameters)
        losses += loss
        correct += count
    accuracy = correct.double() / indices.shape[1]
    if dataset.description.regression:
        accuracy.fill_(torch.nan)
    return Evaluation(losses / indices.shape[1], accuracy)


def evaluate_on_test(cohort: Cohort, dataset: Dataset, preprocessing: str) -> Evaluation:
    """Evaluate every network on all test images."""
    everything = torch.arange(dataset.description.test_size, device=cohort.device).expand(cohort.size, -1)
    return evaluate(cohort, dataset, everything, preprocessing, test=True)


@torch.no_grad()
def right_answers(cohort: Cohort, dataset: Dataset, indices: Tensor, preprocessing: str) -> Tensor:
    """Which of its own images of the training file each network answers correctly: indices [N, V] -> bool [N, V]."""
    correct = []
    for part in indices.split(chunk_of(cohort), dim=1):
        images, labels = gather(dataset, part, preprocessing)
        correct.append(is_right(cohort.logits(_own(cohort, images)), labels))
    return torch.cat(correct, dim=1)
