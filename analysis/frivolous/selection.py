"""Which settings of a search are shown: those with the best validation accuracy (specification b.4)."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

DIGITS = 9  # to which accuracies are equal: the last bits of a mean depend on the order of its sum


def best(networks: pd.DataFrame, *, by: Sequence[str], settings: Sequence[str]) -> pd.DataFrame:
    """Of each group that the columns `by` make, the networks with the `settings` of the best mean validation accuracy.

    For the best learning rate at each width and initialiser factor these are `by`, for the best of both the latter is
    one of the `settings`. The mean is over all networks with those settings, such as seeds. Settings of which fewer
    networks have an accuracy are passed over: others were trained further after a search on one seed, or some diverged.
    Of several as good the largest is taken, by the first of `settings` that tells them apart. `networks` has a row a
    network, with columns of `record.SCHEMA`.
    """
    if not settings or networks.empty:
        return networks
    keys = [*by, *settings]
    scores = networks.groupby(keys, dropna=False)["validation_accuracy"].agg(n="count", mean="mean")
    ranked = scores.round({"mean": DIGITS}).reset_index().sort_values(["n", "mean", *settings], ascending=False)
    chosen = ranked.drop_duplicates(list(by)) if by else ranked.head(1)
    return networks[pd.MultiIndex.from_frame(networks[keys]).isin(pd.MultiIndex.from_frame(chosen[keys]))]
