"""Methods ranked over data sets, by what all of them have."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from analysis.odf2nna import methods
from analysis.odf2nna.methods import OURS
from analysis.odf2nna.networks import KEYS, Networks
from analysis.odf2nna.without_loss import STRICT, TOLERANCE, TOLERANCES, candidates
from analysis.ranking import against, ranking

GAIN = "gain"
COMPRESSIONS = {"compression": STRICT, "compression_tolerated": TOLERANCE}
MEASURES = {GAIN: "score at equal shares of the units"}
MEASURES |= {measure: f"compression {TOLERANCES[tolerance]}" for measure, tolerance in COMPRESSIONS.items()}
COLUMNS = ["measure", "method", "n", "rank", "critical_difference", "p_friedman"]
COLUMNS += ["difference", "better_on", "p", "p_holm"]


def scores(networks: Networks, chosen: Mapping[float, pd.DataFrame], measure: str) -> pd.DataFrame:
    """Data sets by methods, larger is better: `compression` without loss or `compression_tolerated`, in percent, of
    what is `chosen` by tolerance; or the `gain` at equal shares of the units, mean over levels.

    Means over the repeats (and levels) that all methods have. Methods as usual, and those that most data sets have.
    """
    if measure == GAIN:
        rows, keys, value = candidates(networks), [*KEYS, "level"], "gain"
        rows = rows[rows["criterion"].eq("share") & rows["level"].notna()]
    else:
        rows, keys, value = chosen[COMPRESSIONS[measure]], KEYS, "share_gone"
    rows = rows[~rows["variant"].str.contains(",")]
    wide = rows.pivot(index=keys, columns="variant", values=value)
    datasets = wide.notna().groupby("dataset").any().sum()
    wide = wide.loc[:, datasets.eq(datasets.max())].dropna()
    means = wide.groupby("dataset", sort=False).mean()
    return means[sorted(means, key=methods.rank)]


def ranks(scores_by: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Average ranks over data sets by each measure, and ODF2NNA held against each other method: p of the difference of
    their average ranks (Demšar 2006), and by Holm's method."""
    parts = []
    for measure, wide in scores_by.items():
        if wide.shape[1] < 2 or OURS not in wide or wide.empty:
            continue
        found = ranking(wide)
        table = found.ranks.rename("rank").rename_axis("method").reset_index().assign(measure=measure)
        table = table.merge(against(wide, OURS), on="method", how="left")
        table["n"], table["p_friedman"] = found.datasets, found.p
        table["critical_difference"] = found.critical_difference
        parts.append(table)
    return pd.concat(parts, ignore_index=True)[COLUMNS] if parts else pd.DataFrame(columns=COLUMNS)
