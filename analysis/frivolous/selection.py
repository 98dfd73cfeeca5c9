"""Which settings of a search are shown: those with the best validation accuracy (specification b.4)."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd


def best(networks: pd.DataFrame, *, by: Sequence[str], settings: Sequence[str]) -> pd.DataFrame:
    """Of each group that the columns `by` make, the networks with the `settings` of the best mean validation accuracy.

    The mean is over all networks with those settings, such as seeds. Settings that have fewer networks than others of
    their group are passed over: where a search on one seed chose what the other seeds were trained with, or where some
    diverged. Of several as good, the first by value is taken.
    """
    if not settings or networks.empty:
        return networks
    keys = [*by, *settings]
    scores = networks.groupby(keys)["validation_accuracy"].agg(n="size", mean="mean")
    groups = list(by) if by else (lambda _: 0)
    most = scores["n"] == scores.groupby(groups)["n"].transform("max")
    chosen = scores[most].groupby(groups)["mean"].idxmax()
    wanted = pd.MultiIndex.from_tuples([key if isinstance(key, tuple) else (key,) for key in chosen], names=keys)
    return networks[pd.MultiIndex.from_frame(networks[keys]).isin(wanted)]
