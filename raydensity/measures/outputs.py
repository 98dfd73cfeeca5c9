"""The outputs of a network's steps, in the memory order in which what follows is fastest."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from raydensity.cohort import channels_last
from raydensity.measures.evaluation_mode import evaluation_mode
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


@torch.no_grad()
def passes(network: Chain, images: Iterable[Tensor]) -> Iterator[dict[str, Tensor]]:
    """The outputs for `images` [B, ...] that come some at a time; what is measured of them can share the pass.

    The network is in evaluation mode until the last images are done. Raises ValueError for a single tensor in place of
    some.
    """
    if isinstance(images, Tensor):
        raise ValueError("images: they come some at a time; of one tensor of them write [images]")
    with evaluation_mode(network):
        for part in images:
            yield outputs(network, part)


def _ordered(x: Tensor) -> Tensor:
    return channels_last(x) if x.ndim == 4 and not x.is_cuda else x
