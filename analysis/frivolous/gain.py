"""Gain: by how much the number of units of a kind grows where the width doubles (specification b.7)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pandas as pd

from analysis.statistics import half_width, welch_half_width

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


NO_GAIN = Gain(float("nan"), 0, float("nan"), float("nan"))


def gain(
    values: Mapping[float, float],
    measure: str,
    errors: Mapping[float, float] | None = None,
    counts: Mapping[float, int] | None = None,
) -> Gain:
    """The gain of a curve: mean of v(2x) / v(x) over consecutive widths of the paper.

    `values` has the curve by width; a width that it lacks, or where it is 0 or NaN, is in no ratio. `errors` are their
    standard errors, of means over `counts` networks, which are carried over to first order: a value is in two ratios,
    above and below. Networks of different widths are taken to be independent.
    """
    pairs, slopes = _ratios(values, measure)
    if not pairs:
        return NO_GAIN
    variances = np.array([(slope * (errors or {}).get(width, np.nan)) ** 2 for width, slope in slopes.items()])
    half = welch_half_width(variances, [(counts or {}).get(width, 0) for width in slopes])
    return Gain(_mean_ratio(values, pairs), len(pairs), float(np.sqrt(variances.sum())), half)


def gain_of_families(curves: pd.DataFrame, measure: str) -> Gain:
    """The gain of the mean curve of some families of networks, a row each, with a value at every width (columns).

    Networks of one family have weights or images in common, so that their values are not independent: the error is that
    of the mean over families, of what each adds to the gain to first order.
    """
    values = {float(str(width)): mean for width, mean in curves.mean().items()}
    pairs, slopes = _ratios(values, measure)
    if not pairs:
        return NO_GAIN
    added = sum(slope * curves[width] for width, slope in slopes.items())
    error = float(added.std() / np.sqrt(len(added)))
    return Gain(_mean_ratio(values, pairs), len(pairs), error, float(half_width(added.std(), len(added))))


def _ratios(values: Mapping[float, float], measure: str) -> tuple[list[tuple[float, float]], dict[float, float]]:
    """Pairs of consecutive widths, and by how much the gain changes with the value at each, to first order."""
    consecutive = list(pairwise(WIDTHS))[FIRST[measure] :]
    pairs = [(narrow, wide) for narrow, wide in consecutive if values.get(narrow, 0) > 0 and values.get(wide, 0) > 0]
    slopes: dict[float, float] = defaultdict(float)
    for narrow, wide in pairs:
        slopes[wide] += 1 / values[narrow] / len(pairs)
        slopes[narrow] -= values[wide] / values[narrow] ** 2 / len(pairs)
    return pairs, slopes


def _mean_ratio(values: Mapping[float, float], pairs: Sequence[tuple[float, float]]) -> float:
    return float(np.mean([values[wide] / values[narrow] for narrow, wide in pairs]))


def has_all_widths(values: Mapping[float, float], measure: str, widths: tuple[float, ...] = WIDTHS) -> bool:
    """Whether a curve has a value, which may be 0, at each width that the gain of the paper's curve is made of."""
    return not any(np.isnan(values.get(width, np.nan)) for width in widths[FIRST[measure] :])
