"""How many images to measure a network on at a time: fewer where its layers give many numbers."""

from __future__ import annotations

import torch
from torch import Tensor

from raydensity.measures.evaluation_mode import evaluation_mode
from raydensity.models.chain import Chain

MEASURE_CHUNK = 500  # images whose activations are measured at a time, at most
UNIT_CHUNK = 1000  # the same where units are ablated or covariances taken, which small networks take long to begin
MEASURE_NUMBERS = 2**21  # that the largest activation of these images should have, which keeps it small beside weights


def measure_chunk(largest: int, *, most: int = MEASURE_CHUNK) -> int:
    """Images to measure at a time in a network whose largest hidden layer gives `largest` numbers an image."""
    return max(1, min(most, MEASURE_NUMBERS // largest))


@torch.no_grad()
def images_at_a_time(network: Chain, image: Tensor, *, most: int) -> int:
    """`measure_chunk` of a network, which sees the image [1, ...]."""
    with evaluation_mode(network):
        return measure_chunk(max(output.numel() for output in network.activations(image).values()), most=most)


def in_chunks(network: Chain, images: Tensor) -> tuple[Tensor, ...]:
    """Images [B, ...] in parts, as many at a time as units are measured on; nothing of none."""
    return images.split(images_at_a_time(network, images[:1], most=UNIT_CHUNK)) if len(images) else ()
