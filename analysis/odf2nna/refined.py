"""ODF2NNA's refined networks against others: the original, the original that trained on, and random weights."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from analysis.odf2nna.networks import KEYS, Networks, gain
from analysis.odf2nna.without_loss import best, candidates
from analysis.statistics import half_width, holm, paired_t_test


class Other(NamedTuple):
    """What refined networks are held against, in words, and the column with the difference."""

    words: str
    column: str


OTHERS = {
    "original": Other("the original", "gain"),
    "trained_on": Other("the original trained on as long", "gain_trained_on"),
    "scratch": Other("the same units from scratch", "gain_scratch"),
    "best_scratch": Other("the best from scratch, of any size", "gain_best_scratch"),
}
AT_LEVEL, BY_VALIDATION, UNCHOSEN = "level", "validation", "none"
COLUMNS = ["dataset", "task", "against", "choice", "level", "n", "compression"]
COLUMNS += ["gain", "gain_std", "gain_low", "gain_high", "p"]


def refined_against(networks: Networks, *, variant: str, usual: str) -> pd.DataFrame:
    """Differences of score, repeat by repeat: positive where the refined network is better.

    By the `choice` of epsilon: at a `level`, of the `usual` variant; by `validation`, where each repeat has the one
    with the best validation score (of any criterion, where `variant` has several), without loss or not; or `none`, the
    mean over the levels of the `usual` variant. Who chooses among many has the luck of the best on its side, which the
    original and the same units from scratch have not: `none` is fair to them, and `best_scratch`, the best network of
    whole units from random weights by validation rows, is chosen alike.

    `gain_low` to `gain_high` is an interval of confidence of 95 %, `p` that of a paired t-test, corrected where repeats
    draw their test rows anew (`statistics.paired_t_test`); `p_holm` is corrected over the data sets. What has no repeat
    to compare is left out.
    """
    rows = candidates(networks)
    lost_some = rows["parameters_after"] < rows["parameters"]
    at_levels = rows[rows["variant"].eq(usual) & lost_some].assign(choice=AT_LEVEL)
    chosen = best(networks)
    chosen = chosen[chosen["variant"].eq(variant) & chosen["found"]]
    chosen = _with_best_from_scratch(chosen, networks.scratch).assign(choice=BY_VALIDATION)
    compared = pd.concat([at_levels, chosen.assign(level=np.nan), _mean_over_levels(at_levels)])
    found = []
    for other, (_, column) in OTHERS.items():
        known = compared.dropna(subset=[column])
        for (choice, level, dataset), own in known.groupby(["choice", "level", "dataset"], sort=False, dropna=False):
            apart, drawn = own[column], networks.test_to_training[dataset]
            mean, deviation, n = apart.mean(), apart.std(), len(apart)
            half = half_width(deviation, n, test_to_training=drawn)
            found.append(
                {
                    **{"dataset": dataset, "task": own["task"].iloc[0], "against": other, "choice": choice},
                    **{"level": level, "n": n, "compression": own["share_gone"].mean()},
                    **{"gain": mean, "gain_std": deviation, "gain_low": mean - half, "gain_high": mean + half},
                    "p": paired_t_test(apart, test_to_training=drawn),
                }
            )
    table = pd.DataFrame(found, columns=COLUMNS)
    table["p_holm"] = table.groupby(["against", "choice", "level"], dropna=False)["p"].transform(holm)
    return table


def _mean_over_levels(at_levels: pd.DataFrame) -> pd.DataFrame:
    """One row a repeat, its differences the means over those levels that have them."""
    columns = ["share_gone", "gain", "gain_trained_on", "gain_scratch"]
    means = at_levels.groupby([*KEYS, "task"], sort=False)[columns].mean().reset_index()
    return means.assign(choice=UNCHOSEN, level=np.nan)


def _with_best_from_scratch(chosen: pd.DataFrame, scratch: pd.DataFrame) -> pd.DataFrame:
    """The chosen networks with `gain_best_scratch`: how much better than the network of whole units from random weights
    that has the best validation score of its original's, of equals the smallest; NaN without."""
    rows = scratch[scratch["sparsity"].eq("units")]
    good = rows["validation_score"].where(rows["task"].ne("regression"), -rows["validation_score"])
    rows = rows.assign(good=good).sort_values(["good", "parameters_after"], ascending=[False, True], kind="stable")
    rows = rows.drop_duplicates(KEYS)
    scores = dict(zip(rows[KEYS].itertuples(index=False, name=None), rows["score"], strict=True))
    own = [scores.get(key, np.nan) for key in chosen[KEYS].itertuples(index=False, name=None)]
    alone = pd.Series(own, index=chosen.index, dtype=float)
    return chosen.assign(gain_best_scratch=gain(chosen["task"], chosen["score"].astype(float), alone))
