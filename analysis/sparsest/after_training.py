"""What magnitude pruning after training still removes from networks that reach a target."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.figures import CannotDraw
from analysis.sparsest import methods
from analysis.sparsest.axes import shown
from analysis.sparsest.networks import Networks
from analysis.sparsest.published import TARGETS
from analysis.sparsest.tables import removable

DOTS = 300  # networks up to which each of them is drawn


def removed(networks: Networks) -> Figure:
    """Weights removed before the accuracy falls below a target, in percent, a row a method."""
    rows = removable(networks)
    if rows.empty:
        raise CannotDraw("No network reaches a target.")
    groups = networks.groups(rows)
    names = {group: sorted(shown(part)["method"].unique(), key=methods.rank) for group, part in groups}
    heights = [0.2 * len(names[group]) + 0.85 for group, _ in groups]
    figure = Figure(figsize=(7.6, sum(heights)), layout="constrained")
    axes = figure.subplots(
        len(groups), len(TARGETS), squeeze=False, sharey="row", sharex=True, gridspec_kw={"height_ratios": heights}
    )
    for line, (group, part) in zip(axes, groups, strict=True):
        for axis, target in zip(line, TARGETS, strict=True):
            for place, name in enumerate(names[group]):
                _row(axis, part[(part["method"] == name) & (part["target"] == target)]["removed_percent"], name, place)
            axis.set_title(f"{networks.title(group)}: {target:g} %")
            axis.set_yticks(range(len(names[group])), [methods.look(name).name for name in names[group]])
            axis.set_ylim(len(names[group]) - 0.4, -0.6)
            axis.set_xlim(-2, 112)
            axis.set_xticks(range(0, 101, 20))
            axis.grid(visible=False, axis="y")
    for axis in axes[-1]:
        axis.set_xlabel("weights removed (% of those kept)")
    return figure


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
    axis.text(0.995, place, number, transform=beside, ha="right", va="center", fontsize=6.5, color="0.4")
