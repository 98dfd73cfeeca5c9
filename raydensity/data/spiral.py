"""The Cubist Spiral of "Sparsest Models Elude Pruning": two arms of straight segments in the plane (specification d.1).

Computed, nothing is downloaded. Inputs are two coordinates (float32, each of mean 0 and deviation 1), labels the arm.
"""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from raydensity.data.dataset import Arrays, Description, Source
from raydensity.randomness import generator
from raydensity.spec import Spiral

VERTICES = 17  # of an arm
HALF_DISTANCE = 15  # between the arms


def arms() -> tuple[Tensor, Tensor]:
    """The vertices of the outer and of the inner arm: float64 [17, 2] each, before the common minimum is taken off."""
    angle = torch.linspace(math.pi, 5 * math.pi, VERTICES, dtype=torch.float64) + 1.6 / 8 * 2 * math.pi
    direction = torch.stack([angle.cos(), angle.sin()], dim=1)
    middle = (10 * angle + math.pi).unsqueeze(1) * direction
    return middle + HALF_DISTANCE * direction, middle - HALF_DISTANCE * direction


def along(vertices: Tensor, points: int, *, between: bool = False) -> Tensor:
    """About `points` points on an arm, [n, 2]: each segment gets its share by length, rounded down, evenly spaced with
    both ends; `between` moves them halfway to the next and drops the last of each segment."""
    lengths = (vertices[1:] - vertices[:-1]).norm(dim=1)
    parts = []
    for start, end, share in zip(vertices, vertices[1:], (lengths / lengths.sum()).tolist(), strict=False):
        count = int(share * points)
        position = torch.linspace(0, 1, count, dtype=torch.float64).unsqueeze(1)
        if between:
            position = (position[:-1] + position[1:]) / 2
        parts.append(start + position * (end - start))
    return torch.cat(parts)


@cache
def arrays(options: Spiral) -> Arrays:
    """All points, outer arm (class 0) first. Test points lie between those for training, with noise of their own."""
    half = options.samples // 2
    training = [along(arm, half) for arm in arms()]
    points = torch.cat(training)
    mean, deviation = points.mean(0), points.std(0)

    def finish(parts: list[Tensor], purpose: str) -> tuple[Tensor, Tensor]:
        standard = (torch.cat(parts) - mean) / deviation
        if options.noise:
            noise = torch.randn(standard.shape, dtype=torch.float64, generator=generator(0, "spiral", purpose))
            standard = standard + options.noise * noise
        labels = torch.cat([torch.full((len(part),), arm) for arm, part in enumerate(parts)])
        return standard.float(), labels

    held_out = [part[:0] for part in training]
    if not options.published:
        held_out = [along(arm, half, between=True) for arm in arms()]
    return Arrays(*finish(training, "train"), *finish(held_out, "test"))


@cache
def source(options: Spiral) -> Source:
    """The data set with its options."""
    made = arrays(options)
    train_size = len(made.train_labels)
    description = Description(
        name="spiral",
        input_shape=(2,),
        classes=2,
        train_size=train_size,
        validation_size=0 if options.published else train_size // 5,
        test_size=len(made.test_labels),
        pixels=False,
        binary=True,
    )
    return Source(description, lambda root: _read(options, root))


def _read(options: Spiral, root: Path) -> Arrays:
    return arrays(options)
