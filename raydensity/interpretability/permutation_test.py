"""Rank-based permutation test between two groups (Frivolous Units, section 5; details by the specification, b.9)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

PERMUTATIONS = 10_000
BATCH = 1_000  # permutations at a time


class RankTest(NamedTuple):
    """Mean rank of the first group minus that of the second, and how likely one as large is if they do not differ."""

    statistic: float
    p: float


def rank_permutation_test(
    first: ArrayLike, second: ArrayLike, *, seed: int, permutations: int = PERMUTATIONS
) -> RankTest:
    """Two-sided test of whether two groups of numbers differ; equal numbers share their mean rank.

    p is twice the share, on the side where it is smaller, of `permutations` random relabellings whose statistic is as
    extreme; the observed one counts with them, so p is at least 2 / (permutations + 1). Where there are no more
    relabellings than that, all of them are counted instead.
    Raises ValueError for a group of fewer than two numbers, and numbers that are not finite.
    """
    groups = [np.asarray(group, dtype=np.float64) for group in (first, second)]
    if any(group.ndim != 1 or len(group) < 2 or not np.isfinite(group).all() for group in groups):
        raise ValueError("a permutation test needs two groups of at least two finite numbers")
    ranks = stats.rankdata(np.concatenate(groups))
    result = stats.permutation_test(
        (ranks[: len(groups[0])], ranks[len(groups[0]) :]),
        lambda x, y, axis: x.mean(axis=axis) - y.mean(axis=axis),
        permutation_type="independent",
        vectorized=True,
        n_resamples=permutations,
        batch=BATCH,
        alternative="two-sided",
        rng=np.random.default_rng(seed),
    )
    return RankTest(float(result.statistic), float(result.pvalue))
