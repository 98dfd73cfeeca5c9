"""The smallest networks that reach a target: of every method, and over the width that a pruner starts from."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from analysis.figures import CannotDraw
from analysis.sparsest import methods
from analysis.sparsest.axes import accuracy_axis, method_legend, several_widths, shown
from analysis.sparsest.networks import Networks, of_group
from analysis.sparsest.published import TARGETS
from analysis.sparsest.tables import Tables

NONE = "none reaches it"


def smallest(networks: Networks, tables: Tables) -> Figure:
    """Smallest nonzeros at each target, a row a method: filled at its best width, hollow at the others."""
    groups = networks.groups(tables["sparsest"])
    heights = [0.17 * rows["method"].nunique() + 0.75 for _, rows in groups]
    figure = Figure(figsize=(7.6, sum(heights)), layout="constrained")
    axes = figure.subplots(
        len(groups), len(TARGETS), squeeze=False, sharey="row", gridspec_kw={"height_ratios": heights}
    )
    for line, (group, rows) in zip(axes, groups, strict=True):
        names = sorted(rows["method"].unique(), key=methods.rank)
        for axis, target in zip(line, TARGETS, strict=True):
            _dots(axis, rows[rows["target"] == target], names)
            axis.set_title(f"{networks.title(group)}: {target:g} %")
            axis.set_yticks(range(len(names)), [methods.look(name).name for name in names])
            axis.set_ylim(len(names) - 0.4, -0.6)
            axis.grid(visible=False, axis="y")
    for axis in axes[-1]:
        axis.set_xlabel("smallest nonzeros (weights and biases)")
    return figure


def over_width(networks: Networks, tables: Tables) -> Figure:
    """Smallest nonzeros at each target, and the best accuracy at one number of weights, over the width."""
    groups = [(group, rows) for group, rows in networks.groups(networks.finished) if several_widths(rows)]
    if not groups:
        raise CannotDraw("No pruner was tried at several widths.")
    figure = Figure(figsize=(8.8, 2.7 * len(groups)), layout="constrained")
    axes = figure.subplots(len(groups), len(TARGETS) + 1, squeeze=False)
    drawn: set[str] = set()
    for line, (group, every) in zip(axes, groups, strict=True):
        rows = shown(every)
        drawn |= set(rows["method"]) - {methods.STRUCTURED}
        widths = sorted(rows.loc[~methods.searched(rows), "width"].unique())
        table = of_group(tables["sparsest"], group)
        table = table[table["method"].isin(rows["method"])]
        for axis, target in zip(line, TARGETS, strict=False):
            _sizes(axis, table[table["target"] == target], widths)
            axis.set(title=f"{networks.title(group)}\n{target:g} %", ylabel="smallest nonzeros")
        _accuracies(line[-1], rows, networks.title(group))
        for axis in line:
            width_axis(axis, widths)
    method_legend(figure, drawn)
    return figure


def _dots(axis: Axes, rows: pd.DataFrame, names: list[str]) -> None:
    """A row a method: its smallest network filled, with its width, and the smallest of other widths hollow."""
    found = rows["nonzeros"].dropna().astype(float)
    if len(found):
        room = max(float(np.ptp(found)), 4.0)
        axis.set_xlim(found.min() - 0.3 * room, found.max() + 0.3 * room)
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    else:
        axis.set_xticks([])
    searched = rows[rows["method"] == methods.SEARCH]["nonzeros"].dropna()
    if len(searched):
        axis.axvline(float(searched.min()), color="0.6", linewidth=0.8, zorder=1)
    box = {"facecolor": "white", "edgecolor": "none", "pad": 0.6}
    beside: dict[str, Any] = {"ha": "right", "va": "center", "fontsize": 6.5, "zorder": 4, "bbox": box}
    for place, name in enumerate(names):
        own = rows[rows["method"] == name]
        sizes = own.set_index("width")["nonzeros"].dropna().astype(float)
        if sizes.empty:
            axis.text(0.99, place, NONE, transform=axis.get_yaxis_transform(), color="0.5", **beside)
            continue
        color = methods.look(name).color
        axis.plot(sizes, [place] * len(sizes), "o", color=color, fillstyle="none", markersize=3.5, markeredgewidth=0.8)
        axis.plot(sizes.min(), place, "o", color=color, markersize=5.5)
        if len(own) > 1:
            text = f"width {sizes.idxmin():g}"
            axis.annotate(text, (sizes.min(), place), (-5, 0), textcoords="offset points", **beside)


def _sizes(axis: Axes, rows: pd.DataFrame, widths: list[float]) -> None:
    """Lines over the width; a cross above them where no network of that width reaches the target."""
    found = rows["nonzeros"].dropna()
    top = 1.0 if found.empty else 1.12 * float(found.max())
    names = sorted(set(rows["method"]) - {methods.STRUCTURED}, key=methods.rank)
    pruners = [name for name in names if not methods.is_search(name)]
    for name in names:
        look = methods.look(name)
        own = rows[rows["method"] == name].set_index("width")["nonzeros"]
        if methods.is_search(name):
            if own.notna().any():
                axis.axhline(float(own.min()), color=look.color, linewidth=1.6, zorder=1)
            continue
        own = own.sort_index().astype(float)
        axis.plot(own.index, own, color=look.color, marker=look.marker, markersize=4, linewidth=1.1)
        # Side by side, for methods meet here.
        beside = 1 + 0.018 * (pruners.index(name) - (len(pruners) - 1) / 2)
        missing = own.index[own.isna()].to_numpy(dtype=float)
        if len(missing):
            axis.plot(missing * beside, [top] * len(missing), "x", color=look.color, markersize=4, clip_on=False)
    axis.axhline(top, color="0.85", linewidth=6, zorder=0)
    spaced = [] if found.empty else MaxNLocator(5, integer=True).tick_values(0, float(found.max()))
    ticks = [tick for tick in spaced if tick < 0.93 * top]
    axis.set_yticks([*ticks, top], [*(f"{tick:g}" for tick in ticks), "none"])
    axis.set_ylim(0, 1.04 * top)


def _accuracies(axis: Axes, rows: pd.DataFrame, title: str) -> None:
    """The best accuracy at the number of weights that most methods and widths were asked for; the smallest of these."""
    pruned = rows[~methods.searched(rows)]
    asked = pruned.groupby("weights")[["method", "width"]].apply(lambda part: len(part.drop_duplicates()))
    weights = int(asked[asked == asked.max()].index[-1])
    best = pruned[pruned["weights"] == weights].groupby(["method", "width"])["accuracy"].max()
    for name in sorted(pruned["method"].unique(), key=methods.rank):
        if name in best.index:
            look = methods.look(name)
            own = best[name]
            axis.plot(own.index, own, color=look.color, marker=look.marker, markersize=4, linewidth=1.1)
    accuracy_axis(axis)
    axis.set(title=f"{title}\n{weights} weights", ylabel="best accuracy (%)")


def width_axis(axis: Axes, widths: list[float]) -> None:
    """Widths on the horizontal axis, on a logarithmic scale."""
    axis.set_xscale("log", base=2)
    apart: list[float] = []
    for width in widths:
        if not apart or width >= 1.9 * apart[-1]:  # labels of neighbours would overlap
            apart.append(width)
    axis.xaxis.set_major_locator(FixedLocator(apart))
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.tick_params(axis="x", labelsize=7)
    axis.set_xlabel("width")
    axis.margins(x=0.12)
