"""The study's tables, as they are written to disk: accuracies and shares in percent, missing values empty."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.sparsest import methods
from analysis.sparsest.further import pruning_after_training, smallest_after_training
from analysis.sparsest.networks import CONFIGURATION, GROUP, KEYS, Networks, in_order
from analysis.sparsest.published import RANDOM, SPARSEST, TARGETS, WINNERS

Tables = dict[str, pd.DataFrame]

RESULT = ["nonzeros", "connected_nonzeros"]
COUNTS = ["n", "configurations", "reached", "n_as_small", "reached_as_small"]
WHICH = ["network_id", "structure", "learning_rate", "schedule", "order_seed", "accuracy"]


def tables(networks: Networks) -> Tables:
    """All tables by the names of their files; a row's `dataset` has the settings that the sweep varied."""
    smallest = sparsest(networks)
    named = {
        "sparsest": smallest.drop(columns=WHICH),
        "sparsest_networks": smallest.dropna(subset=["nonzeros"])[[*KEYS, "target", *RESULT, *WHICH]],
        "gaps": gaps(smallest),
        "accuracy": accuracy(networks),
        "batch_orders": batch_orders(networks),
        "connectivity": connectivity(networks),
        "pruning_after_training": pruning_after_training(networks),
        "smallest_after_training": smallest_after_training(networks),
    }
    return {name: _finished(table, networks.scale) for name, table in named.items()}


def sparsest(networks: Networks) -> pd.DataFrame:
    """The smallest network of each method and width that reaches a target, the most accurate of those as small.

    `n`: networks looked at; `configurations`: how many of them differ in more than seeds; `reached`: how many networks
    reach the target; `n_as_small` and `reached_as_small`: the same of the networks that have as few nonzeros.
    `published`: the paper's number where it is known, for the search from random weights as `published.SPARSEST` reads
    it. Without a network that reaches the target there is no size.
    """
    frame = networks.by_method
    groups = frame.groupby(KEYS)
    looked_at = groups.size().to_frame("n")
    looked_at["configurations"] = frame.drop_duplicates(CONFIGURATION).groupby(KEYS).size()
    parts = []
    for target in TARGETS:
        reaching = frame[frame["accuracy"] >= target].sort_values(
            ["nonzeros", "accuracy"], ascending=[True, False], kind="stable"
        )
        best = reaching.drop_duplicates(KEYS).set_index(KEYS)[[*RESULT, *WHICH]]
        part = looked_at.join(best)
        part["reached"] = reaching.groupby(KEYS).size()
        for name, rows in (("n_as_small", frame), ("reached_as_small", reaching)):
            smallest = rows[KEYS].join(best["nonzeros"].rename("smallest"), on=KEYS)["smallest"]
            part[name] = rows[rows["nonzeros"].eq(smallest).fillna(False)].groupby(KEYS).size()
        parts.append(part.reset_index().assign(target=target))
    table = pd.concat(parts, ignore_index=True)
    table[COUNTS] = table[COUNTS].fillna(0).astype(int)
    rows = zip(table["initialisation"], table["method"], table["target"], strict=True)
    table["published"] = pd.array([_published(*row) for row in rows], dtype="Int64")
    return in_order(table)[[*KEYS, "target", *RESULT, "published", *COUNTS, *WHICH]]


def _published(initialisation: str, method: str, target: float) -> int | None:
    """The paper's smallest number of nonzeros, of its search's phases alone: its pruners' are in figures."""
    if method == methods.SEARCH and initialisation == RANDOM:
        return SPARSEST[target]
    found = [each.nonzeros for each in WINNERS if (each.start, each.target) == (initialisation, target)]
    return found[0] if found and method == methods.STRUCTURED else None


def gaps(smallest: pd.DataFrame) -> pd.DataFrame:
    """How many nonzeros more than the search a method needs, by width; without the search there is no gap."""
    searched = smallest[smallest["method"].eq(methods.SEARCH)].set_index([*GROUP, "target"])["nonzeros"]
    searched = searched.groupby(level=[0, 1, 2]).min().rename("search")
    rows = smallest[~methods.searched(smallest)]
    rows = rows[[*KEYS, "target", "nonzeros"]].join(searched, on=[*GROUP, "target"])
    return rows.assign(gap=rows["nonzeros"] - rows["search"])


