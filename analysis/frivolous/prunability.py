"""Prunability: the share of the units that can be set to 0 before too many answers change (specification b.5)."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike

TOLERANCE = 0.2


def threshold(removed: ArrayLike, unchanged: ArrayLike, tolerance: float = TOLERANCE) -> float:
    """Share of units removed where the share of unchanged answers falls below 1 - `tolerance`, interpolated linearly.

    `removed` ascends from 0 to 1, `unchanged` has the same length. The first crossing counts; 1.0 where there is none.
    Raises ValueError where lengths differ, nothing was removed at least once, or the tolerance is not within [0, 1].
    """
    shares, answers = np.asarray(removed, dtype=np.float64), np.asarray(unchanged, dtype=np.float64)
    if shares.shape != answers.shape or shares.ndim != 1 or len(shares) < 2:
        raise ValueError(
            f"shares removed {shares.shape} and unchanged {answers.shape} must be lists of one length, 2 up"
        )
    if not 0 <= tolerance <= 1:
        raise ValueError(f"tolerance is {tolerance}: it must be between 0 and 1")
    level = 1 - tolerance
    for (x, y), (next_x, next_y) in pairwise(zip(shares, answers, strict=True)):
        if y >= level > next_y:
            return float(x + (level - y) * (next_x - x) / (next_y - y))
    return 1.0
