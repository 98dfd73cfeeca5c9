"""The encoding of data that networks take as they are."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from raydensity.encoding.answers import Answer
from raydensity.spec.frozen import Frozen


class ArrayEncoding(Frozen):
    """What a network takes and answers whose inputs, each of `shape`, are the numbers of its data set."""

    kind: Literal["array"] = "array"
    shape: tuple[int, ...]
    answer: Answer

    def encode(self, numbers: ArrayLike) -> NDArray[np.float32]:
        """The same [rows, *shape] in float32. Raises ValueError for another shape."""
        given = np.asarray(numbers, dtype=np.float32)
        check_shape(given, self.shape)
        return given

    def answers(self, logits: ArrayLike) -> NDArray:
        """What logits [rows, outputs] say: [rows]."""
        return self.answer.of(logits)


def check_shape(given: NDArray, shape: tuple[int, ...]) -> None:
    """ValueError, in one line, unless it is [rows, *shape]."""
    if given.shape[1:] != shape or given.ndim == 0:
        wanted = ", ".join(map(str, shape))
        raise ValueError(f"inputs of the shape {given.shape} are none of [rows, {wanted}], which the network takes")
