"""Effective density: the fraction of weights left where pruning first hurts (density paper, section 3.2).

A pure function of a pruning trajectory, so that a threshold is chosen after the run and never in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

Score = Literal["accuracy", "loss"]
Step = Literal["first_failing", "last_passing"]

# Accuracies are counts over images, at least 1e-5 apart, and may have passed through float32 (errors near 1e-7):
# a score that lies on the threshold must pass whatever the rounding.
ROUNDING = 1e-6


@dataclass(frozen=True)
class Reading:
    """How a trajectory is read.

    `tolerance` is how much the score may worsen against the unpruned network: as a fraction of the unpruned score, or
    without `relative` as it stands (accuracy as a fraction, so 0.05 is five points). Worsening by exactly the tolerance
    still passes. `step` says which weights count: those left at the first step that fails, as in the paper, or those
    at the step before it, the last of the passing ones. The default is the reading that puts the density paper's MLPs
    inside its published spread at every width (docs/fidelity.md). Raises ValueError for a tolerance below 0 or an
    unknown name.
    """

    tolerance: float = 0.05
    relative: bool = True
    score: Score = "accuracy"
    step: Step = "first_failing"

    def __post_init__(self) -> None:
        if not self.tolerance >= 0:
            raise ValueError(f"tolerance is {self.tolerance}: it must be 0 or more")
        if self.score not in get_args(Score):
            raise ValueError(f"score is {self.score!r}: it must be 'accuracy' or 'loss'")
        if self.step not in get_args(Step):
            raise ValueError(f"step is {self.step!r}: it must be 'first_failing' or 'last_passing'")


def effective_density(weights_left: ArrayLike, score: ArrayLike, reading: Reading | None = None) -> NDArray[np.float64]:
    """Effective density of networks, shape `[...]`, as a fraction in [0, 1].

    `weights_left` and `score` have the shape `[..., step]`: weights left at each pruning step, falling from the whole
    network at step 0, and the accuracy (fraction) or loss there. The default reading is `Reading()`. A network that
    never fails gets what is left at its last step: 0 where the trajectory ends with no weights. A network with a
    score that is not finite gets NaN. Raises ValueError if the shapes differ or there is no step.
    """
    reading = reading or Reading()
    left = np.asarray(weights_left, dtype=np.float64)
    values = np.asarray(score, dtype=np.float64)
    if left.shape != values.shape or left.ndim == 0 or left.shape[-1] == 0:
        raise ValueError(
            f"weights left {left.shape} and score {values.shape} must have one shape [..., step], step > 0"
        )
    unpruned = values[..., :1]
    allowed = reading.tolerance * (np.abs(unpruned) if reading.relative else 1.0)
    finite = np.isfinite(values).all(axis=-1)
    with np.errstate(invalid="ignore"):
        worse = unpruned - values if reading.score == "accuracy" else values - unpruned
        fails = worse > allowed + ROUNDING
    last = left.shape[-1] - 1
    step = np.where(fails.any(axis=-1), fails.argmax(axis=-1), last)
    if reading.step == "last_passing":
        step = np.where(fails.any(axis=-1), step - 1, last)
    # Step 0 is the unpruned network and never fails, so the step before a failing one exists.
    density = np.take_along_axis(left, step[..., None], axis=-1)[..., 0] / left[..., 0]
    return np.where(finite, density, np.nan)
