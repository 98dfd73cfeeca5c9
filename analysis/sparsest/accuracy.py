"""Accuracy against nonzeros: the best networks of every method, and how the others are spread."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.figures import CannotDraw
from analysis.sparsest import methods
from analysis.sparsest.axes import accuracy_axis, method_legend, shown, usual_widths
from analysis.sparsest.networks import Networks, of_group

FEWEST = 5  # networks that a band of percentiles may stand for
BEYOND = 1.15  # how far an axis goes beyond the largest pruned network: the search has far larger ones


def best(networks: Networks) -> Figure:
    """The best network with at most so many nonzeros: a line of panels an initialisation, by width of the pruners."""
    groups = networks.groups(networks.finished)
    columns = max(len(usual_widths(rows)) for _, rows in groups)
    figure = Figure(figsize=(3.1 * columns + 1.5, 2.8 * len(groups)), layout="constrained")
    axes = figure.subplots(len(groups), columns, squeeze=False)
    drawn: set[str] = set()
    for line, (group, rows) in zip(axes, groups, strict=True):
        widths = usual_widths(rows)
        for axis, width in zip(line, widths, strict=False):
            chosen = shown(rows[methods.searched(rows) | (rows["width"] == width)])
            limit = _largest(chosen)
            for method in sorted(chosen["method"].unique(), key=methods.rank):
                own = chosen[(chosen["method"] == method) & (chosen["nonzeros"] <= limit)]
                drawn.add(method)
                _steps(axis, own, methods.look(method), limit)
            accuracy_axis(axis)
            searched_alone = methods.searched(chosen).all()
            title = networks.title(group)
            axis.set(xlabel="nonzeros (weights and biases)", ylabel="best accuracy (%)", xlim=(None, limit))
            axis.set_title(title if searched_alone else f"{title}:\npruners at width {width:g}")
        for spare in line[len(widths) :]:
            spare.remove()
    method_legend(figure, drawn)
    return figure


def spread(networks: Networks, group: tuple[str, str]) -> Figure:
    """How accuracies are spread, a panel per method and width, the search's best in all of them."""
    rows = of_group(networks.finished, group)
    if rows.empty:
        raise CannotDraw("All of these networks diverged.")
    every, searched = shown(rows), methods.searched(shown(rows))
    chosen = every[searched | every["width"].isin(usual_widths(rows))]
    search = chosen[methods.searched(chosen)]
    panels = [(methods.look(method).name, own) for method, own in _by_rank(search)]
    for width, pruned in chosen[~methods.searched(chosen)].groupby("width"):
        panels += [(f"{methods.look(method).name}, width {width:g}", own) for method, own in _by_rank(pruned)]
    columns = min(len(panels), 4)
    lines = math.ceil(len(panels) / columns)
    figure = Figure(figsize=(1.9 * columns + 0.4, 1.85 * lines + 0.3), layout="constrained")
    axes = figure.subplots(lines, columns, squeeze=False, sharex=True, sharey=True)
    limit = _largest(chosen)
    for number, (axis, (title, own)) in enumerate(zip(axes.flat, panels, strict=False)):
        if len(search) and not methods.searched(own).any():
            _steps(axis, search[search["nonzeros"] <= limit], methods.LOOKS[methods.SEARCH], limit, width=0.8)
        _band(axis, own[own["nonzeros"] <= limit], methods.look(own["method"].iloc[0]).color)
        accuracy_axis(axis)
        axis.set_title(title)
        axis.set_xlim(0.95 * float(chosen["nonzeros"].min()), limit)
        axis.tick_params(labelbottom=number + columns >= len(panels))
    for spare in axes.flat[len(panels) :]:
        spare.remove()
    figure.supxlabel("nonzeros (weights and biases)", fontsize=8.5)
    figure.supylabel("accuracy (%)", fontsize=8.5)
    return figure


def _by_rank(rows: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """The networks of each method, in the order of the figures."""
    return sorted(((str(name), own) for name, own in rows.groupby("method")), key=lambda item: methods.rank(item[0]))


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
    """Median and 5 to 95 percent by weights, the best of each; dots alone where networks are few.

    Numbers of weights with the same median of the nonzeros are taken together, and stand there; the best stand at
    their own nonzeros.
    """
    if rows.empty:
        return
    best = rows.sort_values(["accuracy", "nonzeros"], ascending=[False, True]).drop_duplicates("weights")
    if rows.groupby("weights").size().median() < FEWEST:
        best = rows
    else:
        x = rows.groupby("weights")["nonzeros"].transform("median").astype(float)
        table = rows["accuracy"].groupby(x).quantile([0.05, 0.5, 0.95]).unstack()
        axis.fill_between(table.index, table[0.05], table[0.95], color=color, alpha=0.3, linewidth=0)
        axis.plot(table.index, table[0.5], color=color, linewidth=1.4)
    axis.plot(best["nonzeros"].to_numpy(dtype=float), best["accuracy"], ".", color=color, markersize=4)
