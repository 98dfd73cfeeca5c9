"""The loss and the answer of a classifier. Shapes: N networks, B images, C logits.

One logit is a yes or no (logistic regression); more are one a class (softmax).
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of each image: logits [N, B, C], labels [N, B] (int64) -> [N, B]."""
    if logits.shape[2] == 1:
        return F.binary_cross_entropy_with_logits(logits.squeeze(2), labels.to(logits.dtype), reduction="none")
    return F.cross_entropy(logits.reshape(-1, logits.shape[2]), labels.flatten(), reduction="none").view_as(labels)


def mean_cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """The same for one network, its mean over images: logits [B, C], labels [B] -> []."""
    if logits.shape[1] == 1:
        return F.binary_cross_entropy_with_logits(logits.squeeze(1), labels.to(logits.dtype))
    return F.cross_entropy(logits, labels)


def answers(logits: Tensor) -> Tensor:
    """The class that each image is given: logits [..., C] -> int64 [...]. A single logit says 1 where it is above 0."""
    return (logits.squeeze(-1) > 0).long() if logits.shape[-1] == 1 else logits.argmax(-1)
