"""What is removed after training, to measure by."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from raydensity.spec.frozen import Frozen


class MagnitudePruning(Frozen):
    """Layer-wise by magnitude, `step` of each layer's original weights at a time (density paper, section 3.2)."""

    name: Literal["magnitude"] = "magnitude"
    step: float = Field(default=0.02, gt=0, le=1)


class GlobalMagnitudePruning(Frozen):
    """Over the whole network by magnitude, in at most `points` steps: one weight at a time where it has no more."""

    name: Literal["global_magnitude"] = "global_magnitude"
    points: int = Field(default=100, ge=1)


class NoPruning(Frozen):
    """Nothing is removed after training."""

    name: Literal["none"] = "none"


Pruning = Annotated[MagnitudePruning | GlobalMagnitudePruning | NoPruning, Field(discriminator="name")]
