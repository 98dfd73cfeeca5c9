"""What stored curves and spectra say at a tolerance, chosen after the run and never in it; needs no torch.

Source: "Frivolous Units", specification b.5 and b.6.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike

CHANGED = 0.2
UNEXPLAINED = 0.05


def threshold(removed: ArrayLike, unchanged: ArrayLike, tolerance: float = CHANGED) -> float:
    """Share of units removed where the share of unchanged answers falls below 1 - `tolerance`, interpolated linearly.

    `removed` ascends from 0 to 1, `unchanged` has the same length. The first crossing counts; 1.0 where there is none.
    Raises ValueError where the lengths differ, there is no step, or the tolerance is not within [0, 1].
    """
    shares, answers = (np.asarray(values, dtype=np.float64) for values in (removed, unchanged))
    if shares.ndim != 1 or shares.shape != answers.shape or len(shares) < 2:
        raise ValueError(f"removed {shares.shape} and unchanged {answers.shape} must have one shape [step], step > 1")
    _check(tolerance)
    level = 1 - tolerance
    for (x, y), (next_x, next_y) in pairwise(zip(shares.tolist(), answers.tolist(), strict=True)):
        if y >= level > next_y:
            return x + (y - level) * (next_x - x) / (y - next_y)
    return 1.0


def redundant_units(eigenvalues: ArrayLike, tolerance: float = UNEXPLAINED) -> int:
    """How many of the smallest eigenvalues of the units' covariance make up `tolerance` of its trace.

    They are added as long as their sum is at most that, and the one that exceeds it counts as well, as in the published
    code. All units of a layer without variance are redundant. Raises ValueError where there are no eigenvalues, or the
    tolerance is not within [0, 1].
    """
    values = np.sort(np.asarray(eigenvalues, dtype=np.float64)).clip(min=0)
    if values.ndim != 1 or not len(values):
        raise ValueError(f"eigenvalues of shape {values.shape}: they must be a list with one at least")
    _check(tolerance)
    total = values.sum()
    if not total:
        return len(values)
    return min(int((np.cumsum(values) <= tolerance * total).sum()) + 1, len(values))


def _check(tolerance: float) -> None:
    if not 0 <= tolerance <= 1:
        raise ValueError(f"tolerance is {tolerance}: it must be between 0 and 1")
