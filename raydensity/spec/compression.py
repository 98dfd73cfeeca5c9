"""What is removed from a trained network before a short retraining (ODF2NNA; specification c.1). Options alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Literal, Self, get_args

from pydantic import Field, model_validator

from raydensity.spec.frozen import Frozen

# Units by a score that each has, the smallest first.
UnitScore = Literal[
    "output_deviation",
    "random_units",
    "incoming_l1",
    "incoming_l2",
    "outgoing_l1",
    "outgoing_l2",
    "geometric_median",
    "mean_activation",
    "average_percentage_of_zeros",
    "taylor",
    "activation_gradient",
]
# Units whose outgoing weights others take over.
UnitMerge = Literal["correlation", "principal_components"]
# Single weights.
WeightScore = Literal["magnitude_layerwise", "magnitude_global", "optimal_brain_damage"]

UNIT_SCORES, UNIT_MERGES, WEIGHT_SCORES = get_args(UnitScore), get_args(UnitMerge), get_args(WeightScore)

# The usual ones first.
Criterion = Literal["share", "absolute", "relative"]
Compensation = Literal["mean", "literal", "none"]
CRITERIA, COMPENSATIONS = get_args(Criterion), get_args(Compensation)


class Compression(Frozen):
    """Units or weights are removed after training; then the network trains for `refinement` of its epochs again.

    Removed are units whose score is at most `level` (criterion `absolute`) or at most that share of the layer's largest
    score (`relative`), or the share `level` of each layer's units, rounded down (`share`). Single weights are removed
    until as many are left as where that share of the units goes. Scores are on the images of the part `scored_on`.

    Units that go by their score are compensated for by their `mean` output, which goes into the next layer's biases, or
    by their biases, whose sum is spread over the layer's other units (`literal`), or not at all. A layer that would
    lose all its units keeps the one with the largest score, or the network is refused (`empty_layer`).
    """

    method: UnitScore | UnitMerge | WeightScore
    criterion: Criterion = "share"
    level: float = Field(ge=0)
    compensation: Compensation = "mean"
    refinement: float = Field(default=0.15, gt=0, le=1)
    scored_on: Literal["validation", "training"] = "validation"
    empty_layer: Literal["keep_one", "refuse"] = "keep_one"

    @model_validator(mode="after")
    def _combination(self) -> Self:
        if self.criterion == "share" and self.level >= 1:
            raise ValueError("level: a share of the units that are removed is less than 1")
        if self.criterion != "share" and self.method != "output_deviation":
            raise ValueError(f"criterion: {self.criterion} is for output_deviation; other methods remove a share")
        if self.compensation != "none" and self.method not in UNIT_SCORES:
            raise ValueError(f"compensation: {self.method} has its own, or needs none: it must be none")
        return self

    @property
    def removes_units(self) -> bool:
        return self.method not in WEIGHT_SCORES

    def epochs(self, of_original: int) -> int:
        """Epochs of the refinement."""
        return refinement_epochs(self.refinement, of_original)


def refinement_epochs(share: float, of_original: int) -> int:
    """A share of the original's epochs, rounded, and at least one."""
    return max(1, round(share * of_original))


def units_left(units: int, share: float) -> int:
    """How many units of a layer stay when a share goes, which is rounded down; at least one."""
    return max(1, units - math.floor(share * units + 1e-9))


def weights_left(sizes: Sequence[int], share: float) -> list[int]:
    """How many weights the kernels of a dense network would have without that share of the units of each hidden layer.

    `sizes` are those of its layers, inputs and outputs included.
    """
    inputs, *hidden, outputs = sizes
    return [own * above for own, above in pairwise([inputs, *(units_left(units, share) for units in hidden), outputs])]
