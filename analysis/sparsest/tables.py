"""The study's tables, as they are written to disk: accuracies and shares in percent, missing values empty."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.sparsest import methods
from analysis.sparsest.networks import GROUP, KEYS, Networks, place
from analysis.sparsest.published import TARGETS

Tables = dict[str, pd.DataFrame]

RESULT = ["nonzeros", "connected_nonzeros"]
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
    }
    return {name: _finished(table, networks.scale) for name, table in named.items()}


def sparsest(networks: Networks) -> pd.DataFrame:
    """The smallest network of each method and width that reaches a target, the most accurate of those as small.

    `n`: networks looked at. Without a network that reaches it, the row is empty.
    """
    frame = networks.by_method
    looked_at = frame.groupby(KEYS).size().rename("n")
    parts = []
    for target in TARGETS:
        reached = frame[frame["accuracy"] >= target].sort_values(
            ["nonzeros", "accuracy"], ascending=[True, False], kind="stable"
        )
        best = reached.drop_duplicates(KEYS).set_index(KEYS)[[*RESULT, *WHICH]]
        parts.append(looked_at.to_frame().join(best).reset_index().assign(target=target))
    return _in_order(pd.concat(parts, ignore_index=True))[[*KEYS, "target", *RESULT, "n", *WHICH]]


def gaps(smallest: pd.DataFrame) -> pd.DataFrame:
    """How many nonzeros more than the search a method needs, by width; without the search there is no gap."""
    searched = smallest[smallest["method"].eq(methods.SEARCH)].set_index([*GROUP, "target"])["nonzeros"]
    searched = searched.groupby(level=[0, 1, 2]).min().rename("search")
    rows = smallest[~methods.searched(smallest)]
    rows = rows[[*KEYS, "target", "nonzeros"]].join(searched, on=[*GROUP, "target"])
    return rows.assign(gap=rows["nonzeros"] - rows["search"])


def accuracy(networks: Networks) -> pd.DataFrame:
    """How accurate the networks are, by how many weights they were to keep: the best, the median, who reaches a target.

    `n` counts the diverged ones, and so do the shares; `nonzeros` and `connected_nonzeros` are those of the best.
    """
    frame = networks.by_method
    by = [*KEYS, "weights"]
    rows = frame.dropna(subset=["weights"])
    reached = {f"reached_{target:g}": 100 * (rows["accuracy"] >= target) for target in TARGETS}
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
    return _in_order(table)[shown]


def batch_orders(networks: Networks) -> pd.DataFrame:
    """Structures whose training was repeated with other batch orders: how often each setting reaches a target."""
    rows = networks.by_method[networks.by_method["method"] == methods.STRUCTURED]
    by = [*GROUP, "structure"]
    repeated = rows[rows.groupby(by)["order_seed"].transform("nunique") > 1]
    reached = {f"reached_{target:g}": 100 * (repeated["accuracy"] >= target) for target in TARGETS}
    table = (
        repeated.assign(**reached)
        .groupby([*by, "learning_rate", "schedule"])
        .agg(
            n=("accuracy", "size"),
            best=("accuracy", "max"),
            median=("accuracy", "median"),
            **{name: (name, "mean") for name in reached},
        )
    )
    return table.reset_index()


def connectivity(networks: Networks) -> pd.DataFrame:
    """What lies on no path from an input to an output, by method and width.

    `disconnected_units` counts hidden units that have weights, all layers and layer by layer; `disconnected_nonzeros`
    is their share of the nonzeros, a mean over networks; `with_disconnected_units` and `without_a_path` are shares of
    networks.
    """
    frame = networks.by_method.dropna(subset=["connected_nonzeros"])
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
    groups = rows.groupby(KEYS)
    table = groups.mean().join(groups.size().rename("n")).reset_index()
    return _in_order(table[[*KEYS, "n", *table.columns.drop([*KEYS, "n"])]])


def pruning_after_training(networks: Networks) -> pd.DataFrame:
    """How many weights magnitude pruning takes from networks that reach a target before they fall below it.

    `prunable`: the share of networks that can lose any.
    """
    rows = removable(networks)
    groups = rows.assign(prunable=100 * (rows["removed"] > 0)).groupby([*KEYS, "target"])
    table = groups.agg(
        n=("removed", "size"),
        prunable=("prunable", "mean"),
        removed_median=("removed", "median"),
        removed_max=("removed", "max"),
        removed_percent_median=("removed_percent", "median"),
        weights_left_min=("left", "min"),
    )
    return _in_order(table.reset_index())


def removable(networks: Networks) -> pd.DataFrame:
    """A row for each target that a network reaches: weights `left` at the last step of pruning before it falls below.

    `removed` are the others, and `removed_percent` their share of the weights it kept.
    """
    frame = networks.by_method
    parts = []
    for target in TARGETS:
        rows = frame[frame["accuracy"] >= target]
        lists = networks.lists.loc[rows.index]
        lengths = lists["prune_weights_left"].map(len).to_numpy(dtype=int)
        rows, lists, lengths = rows[lengths > 0], lists[lengths > 0], lengths[lengths > 0]
        if not len(rows):
            continue
        passing = np.concatenate(lists["prune_validation_accuracy"].to_list()) >= target / 100
        left = np.concatenate(lists["prune_weights_left"].to_list())
        starts = np.cumsum(lengths) - lengths
        last = np.maximum(_first_failing(passing, starts, lengths) - 1, 0)
        left = left[starts + last]
        removed = rows["weights_kept"].to_numpy(dtype=float) - left
        percent = 100 * removed / np.maximum(removed + left, 1)
        columns = {"target": target, "left": left, "removed": removed, "removed_percent": percent}
        parts.append(rows[[*KEYS, "network_id", "accuracy"]].assign(**columns))
    names = [*KEYS, "network_id", "accuracy", "target", "left", "removed", "removed_percent"]
    return pd.concat(parts) if parts else pd.DataFrame(columns=names)


def _first_failing(passing: NDArray[np.bool_], starts: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray:
    """Place of the first False in each of the concatenated lists; a list's length where it has none."""
    place_in_list = np.arange(len(passing)) - np.repeat(starts, lengths)
    return np.minimum.reduceat(np.where(passing, np.repeat(lengths, lengths), place_in_list), starts)


def _padded(lists: pd.Series) -> pd.DataFrame:
    """Lists as the rows of a frame, shorter ones filled with zeros."""
    lengths = lists.map(len).to_numpy(dtype=int)
    result = np.zeros((len(lists), lengths.max(initial=0)), dtype=np.int64)
    flat = np.concatenate(lists.to_list()) if lengths.sum() else np.array([])
    result[np.arange(result.shape[1]) < lengths[:, None]] = flat
    return pd.DataFrame(result, index=lists.index)


def _in_order(table: pd.DataFrame) -> pd.DataFrame:
    """Data sets, initialisations, targets, methods and widths in the order of the report."""
    ranks = {name: rank for rank, name in enumerate(sorted(table["method"].unique(), key=methods.rank))}
    keys = [name for name in ("dataset", "initialisation", "target", "method", "width", "weights") if name in table]

    as_rank = {"method": ranks.get, "initialisation": place}
    return table.sort_values(
        keys, key=lambda column: column.map(as_rank.get(str(column.name), lambda value: value)), ignore_index=True
    )


def _finished(table: pd.DataFrame, scale: str) -> pd.DataFrame:
    """The table as it is written: with the scale."""
    leading = ["dataset", "scale", *(n for n in ("method", "width", "initialisation") if n in table)]
    table = table.assign(scale=scale)
    return table[[*leading, *table.columns.drop(leading)]]
