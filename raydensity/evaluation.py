"""Loss and accuracy of a cohort on images of its data set. Shapes: N networks, V images."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from raydensity.cohort import Cohort, State, cross_entropy
from raydensity.data import Dataset, normalize

# Fixed: the size of a product decides how it is summed, so it must not depend on the cohort.
CHUNK = {True: 512, False: 128}  # stacked, looped


class Evaluation(NamedTuple):
    """Mean cross-entropy [N] (float64), accuracy [N] (float64, a fraction) and correct answers [N, V] (bool)."""

    loss: Tensor
    accuracy: Tensor
    correct: Tensor


def gather(dataset: Dataset, indices: Tensor, preprocessing: str, *, test: bool = False) -> tuple[Tensor, Tensor]:
    """Normalised images [N, B, channels, height, width] and labels [N, B] for indices [N, B]."""
    images, labels = (
        (dataset.test_images, dataset.test_labels) if test else (dataset.train_images, dataset.train_labels)
    )
    flat = indices.reshape(-1)
    chosen = images.index_select(0, flat).view(*indices.shape, *images.shape[1:])
    return normalize(dataset, chosen, preprocessing), labels.index_select(0, flat).view_as(indices)


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
    chunk = CHUNK[cohort.stacked]
    losses = torch.zeros(cohort.size, dtype=torch.float64, device=cohort.device)
    correct = []
    for part in indices.split(chunk, dim=1):
        images, labels = gather(dataset, part, preprocessing, test=test)
        logits = cohort.logits(images, parameters)
        losses += cross_entropy(logits, labels).double().sum(1)
        correct.append(logits.argmax(2) == labels)
    answers = torch.cat(correct, dim=1)
    return Evaluation(losses / indices.shape[1], answers.double().mean(1), answers)
