"""Accuracy against nonzeros: the best networks of every method, and how the others are spread."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.figures import CannotDraw
from analysis.sparsest import methods
from analysis.sparsest.axes import accuracy_axis, common_width, method_legend, shown, usual_widths
from analysis.sparsest.networks import Networks, of_group

FEWEST = 5  # networks that a band of percentiles may stand for
BEYOND = 1.15  # how far an axis goes beyond the largest pruned network: the search has far larger ones


def best(networks: Networks) -> Figure:
    """The best network with at most so many nonzeros, a panel per initialisation and width of the pruners."""
    panels = [
        (networks.title(group), width, rows)
        for group, rows in networks.groups(networks.finished)
        for width in usual_widths(rows)
    ]
    columns = min(len(panels), 2)
    lines = math.ceil(len(panels) / columns)
    figure = Figure(figsize=(3.6 * columns + 1.4, 2.9 * lines), layout="constrained")
    axes = figure.subplots(lines, columns, squeeze=False)
    drawn: set[str] = set()
    for axis, (title, width, rows) in zip(axes.flat, panels, strict=False):
        chosen = shown(rows[methods.searched(rows) | (rows["width"] == width)])
        limit = _largest(chosen)
        for method in sorted(chosen["method"].unique(), key=methods.rank):
            look = methods.look(method)
            own = chosen[(chosen["method"] == method) & (chosen["nonzeros"] <= limit)]
            drawn.add(method)
            _steps(axis, own, look, limit)
        accuracy_axis(axis)
        searched_alone = methods.searched(chosen).all()
        axis.set(xlabel="nonzeros (weights and biases)", ylabel="best accuracy (%)", xlim=(None, limit))
        axis.set_title(title if searched_alone else f"{title}, pruners at width {width:g}")
    for spare in axes.flat[len(panels) :]:
        spare.remove()
    method_legend(figure, drawn)
    return figure


def spread(networks: Networks, group: tuple[str, str]) -> Figure:
    """How accuracies are spread, a panel per method, the search's best in all of them."""
    rows = of_group(networks.finished, group)
    if rows.empty:
        raise CannotDraw("All of these networks diverged.")
    width = common_width(rows)
    chosen = shown(rows[methods.searched(rows) | (rows["width"] == width)])
    names = sorted(chosen["method"].unique(), key=methods.rank)
    columns = min(len(names), 4)
    lines = math.ceil(len(names) / columns)
    figure = Figure(figsize=(1.9 * columns + 0.4, 1.95 * lines + 0.3), layout="constrained")
    axes = figure.subplots(lines, columns, squeeze=False, sharex=True, sharey=True)
    limit = _largest(chosen)
    search = chosen[methods.searched(chosen)]
    for place, (axis, method) in enumerate(zip(axes.flat, names, strict=False)):
        look = methods.look(method)
        own = chosen[(chosen["method"] == method) & (chosen["nonzeros"] <= limit)]
        if len(search) and not methods.is_search(method):
            _steps(axis, search[search["nonzeros"] <= limit], methods.LOOKS[methods.SEARCH], limit, width=0.8)
        _band(axis, own, look.color)
        accuracy_axis(axis)
        axis.set_title(look.name)
        axis.set_xlim(0.95 * float(chosen["nonzeros"].min()), limit)
        axis.tick_params(labelbottom=place + columns >= len(names))
    for spare in axes.flat[len(names) :]:
        spare.remove()
    figure.supxlabel("nonzeros (weights and biases)", fontsize=8.5)
    figure.supylabel("accuracy (%)", fontsize=8.5)
    return figure


def _largest(rows: pd.DataFrame) -> float:
    """Where the axis ends: beyond the largest pruned network, or beyond the search's where nothing was pruned."""
    pruned = rows[~methods.searched(rows)]
    return BEYOND * float((pruned if len(pruned) else rows)["nonzeros"].max())


def _steps(axis: Axes, rows: pd.DataFrame, look: methods.Look, limit: float, width: float = 1.3) -> None:
    """The best accuracy of at most so many nonzeros, a marker wherever more of them help."""
    if rows.empty:  # larger than the axis is long
        return
    by_size = rows.groupby("nonzeros")["accuracy"].max().cummax()
    better = by_size[by_size.diff().fillna(1) > 0]
    x = np.append(better.index.to_numpy(dtype=float), limit)
    y = np.append(better.to_numpy(dtype=float), better.iloc[-1])
    front = 3 if methods.is_search(look.name) else 2
    axis.step(x, y, where="post", color=look.color, linewidth=width, zorder=front)
    axis.plot(x[:-1], y[:-1], look.marker, color=look.color, markersize=3.4, markeredgewidth=0, zorder=front)


def _band(axis: Axes, rows: pd.DataFrame, color: str) -> None:
    """Median, 5 to 95 percent and the best by weights, placed at their typical nonzeros; dots where they are few."""
    if rows.empty:
        return
    groups = rows.groupby("weights")
    table = groups["accuracy"].quantile([0.05, 0.5, 0.95, 1]).unstack()
    x = groups["nonzeros"].median().to_numpy(dtype=float)
    if groups.size().median() < FEWEST:
        axis.plot(rows["nonzeros"].to_numpy(dtype=float), rows["accuracy"], ".", color=color, markersize=4)
        return
    order = np.argsort(x)
    x, low, median, high, best = x[order], *(table[q].to_numpy()[order] for q in (0.05, 0.5, 0.95, 1.0))
    axis.fill_between(x, low, high, color=color, alpha=0.3, linewidth=0)
    axis.plot(x, median, color=color, linewidth=1.4)
    axis.plot(x, best, linestyle="", marker=".", color=color, markersize=4)
