"""What the logits of a network mean: a class, or a number in the target's units."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field

from raydensity.spec.frozen import Frozen


class Classes(Frozen):
    """A classification: the largest logit's class, in the order of the logits; a single logit says `names[1]` where it
    is above 0, else `names[0]`."""

    kind: Literal["classes"] = "classes"
    names: Annotated[tuple[str, ...], Field(min_length=2)]

    def of(self, logits: ArrayLike) -> NDArray[np.str_]:
        """The name of each row's class: logits [rows, classes], or [rows, 1] of a yes or no -> [rows].

        Raises ValueError for logits of another shape.
        """
        given = np.asarray(logits)
        if given.ndim != 2 or given.shape[1] not in {len(self.names), 1 if len(self.names) == 2 else len(self.names)}:
            raise ValueError(f"logits of {len(self.names)} classes cannot have the shape {given.shape}")
        chosen = (given[:, 0] > 0).astype(np.int64) if given.shape[1] == 1 else given.argmax(axis=1)
        return np.array(self.names)[chosen]


class Quantity(Frozen):
    """A regression: the logit is (target - `mean`) / `scale`, as fitted to training rows."""

    kind: Literal["quantity"] = "quantity"
    mean: float
    scale: Annotated[float, Field(gt=0)]

    def standardized(self, values: NDArray[np.float64]) -> NDArray[np.float32]:
        """What a network is to answer: numbers in the target's units [rows] -> float32 [rows]."""
        return ((values - self.mean) / self.scale).astype(np.float32)

    def of(self, logits: ArrayLike) -> NDArray[np.float64]:
        """Numbers in the target's units: logits [rows, 1] -> [rows]. Raises ValueError for logits of another shape."""
        given = np.asarray(logits, dtype=np.float64)
        if given.ndim != 2 or given.shape[1] != 1:
            raise ValueError(f"logits of a regression cannot have the shape {given.shape}")
        return given[:, 0] * self.scale + self.mean


Answer = Annotated[Classes | Quantity, Field(discriminator="kind")]
