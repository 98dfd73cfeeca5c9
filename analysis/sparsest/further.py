"""What magnitude pruning after training takes from networks that reach a target, and how small that makes them."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.sparsest import methods
from analysis.sparsest.networks import GROUP, KEYS, Networks, in_order
from analysis.sparsest.published import TARGETS


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
    return in_order(table.reset_index())


def smallest_after_training(networks: Networks) -> pd.DataFrame:
    """The fewest nonzeros that magnitude pruning after training leaves of a network at a target, search and pruners.

    By method and width, the most accurate network (before pruning) of those that come as small; `nonzeros` are those
    that it was trained with. `n`: networks that reach the target, and were pruned. `gap`: how many more than of the
    search's networks are left; without the search there is none.
    """
    rows = removable(networks).sort_values(
        ["nonzeros_left", "left", "accuracy", "network_id"], ascending=[True, True, False, True], kind="stable"
    )
    by = [*KEYS, "target"]
    table = rows.drop_duplicates(by).set_index(by)[["nonzeros_left", "left", "nonzeros", "network_id"]]
    table = table.rename(columns={"left": "weights_left"})
    table.insert(3, "n", rows.groupby(by).size())
    table = table.reset_index()
    searched = table[table["method"] == methods.SEARCH].groupby([*GROUP, "target"])["nonzeros_left"].min()
    table = table.join(searched.rename("search"), on=[*GROUP, "target"])
    table["gap"] = (table["nonzeros_left"] - table["search"]).mask(methods.searched(table))
    return in_order(table)


def removable(networks: Networks) -> pd.DataFrame:
    """A row for each target that a network reaches: weights `left` at the last step of pruning before it falls below.

    `removed` are the others, and `removed_percent` their share of the weights it kept. `nonzeros_left` counts the
    biases as well: a hidden unit keeps its own while it has an outgoing weight.
    """
    frame = networks.by_method
    names = [*KEYS, "network_id", "accuracy", "nonzeros"]
    new = ["target", "left", "removed", "removed_percent", "nonzeros_left"]
    parts = []
    for target in TARGETS:
        rows = frame[frame["accuracy"] >= target]
        lists = networks.lists.loc[rows.index]
        lengths = lists["prune_weights_left"].map(len).to_numpy(dtype=int)
        rows, lists, lengths = rows[lengths > 0], lists[lengths > 0], lengths[lengths > 0]
        if not len(rows):
            continue
        passing = np.concatenate(lists["prune_validation_accuracy"].to_list()) >= target / 100
        steps = np.concatenate(lists["prune_weights_left"].to_list())
        starts = np.cumsum(lengths) - lengths
        last = np.maximum(_first_failing(passing, starts, lengths) - 1, 0)
        left = steps[starts + last]
        removed = rows["weights_kept"].to_numpy(dtype=float) - left
        percent = 100 * removed / np.maximum(removed + left, 1)
        columns = dict(zip(new, (target, left, removed, percent, left + _biases_left(lists, left)), strict=True))
        parts.append(rows[names].assign(**columns))
    return pd.concat(parts) if parts else pd.DataFrame(columns=[*names, *new])


def _biases_left(lists: pd.DataFrame, left: NDArray) -> NDArray:
    """Biases of networks of which the `left` largest weights remain: the outputs', and those that feed such a weight.

    What is kept stands in the record in the order in which pruning breaks ties. NaN where the record lacks it.
    """
    lengths = lists["kept_value"].map(len).to_numpy(dtype=int)
    network = np.repeat(np.arange(len(lists)), lengths)
    layer, unit, source, value = (
        np.concatenate(lists[f"kept_{name}"].to_list()) for name in ("layer", "unit", "input", "value")
    )
    is_bias = source < 0
    # Biases last, then by network, the largest weights first; of equals pruning takes the one that stands first.
    order = np.lexsort((-np.arange(len(value)), -np.abs(value), is_bias, network))
    first = np.cumsum(lengths) - lengths
    remains = np.empty(len(value), dtype=bool)
    remains[order] = np.arange(len(value)) - first[network] < left[network]
    kept = pd.DataFrame({"network": network, "layer": layer, "unit": unit, "input": source})
    feeding = kept.loc[remains & ~is_bias, ["network", "layer", "input"]].drop_duplicates()
    feeding = feeding.assign(layer=feeding["layer"] - 1).rename(columns={"input": "unit"})
    biases = kept.loc[is_bias, ["network", "layer", "unit"]]
    hidden = biases.merge(feeding, on=["network", "layer", "unit"])
    output = biases[biases["layer"] == lists["hidden"].str.count("-").to_numpy(dtype=int)[biases["network"]] + 1]
    numbers = pd.concat([hidden, output])["network"].value_counts().reindex(range(len(lists)), fill_value=0)
    return numbers.where(lengths > 0).to_numpy(dtype=float)


def _first_failing(passing: NDArray[np.bool_], starts: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray:
    """Place of the first False in each of the concatenated lists; a list's length where it has none."""
    place_in_list = np.arange(len(passing)) - np.repeat(starts, lengths)
    return np.minimum.reduceat(np.where(passing, np.repeat(lengths, lengths), place_in_list), starts)
