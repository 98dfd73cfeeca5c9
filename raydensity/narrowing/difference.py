"""How far two networks differ on data (Frivolous Units, section 3)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from raydensity.losses import answers
from raydensity.measures.chunks import in_chunks
from raydensity.measures.evaluation_mode import evaluation_mode
from raydensity.models.chain import Chain


class Difference(NamedTuple):
    """Share of images with equal answers, and the largest and mean absolute difference of a logit."""

    same_answers: float
    largest: float
    mean: float


@torch.no_grad()
def difference(wide: Chain, narrow: Chain, images: Tensor) -> Difference:
    """How far two networks differ in evaluation mode, on images [batch, ...] that are preprocessed as for training.

    Raises ValueError where there is no image.
    """
    if not len(images):
        raise ValueError("images: at least one is needed to compare two networks")
    with evaluation_mode(wide, narrow):
        pairs = [(wide(part), narrow(part)) for part in in_chunks(wide, images)]
    return of_logits(*(torch.cat(logits) for logits in zip(*pairs, strict=True)))


def of_logits(of_wide: Tensor, of_narrow: Tensor) -> Difference:
    """How far the logits [batch, classes] of two networks differ."""
    apart = (of_wide.double() - of_narrow.double()).abs()
    same = answers(of_wide) == answers(of_narrow)
    return Difference(same.double().mean().item(), apart.max().item(), apart.mean().item())
