"""Connectivity: what of pruned networks lies on no path from an input to an output."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from analysis.sparsest import methods
from analysis.sparsest.axes import common_width, method_legend, several_widths, shown
from analysis.sparsest.networks import Networks, of_group, span
from analysis.sparsest.sizes import width_axis
from analysis.sparsest.tables import Tables, in_all_widths

LAYER_COLORS = ["#222222", "#777777", "#bbbbbb", "#dddddd"]
SHARE = "nonzeros on no path (%)"


def disconnected(networks: Networks, tables: Tables) -> Figure:
    """By group: disconnected nonzeros over the weights kept and over the width, disconnected units by layer."""
    groups = networks.groups(networks.finished)
    figure = Figure(figsize=(8.6, 2.6 * len(groups)), layout="constrained")
    axes = figure.subplots(len(groups), 3, squeeze=False)
    drawn: set[str] = set()
    for (first, second, third), (group, every) in zip(axes, groups, strict=True):
        rows = shown(every)
        rows = rows.assign(share=100 * (1 - rows["connected_nonzeros"] / rows["nonzeros"]).astype(float))
        pruned = rows[~methods.searched(rows)]
        drawn |= set(pruned["method"])
        width = common_width(every)
        _lines(first, pruned[pruned["width"] == width], "weights")
        first.set(title=f"{networks.title(group)}: width {width:g}", xlabel="weights kept", ylabel=SHARE)
        if several_widths(every):
            comparable = in_all_widths(pruned)
            _lines(second, comparable, "width")
            width_axis(second, sorted(comparable["width"].unique()))
            second.set(title=f"{span(comparable['weights'])} weights", ylabel=SHARE)
        else:
            second.remove()
        table = of_group(tables["connectivity"], group)
        table = table[table["method"].isin(rows["method"])]
        table = table[(table["width"] == width) & ~methods.searched(table)]
        _bars(third, table)
        weights = table[["weights_min", "weights_max"]].stack()
        third.set_title("disconnected units" + (f":\nwidth {width:g}, {span(weights)} weights" if len(table) else ""))
    method_legend(figure, drawn)
    layers = range(1, len(_layers(tables["connectivity"])) + 1)
    handles = [Patch(color=color, label=str(layer)) for layer, color in zip(layers, LAYER_COLORS, strict=False)]
    figure.legend(handles=handles, title="hidden layer", loc="outside right lower")
    return figure


def _lines(axis: Axes, rows: pd.DataFrame, over: str) -> None:
    for name, own in rows.groupby("method"):
        look = methods.look(str(name))
        mean = own.groupby(over)["share"].mean()
        x = mean.index.to_numpy(dtype=float)
        axis.plot(x, mean, color=look.color, marker=look.marker, markersize=4, linewidth=1.1)
    axis.set_ylim(-3, 103)


def _layers(table: pd.DataFrame) -> list[str]:
    return [name for name in table.columns if name.startswith("disconnected_in_layer_")]


def _bars(axis: Axes, table: pd.DataFrame) -> None:
    names = [methods.look(name).name for name in table["method"]]
    left = pd.Series(0.0, index=table.index)
    for column, color in zip(_layers(table), LAYER_COLORS, strict=False):
        axis.barh(range(len(table)), table[column], left=left, color=color, height=0.7)
        left = left + table[column]
    axis.set_yticks(range(len(table)), names, fontsize=7)
    axis.invert_yaxis()
    axis.grid(visible=False, axis="y")
    axis.set(xlabel="units a network (mean)", xlim=(0, max(1.0, 1.05 * float(left.max()))))
