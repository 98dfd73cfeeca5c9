"""Redundancy: how many units of a layer are linear combinations of others, but for a little (specification b.6)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

TOLERANCE = 0.05


def redundant_units(eigenvalues: ArrayLike, tolerance: float = TOLERANCE) -> int:
    """How many of the smallest eigenvalues of the units' covariance make up `tolerance` of its trace.

    They are added as long as their sum is at most that, and the one that exceeds it counts as well, as in the published
    code. All units of a layer without variance are redundant. Raises ValueError where there are no eigenvalues, or the
    tolerance is not within [0, 1].
    """
    values = np.sort(np.asarray(eigenvalues, dtype=np.float64))
    if values.ndim != 1 or not len(values):
        raise ValueError(f"eigenvalues of shape {values.shape}: they must be a list with one at least")
    if not 0 <= tolerance <= 1:
        raise ValueError(f"tolerance is {tolerance}: it must be between 0 and 1")
    values = values.clip(min=0)  # a covariance has none below 0 but by rounding
    share = np.cumsum(values) / values.sum() if values.sum() > 0 else np.zeros(len(values))
    return min(int((share <= tolerance).sum()) + 1, len(values))
