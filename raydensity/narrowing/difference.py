"""How far two networks differ on data (Frivolous Units, section 3)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from raydensity.losses import answers

CHUNK = 256  # images at a time


class Difference(NamedTuple):
    """Share of images with equal answers, and the largest and mean absolute difference of a logit."""

    same_answers: float
    largest: float
    mean: float


@torch.no_grad()
def difference(wide: nn.Module, narrow: nn.Module, images: Tensor) -> Difference:
    """How far two networks differ in evaluation mode, on images [batch, ...] that are preprocessed as for training.

    Raises ValueError where there is no image.
    """
    if not len(images):
        raise ValueError("images: at least one is needed to compare two networks")
    modes = wide.training, narrow.training
    wide.eval()
    narrow.eval()
    pairs = [(wide(part), narrow(part)) for part in images.split(CHUNK)]
    wide.train(modes[0])
    narrow.train(modes[1])
    return of_logits(*(torch.cat(logits) for logits in zip(*pairs, strict=True)))


def of_logits(of_wide: Tensor, of_narrow: Tensor) -> Difference:
    """How far the logits [batch, classes] of two networks differ."""
    apart = (of_wide.double() - of_narrow.double()).abs()
    same = answers(of_wide) == answers(of_narrow)
    return Difference(same.double().mean().item(), apart.max().item(), apart.mean().item())
