"""Sparsity and selectivity of hidden units (density paper, section 5.3). Shapes: M images, U units, K classes."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import one_hot


class Selectivity(NamedTuple):
    """Class selectivity of each unit [U]: the paper's form, and normalised by the sum of its two terms."""

    plain: Tensor
    normalized: Tensor


def hoyer_sparsity(vectors: Tensor) -> Tensor:
    """(sqrt(n) - L1 / L2) / (sqrt(n) - 1) of each row [M, n] -> [M]: 0 for equal entries, 1 for a single one.

    Source: Hoyer 2004, as the density paper, section 5.3. A row of zeros, or of length 1, has sparsity NaN.
    """
    root = math.sqrt(vectors.shape[1])
    if root == 1:
        return torch.full((len(vectors),), math.nan, dtype=torch.float64, device=vectors.device)
    exact = vectors.double()
    return (root - exact.norm(p=1, dim=1) / exact.norm(dim=1)) / (root - 1)


def class_sums(activations: Tensor, labels: Tensor, *, classes: int) -> Tensor:
    """Sum of each unit over the images of each class: activations [M, U], labels [M] -> float64 [K, U]."""
    return one_hot(labels, classes).double().T @ activations.double()


def class_selectivity(sums: Tensor, labels: Tensor) -> Selectivity:
    """Largest class mean of each unit minus the average of its other class means (density paper, section 5.3).

    sums [K, U] are the `class_sums` of non-negative activations, added up over the images of labels [M]. The normalised
    form divides by the sum of the two terms (Morcos et al. 2018) and is 0 for a unit that is never active. Raises
    ValueError where a class has no image.
    """
    classes = len(sums)
    counts = torch.bincount(labels, minlength=classes)
    if (counts == 0).any():
        raise ValueError(f"class selectivity needs images of all {classes} classes, got {int((counts > 0).sum())}")
    means = sums / counts[:, None]
    largest = means.max(0).values
    others = (means.sum(0) - largest) / (classes - 1)
    total = largest + others
    return Selectivity(largest - others, torch.where(total > 0, (largest - others) / total, 0.0))
