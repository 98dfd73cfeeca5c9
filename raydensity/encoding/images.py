"""The encoding of images: what preprocessing does to pixels, as `data.normalize` does on the device of training.

Shapes: n images, C channels, H rows, W columns.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field, model_validator

from raydensity.encoding.answers import Classes
from raydensity.encoding.arrays import check_shape
from raydensity.spec.frozen import Frozen

Positive = Annotated[float, Field(gt=0)]


class ImageEncoding(Frozen):
    """What a network that was trained on images takes and answers.

    Pixels are whole numbers from 0 to `white`, of images [C, H, W]. They are divided by `divisor`; then, where these
    are given, less the `mean` of their channel and over its `deviation` (two numbers a channel, of the training file).
    With `each_image` every image is less its own mean, over its own deviation or 1 / sqrt(its numbers), whichever is
    larger. With a `middle` this is of the middle pixels, so many each way, which are then resized to H x W: bilinear,
    pixel i of H stands at i * middle / H, and what lies beyond the last is as the last.
    """

    kind: Literal["image"] = "image"
    shape: tuple[int, int, int]
    white: Annotated[int, Field(ge=1)]
    divisor: Positive
    mean: tuple[float, ...] = ()
    deviation: tuple[Positive, ...] = ()
    each_image: bool = False
    middle: Annotated[int, Field(ge=1)] | None = None
    answer: Classes

    @model_validator(mode="after")
    def _numbers_are_of_channels(self) -> Self:
        if not len(self.mean) == len(self.deviation) or len(self.mean) not in (0, self.shape[0]):
            raise ValueError(f"mean, deviation: there are {len(self.mean)} and {len(self.deviation)}")
        if self.middle is not None and (not self.each_image or self.middle > min(self.shape[1:])):
            raise ValueError(f"middle: there are no {self.middle} pixels each way to be standardised")
        return self

    def encode(self, images: ArrayLike) -> NDArray[np.float32]:
        """What the network takes of images [n, C, H, W] of whole numbers, such as uint8: float32 of the same shape.

        Raises ValueError, in one line, for other numbers and other shapes.
        """
        given = np.asarray(images)
        check_shape(given, self.shape)
        whole = np.issubdtype(given.dtype, np.integer)
        if not whole or (given.size and not 0 <= given.min() <= given.max() <= self.white):
            raise ValueError(f"pixels are not whole numbers from 0 to {self.white}, which the network takes")
        if self.middle is not None:
            top, left = ((size - self.middle) // 2 for size in self.shape[1:])
            given = given[..., top : top + self.middle, left : left + self.middle]
        pixels = given.astype(np.float32) / np.float32(self.divisor)
        if self.mean:
            mean, deviation = (np.array(of, np.float32).reshape(-1, 1, 1) for of in (self.mean, self.deviation))
            pixels = (pixels - mean) / deviation
        if self.each_image:
            pixels = _standardized_each(pixels)
        if self.middle is not None:
            pixels = _resized(_resized(pixels, self.shape[1], axis=2), self.shape[2], axis=3)
        return pixels

    def answers(self, logits: ArrayLike) -> NDArray[np.str_]:
        """The names of the classes that logits [n, classes] say: [n]."""
        return self.answer.of(logits)


def _standardized_each(images: NDArray[np.float32]) -> NDArray[np.float32]:
    """In float64, in which the mean of a uniform image is its value."""
    centred = images - images.mean((1, 2, 3), keepdims=True, dtype=np.float64)
    deviation = np.sqrt(np.square(centred).mean((1, 2, 3), keepdims=True))
    return (centred / np.maximum(deviation, math.prod(images.shape[1:]) ** -0.5)).astype(np.float32)


def _resized(images: NDArray[np.float32], size: int, *, axis: int) -> NDArray[np.float32]:
    """Images with `size` pixels along an axis, each between the two that stand beside its place."""
    places = np.arange(size) * (images.shape[axis] / size)
    first = places.astype(np.int64)
    second = np.minimum(first + 1, images.shape[axis] - 1)
    share = np.expand_dims((places - first).astype(np.float32), [each for each in range(4) if each != axis])
    return images.take(first, axis) * (1 - share) + images.take(second, axis) * share
