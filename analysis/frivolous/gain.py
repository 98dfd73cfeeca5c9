"""Gain: by how much the number of units of a kind grows where the width doubles (specification b.7)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

CONFIDENCE = 0.95
WIDTHS = (0.25, 0.5, 1.0, 2.0, 4.0)
MEASURES = ("prunability", "redundancy", "non_prunability", "non_redundancy")
# The published code leaves the first ratio, 1/2x over 1/4x, out where it is about redundancy.
FIRST = {"prunability": 0, "redundancy": 1, "non_prunability": 0, "non_redundancy": 1}


class Gain(NamedTuple):
    """Mean ratio of what consecutive widths have, how many ratios there are, the standard error of their mean, and half
    of its interval of confidence.

    NaN where there is no ratio, error and interval also where that of a value is not known.
    """

    g: float
    ratios: int
    error: float
    half_width: float


def gain(
    values: Mapping[float, float],
    measure: str,
    errors: Mapping[float, float] | None = None,
    counts: Mapping[float, int] | None = None,
) -> Gain:
    """The gain of a curve: mean of v(2x) / v(x) over consecutive widths of the paper.

    `values` has the curve by width; a width that it lacks, or where it is 0 or NaN, is in no ratio. `errors` are their
    standard errors, of means over `counts` networks, which are carried over to first order: a value is in two ratios,
    above and below. The interval is Student's, with as many degrees of freedom as such a sum of estimated variances has
    (Welch 1947, Satterthwaite 1946): of two or three networks a width, two errors would be too few.
    """
    points = {width: values.get(width, np.nan) or np.nan for width in WIDTHS}
    pairs = [(n, w) for n, w in list(pairwise(WIDTHS))[FIRST[measure] :] if points[n] > 0 and points[w] > 0]
    if not pairs:
        return Gain(float("nan"), 0, float("nan"), float("nan"))
    slopes: dict[float, float] = defaultdict(float)
    for narrow, wide in pairs:
        slopes[wide] += 1 / points[narrow] / len(pairs)
        slopes[narrow] -= points[wide] / points[narrow] ** 2 / len(pairs)
    variances = np.array([(slope * (errors or {}).get(width, np.nan)) ** 2 for width, slope in slopes.items()])
    error = float(np.sqrt(variances.sum()))
    half = error * _student(variances, [(counts or {}).get(width, 0) for width in slopes])
    return Gain(float(np.mean([points[wide] / points[narrow] for narrow, wide in pairs])), len(pairs), error, half)


def _student(variances: NDArray[np.float64], counts: Sequence[int]) -> float:
    """How many standard errors an interval has to either side; NaN where a variance is not known."""
    freedom = np.array(counts, dtype=float) - 1
    if np.isnan(variances).any() or (freedom < 1).any():
        return float("nan")
    if not variances.any():
        return 0.0
    return float(stats.t.ppf((1 + CONFIDENCE) / 2, variances.sum() ** 2 / (variances**2 / freedom).sum()))


def has_all_widths(values: Mapping[float, float], measure: str, widths: tuple[float, ...] = WIDTHS) -> bool:
    """Whether a curve has a value, which may be 0, at each width that the gain of the paper's curve is made of."""
    return not any(np.isnan(values.get(width, np.nan)) for width in widths[FIRST[measure] :])
