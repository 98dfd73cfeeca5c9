"""What magnitude pruning after training still removes from networks that reach a target."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.figures import CannotDraw
from analysis.sparsest import methods
from analysis.sparsest.axes import shown
from analysis.sparsest.further import removable
from analysis.sparsest.networks import Networks
from analysis.sparsest.published import TARGETS

DOTS = 300  # networks up to which each of them is drawn


def removed(networks: Networks) -> Figure:
    """Weights removed before the accuracy falls below a target, in percent, a row a method and width."""
    rows = shown(removable(networks))
    if rows.empty:
        raise CannotDraw("No network reaches a target.")
    groups = networks.groups(rows)
    lines = {group: sorted(set(zip(own["method"], own["width"], strict=True)), key=_rank) for group, own in groups}
    heights = [0.2 * len(lines[group]) + 0.85 for group, _ in groups]
    figure = Figure(figsize=(7.6, sum(heights)), layout="constrained")
    axes = figure.subplots(
        len(groups), len(TARGETS), squeeze=False, sharey="row", sharex=True, gridspec_kw={"height_ratios": heights}
    )
    limit = min(100.0, 10 * np.ceil(float(rows["removed_percent"].max()) / 10) + 1)
    for line, (group, part) in zip(axes, groups, strict=True):
        names = lines[group]
        for axis, target in zip(line, TARGETS, strict=True):
            for place, (name, width) in enumerate(names):
                own = part[(part["method"] == name) & (part["width"] == width) & (part["target"] == target)]
                _row(axis, own["removed_percent"], name, place)
            axis.set_title(f"{networks.title(group)}: {target:g} %")
            axis.set_yticks(range(len(names)), [_label(*each) for each in names])
            axis.set_ylim(len(names) - 0.4, -0.6)
            axis.set_xlim(-0.02 * limit, limit)
            axis.grid(visible=False, axis="y")
    for axis in axes[-1]:
        axis.set_xlabel("weights removed (% of those kept)")
    return figure


def _rank(line: tuple[str, float]) -> tuple[tuple[int, str], float]:
    return methods.rank(line[0]), line[1]


def _label(method: str, width: float) -> str:
    """A method, and of pruners the width."""
    return methods.look(method).name + ("" if methods.is_search(method) else f", width {width:g}")


def _row(axis: Axes, percent: pd.Series, name: str, place: int) -> None:
    """Quartiles as a bar, the median in it, all networks as dots where they are few, and their number."""
    color = methods.look(name).color
    if len(percent):
        low, middle, high = np.quantile(percent, [0.25, 0.5, 0.75])
        axis.barh(place, high - low, left=low, height=0.62, color=color, alpha=0.35)
        axis.plot([middle, middle], [place - 0.31, place + 0.31], color=color, linewidth=2)
        ends = percent if len(percent) <= DOTS else np.array([percent.min(), percent.max()])
        axis.plot(ends, np.full(len(ends), place), "o", color=color, markersize=2.2)
    beside = axis.get_yaxis_transform()
    number = f"{len(percent):,}"
    axis.text(1.01, place, number, transform=beside, ha="left", va="center", fontsize=6.5, color="0.4")
