"""The outputs of a network's steps, in the memory order in which what follows is fastest."""

from __future__ import annotations

from torch import Tensor

from raydensity.cohort import channels_last
from raydensity.models.chain import Chain


def outputs(network: Chain, images: Tensor) -> dict[str, Tensor]:
    """Images [B, ...] -> the outputs of all steps by name, the last the `logits`.

    Convolutions of a single channel answer in the order in which the next convolution, and pooling, are slower.
    """
    found = {}
    x = _ordered(images)
    for name, step in network.steps().items():
        x = found[name] = _ordered(step(x))
    return found


def _ordered(x: Tensor) -> Tensor:
    return channels_last(x) if x.ndim == 4 and not x.is_cuda else x
