"""The loss and the answer of a network. Shapes: N networks, B images, C logits.

One logit is a yes or no (logistic regression); more are one a class (softmax). Labels that are whole numbers (int64)
are classes; float32 are those of a regression, whose loss is the squared error, and whose answers are never called
right.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

VECTORS = 32  # numbers that torch takes at a time on any CPU; those that are left over are computed in another way


def is_regression(labels: Tensor) -> bool:
    """Whether labels are numbers to be given, not classes."""
    return labels.is_floating_point()


def example_losses(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy, or squared error, of each image: logits [N, B, C], labels [N, B] -> [N, B]."""
    if is_regression(labels):
        return (logits.squeeze(2) - labels).square()
    if logits.shape[2] == 1:
        one, asked = in_vectors(logits.squeeze(2)), in_vectors(labels.to(logits.dtype))
        return F.binary_cross_entropy_with_logits(one, asked, reduction="none")[:, : labels.shape[1]]
    return F.cross_entropy(logits.reshape(-1, logits.shape[2]), labels.flatten(), reduction="none").view_as(labels)


def in_vectors(rows: Tensor) -> Tensor:
    """Rows [N, B] filled with zeros to whole VECTORS: what becomes of a number then does not depend on N."""
    short = -rows.shape[1] % VECTORS
    return F.pad(rows, (0, short)) if short else rows


def mean_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """The same for one network, its mean over images: logits [B, C], labels [B] -> []."""
    if is_regression(labels):
        return (logits.squeeze(1) - labels).square().mean()
    if logits.shape[1] == 1:
        return F.binary_cross_entropy_with_logits(logits.squeeze(1), labels.to(logits.dtype))
    return F.cross_entropy(logits, labels)


def answers(logits: Tensor) -> Tensor:
    """The class that each image is given: logits [..., C] -> int64 [...]. A single logit says 1 where it is above 0."""
    return (logits.squeeze(-1) > 0).long() if logits.shape[-1] == 1 else logits.argmax(-1)


def is_right(logits: Tensor, labels: Tensor) -> Tensor:
    """Which images are given their class: logits [..., C], labels [...] -> bool [...]."""
    if is_regression(labels):
        return torch.zeros_like(labels, dtype=torch.bool)
    return answers(logits) == labels
