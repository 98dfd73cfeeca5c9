"""Stacks of small dense networks with masks, as the compiled steps take them, for tests."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor

from raydensity.compiled import Layers


def layers(sizes: tuple[int, ...], networks: int, make) -> Layers:
    """`make(shape)` for every weight [N, O, I] and bias [N, O] of dense networks of these sizes."""
    return Layers(
        tuple(make((networks, outputs, inputs)) for inputs, outputs in pairwise(sizes)),
        tuple(make((networks, outputs)) for outputs in sizes[1:]),
    )


def random_stack(sizes: tuple[int, ...], networks: int, *, density: float, seed: int = 0) -> tuple[Layers, Layers]:
    """Parameters and masks, each weight and bias kept with probability `density`, independently of all others."""
    source = torch.Generator().manual_seed(seed)
    masks = layers(sizes, networks, lambda shape: torch.rand(shape, generator=source) < density)
    values = layers(sizes, networks, lambda shape: torch.randn(shape, generator=source))
    return each(lambda value, mask: value * mask, values, masks), masks


def random_batches(sizes: tuple[int, ...], orders: int, steps: int, batch: int, seed: int = 1) -> tuple[Tensor, Tensor]:
    """Images [G, S, I, B] and labels [G, S, B]."""
    source = torch.Generator().manual_seed(seed)
    images = torch.randn(orders, steps, sizes[0], batch, generator=source)
    return images, torch.randint(0, 2, (orders, steps, batch), generator=source).float()


def each(change, *stacks: Layers) -> Layers:
    """The same change of every tensor."""
    return Layers(*(tuple(change(*own) for own in zip(*part, strict=True)) for part in zip(*stacks, strict=True)))


def zeros(like: Layers) -> Layers:
    return each(torch.zeros_like, like)


def copy(stack: Layers) -> Layers:
    return each(torch.clone, stack)


def pick(stack: Layers, networks) -> Layers:
    """Copies of some networks, in that order."""
    return each(lambda tensor: tensor[list(networks)].clone(), stack)


def tensors(stack: Layers) -> tuple[Tensor, ...]:
    return (*stack.weights, *stack.biases)


def equal(one: Layers, other: Layers) -> bool:
    """Bit for bit; what is no number equals itself."""
    pairs = zip(tensors(one), tensors(other), strict=True)
    return all(torch.equal(a.view(torch.int32), b.view(torch.int32)) for a, b in pairs)
