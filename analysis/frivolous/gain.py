"""Gain: by how much the number of units of a kind grows where the width doubles (specification b.7)."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import NamedTuple

import numpy as np

WIDTHS = (0.25, 0.5, 1.0, 2.0, 4.0)
MEASURES = ("prunability", "redundancy", "non_prunability", "non_redundancy")
# The published code leaves the first ratio, 1/2x over 1/4x, out where it is about redundancy.
FIRST = {"prunability": 0, "redundancy": 1, "non_prunability": 0, "non_redundancy": 1}


class Gain(NamedTuple):
    """Mean ratio of what consecutive widths have, and how many ratios there are; NaN where there is none."""

    g: float
    ratios: int


def gain(values: Mapping[float, float], measure: str) -> Gain:
    """The gain of a curve: mean of v(2x) / v(x) over consecutive widths of the paper.

    `values` has the curve by width; a width that it lacks, or where it is 0 or NaN, is in no ratio.
    """
    points = [values.get(width, np.nan) or np.nan for width in WIDTHS]
    ratios = [wide / narrow for narrow, wide in list(pairwise(points))[FIRST[measure] :]]
    known = [ratio for ratio in ratios if not np.isnan(ratio)]
    return Gain(float(np.mean(known)) if known else float("nan"), len(known))


def all_ratios(measure: str, widths: tuple[float, ...] = WIDTHS) -> int:
    """How many ratios the paper's curve over these widths has."""
    return max(len(widths) - 1 - FIRST[measure], 0)