def accuracy(networks: Networks) -> pd.DataFrame:
    """How accurate the networks are, by how many weights they were to keep: the best, the median, who reaches a target.

    `n` counts the diverged ones, and so do the percentages; `nonzeros` and `connected_nonzeros` are those of the best.
    """
    frame = networks.by_method
    by = [*KEYS, "weights"]
    rows = frame.dropna(subset=["weights"])
    reached = _reaching(rows)
    groups = rows.assign(**reached).groupby(by)
    table = groups.agg(
        n=("accuracy", "size"),
        finished=("accuracy", "count"),
        median=("accuracy", "median"),
        nonzeros_median=("nonzeros", "median"),
        **{name: (name, "mean") for name in reached},
    )
    table["p5"], table["p95"] = (groups["accuracy"].quantile(share) for share in (0.05, 0.95))
    order = rows.sort_values(["accuracy", "nonzeros"], ascending=[False, True], kind="stable")
    best = order.drop_duplicates(by).set_index(by)[["accuracy", *RESULT]].rename(columns={"accuracy": "best"})
    table = table.join(best).reset_index()
    table["diverged"] = table["n"] - table.pop("finished")
    shown = [*by, "n", "diverged", "best", "p95", "median", "p5", *reached, *RESULT, "nonzeros_median"]
    return in_order(table)[shown]


def batch_orders(networks: Networks) -> pd.DataFrame:
    """Networks that were trained several times and are alike but for their seeds: how often they reach a target.

    `network_id`, `nonzeros` and `connected_nonzeros` are those of the most accurate one; `n` counts the diverged ones.
    """
    frame = networks.once
    rows = frame[frame.duplicated(CONFIGURATION, keep=False)]
    reached = _reaching(rows)
    groups = rows.assign(**reached).groupby(CONFIGURATION, dropna=False)
    table = groups.agg(
        n=("accuracy", "size"),
        best=("accuracy", "max"),
        median=("accuracy", "median"),
        **{name: (name, "mean") for name in reached},
    )
    order = rows.sort_values(["accuracy", "network_id"], ascending=[False, True], kind="stable")
    best = order.drop_duplicates(CONFIGURATION).set_index(CONFIGURATION)[[*RESULT, "network_id"]]
    return in_order(table.join(best).reset_index())


def connectivity(networks: Networks) -> pd.DataFrame:
    """What lies on no path from an input to an output, by method and width.

    Of networks with `weights_min` to `weights_max` weights: where pruners have several widths, with those numbers alone
    that all of them were asked for, since the fewer the weights, the more of them lie on no path.

    `disconnected_units` counts hidden units that have weights, all layers and layer by layer; `disconnected_nonzeros`
    is their share of the nonzeros, a mean over networks; `with_disconnected_units` and `without_a_path` are shares of
    networks.
    """
    finished = networks.by_method.dropna(subset=["connected_nonzeros"])
    frame = pd.concat([in_all_widths(part) for _, part in networks.groups(finished)])
    units = _padded(networks.lists["disconnected_units"])
    units = units.loc[frame.index]
    layers = {f"disconnected_in_layer_{layer + 1}": units[layer] for layer in units.columns}
    rows = frame[KEYS].assign(
        disconnected_units=units.sum(axis=1),
        **layers,
        with_disconnected_units=100 * (units.sum(axis=1) > 0),
        disconnected_nonzeros=100 * (1 - frame["connected_nonzeros"] / frame["nonzeros"]).astype(float),
        without_a_path=100 * (frame["connected_nonzeros"] <= 1),  # the output's bias alone
    )
    counts = frame.groupby(KEYS).agg(
        n=("weights", "size"), weights_min=("weights", "min"), weights_max=("weights", "max")
    )
    return in_order(counts.join(rows.groupby(KEYS).mean()).reset_index())


def in_all_widths(rows: pd.DataFrame) -> pd.DataFrame:
    """Those with numbers of weights that pruners were asked for at every width: narrow ones have no large numbers.

    All of them where there is no such number. The search's stay as they are.
    """
    searched = methods.searched(rows)
    pruned = rows[~searched]
    widths = pruned.groupby("weights")["width"].nunique()
    common = widths.index[widths == pruned["width"].nunique()]
    return rows[searched | rows["weights"].isin(common)] if len(common) else rows


def _reaching(rows: pd.DataFrame) -> dict[str, pd.Series]:
    """100 for a network that reaches a target and 0 for any other, so that means are percentages."""
    return {f"percent_reaching_{target:g}": 100 * (rows["accuracy"] >= target) for target in TARGETS}


def _padded(lists: pd.Series) -> pd.DataFrame:
    """Lists as the rows of a frame, shorter ones filled with zeros."""
    lengths = lists.map(len).to_numpy(dtype=int)
    result = np.zeros((len(lists), lengths.max(initial=0)), dtype=np.int64)
    flat = np.concatenate(lists.to_list()) if lengths.sum() else np.array([])
    result[np.arange(result.shape[1]) < lengths[:, None]] = flat
    return pd.DataFrame(result, index=lists.index)


def _finished(table: pd.DataFrame, scale: str) -> pd.DataFrame:
    """The table as it is written: with the scale."""
    leading = ["dataset", "scale", *(n for n in ("method", "width", "initialisation") if n in table)]
    table = table.assign(scale=scale)
    return table[[*leading, *table.columns.drop(leading)]]
