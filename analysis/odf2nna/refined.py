"""ODF2NNA's refined networks against three others: the original, the original that trained on, and random weights."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from analysis.odf2nna.methods import OURS
from analysis.odf2nna.networks import Networks
from analysis.odf2nna.without_loss import best, candidates
from analysis.statistics import half_width, holm, paired_t_test


class Other(NamedTuple):
    """What refined networks are held against, in words, and the column of `Networks.smaller` with the difference."""

    words: str
    column: str


OTHERS = {
    "original": Other("the original", "gain"),
    "trained_on": Other("the original trained on as long", "gain_trained_on"),
    "scratch": Other("the same units from scratch", "gain_scratch"),
}
COLUMNS = ["dataset", "task", "against", "level", "n", "compression", "gain", "gain_std", "gain_low", "gain_high", "p"]


def refined_against(networks: Networks, variant: str) -> pd.DataFrame:
    """Differences of score, repeat by repeat: positive where the refined network is better.

    `level` is empty where each repeat has the epsilon with the best validation score (of any criterion, where `variant`
    has several), without loss or not. `gain_low` to `gain_high` is an interval of confidence of 95 %, `p` that of a
    paired t-test, corrected where repeats draw their test rows anew (`statistics.paired_t_test`); `p_holm` is corrected
    over the data sets. What has no repeat to compare is left out.
    """
    rows = candidates(networks)
    usual = rows[rows["variant"].eq(OURS)]
    chosen = best(networks)
    chosen = chosen[chosen["variant"].eq(variant) & chosen["found"]].assign(level=np.nan)
    found = []
    for other, (_, column) in OTHERS.items():
        known = pd.concat([usual, chosen]).dropna(subset=[column])
        for (level, dataset), own in known.groupby(["level", "dataset"], sort=False, dropna=False):
            apart, drawn = own[column], networks.test_to_training[dataset]
            mean, deviation, n = apart.mean(), apart.std(), len(apart)
            half = half_width(deviation, n, test_to_training=drawn)
            found.append(
                {
                    **{"dataset": dataset, "task": own["task"].iloc[0], "against": other, "level": level, "n": n},
                    **{"compression": own["share_gone"].mean(), "gain": mean, "gain_std": deviation},
                    **{"gain_low": mean - half, "gain_high": mean + half},
                    "p": paired_t_test(apart, test_to_training=drawn),
                }
            )
    table = pd.DataFrame(found, columns=COLUMNS)
    table["p_holm"] = table.groupby(["against", "level"], dropna=False)["p"].transform(holm)
    return table
