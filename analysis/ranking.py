"""Methods compared over data sets (Demšar 2006): average ranks, Friedman's test, and what tells two methods apart.

Shapes: D data sets, M methods. Larger scores are better.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from analysis.statistics import holm


@dataclass(frozen=True)
class Ranking:
    """Average ranks by method (1 is the best), p of Friedman's test that all are alike (NaN below three methods or two
    data sets), and the critical difference of Nemenyi's: ranks that are further apart differ significantly."""

    ranks: pd.Series
    p: float
    critical_difference: float
    datasets: int


def ranking(scores: pd.DataFrame, *, alpha: float = 0.05) -> Ranking:
    """Rank the methods (columns) on each data set (rows), equals at their mean rank. Rows must be complete."""
    assert not scores.isna().any(axis=None), "every method needs a score on every data set"
    ranks = scores.rank(axis=1, ascending=False).mean().sort_values(kind="stable")
    datasets, methods = scores.shape
    enough = methods > 2 and datasets > 1
    p = _friedman(scores) if enough else float("nan")
    return Ranking(ranks, p, critical_difference(methods, datasets, alpha=alpha), datasets)


def _friedman(scores: pd.DataFrame) -> float:
    if (scores.nunique(axis=1) == 1).all():
        return 1.0  # its statistic is 0 / 0 where all methods are alike on every data set
    return float(stats.friedmanchisquare(*(scores[name] for name in scores)).pvalue)


def critical_difference(methods: int, datasets: int, *, alpha: float = 0.05) -> float:
    """Nemenyi's: q sqrt(M (M + 1) / 6 D), q the studentized range of infinitely many observations over sqrt(2)."""
    if methods < 2 or datasets < 1:
        return float("nan")
    q = stats.studentized_range.ppf(1 - alpha, methods, np.inf) / np.sqrt(2)
    return float(q * np.sqrt(methods * (methods + 1) / (6 * datasets)))


def against(scores: pd.DataFrame, one: str) -> pd.DataFrame:
    """One method against each other by average ranks (Demšar 2006, section 3.2.2): p of z = difference of ranks over
    sqrt(M (M + 1) / 6 D), two-sided, as such and by Holm's method.

    Ranks, since scores of several data sets are no numbers of one kind. One row a method, with how much better the
    one's rank is (`difference`), and on how many data sets its score is (`better_on`).
    """
    ranks = scores.rank(axis=1, ascending=False).mean()
    datasets, methods = scores.shape
    error = np.sqrt(methods * (methods + 1) / (6 * datasets))
    rows = []
    for other in scores.columns.drop(one):
        apart = ranks[other] - ranks[one]
        better = int((scores[one] > scores[other]).sum())
        p = 2 * float(stats.norm.sf(abs(apart) / error))
        rows.append({"method": other, "difference": apart, "better_on": better, "p": p})
    table = pd.DataFrame(rows, columns=["method", "difference", "better_on", "p"])
    table["p_holm"] = holm(table["p"])
    return table


def groups_alike(ranks: pd.Series, distance: float) -> list[tuple[float, float]]:
    """The bars of a critical-difference diagram: from and to which rank methods do not differ, the longest only."""
    ordered = ranks.sort_values().to_numpy()
    bars: list[tuple[float, float]] = []
    for first in ordered:
        last = ordered[ordered <= first + distance].max()
        if last > first and not any(start <= first and last <= end for start, end in bars):
            bars.append((float(first), float(last)))
    return bars
