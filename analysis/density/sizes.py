"""Figures 4 to 6 of the density paper: effective densities and absolute sizes."""

from __future__ import annotations

import numpy as np
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from analysis.density.networks import Networks, type_name
from analysis.figures import INITIALIZERS, CannotDraw, panels, width_colors, width_legend

FEWEST = 5  # networks whose density a smooth curve may stand for


def distributions(networks: Networks) -> Figure:
    """Figure 4: kernel density estimate of effective density per width where networks are enough, ticks for all."""
    used = networks.used
    types = networks.types(used)
    figure, axes = panels([type_name(networks, key) for key, _ in types])
    colors = width_colors(used["width"])
    for (axis,), (_, group) in zip(axes, types, strict=True):
        smooth = (group.groupby("width")["density"].nunique() > 1) & (group.groupby("width").size() >= FEWEST)
        for width, rows in group.groupby("width"):
            percent = 100 * rows["density"]
            if smooth.any():
                axis.plot(percent, np.zeros(len(percent)), "|", color=colors[width], markersize=9, clip_on=False)
            else:
                axis.vlines(percent, 0, 1, color=colors[width])
            if smooth[width]:
                sns.kdeplot(
                    x=percent, ax=axis, color=colors[width], fill=True, alpha=0.25, linewidth=1.6, clip=(0, 100)
                )
        axis.set(xlabel="effective density (%)", ylabel="frequency (KDE)", xlim=(0, 100), ylim=(0, None))
        if not smooth.any():
            axis.set(ylabel="", yticks=[])
    width_legend(figure, used["width"])
    return figure


def absolute_sizes(networks: Networks) -> Figure:
    """Figure 5: weights of the architecture and of its core, mean and deviation, in Table 1's way of counting."""
    used = networks.used.dropna(subset=["core"])
    if used.empty:
        raise CannotDraw("No network has a count in Table 1's way.")
    types = networks.types(used)
    figure, axes = panels([type_name(networks, key) for key, _ in types])
    colors = width_colors(used["width"])
    for (axis,), (_, group) in zip(axes, types, strict=True):
        sizes = group.groupby("width").agg(total=("table1_count", "first"), core=("core", "mean"), std=("core", "std"))
        places = np.arange(len(sizes))
        fills = [colors[width] for width in sizes.index]
        axis.bar(places - 0.2, sizes["total"], 0.38, facecolor="0.88", edgecolor="0.35", linewidth=0.8)
        axis.bar(places + 0.2, sizes["core"], 0.38, color=fills, edgecolor="0.35", linewidth=0.8)
        axis.errorbar(places + 0.2, sizes["core"], sizes["std"].fillna(0), fmt="none", ecolor="0.15", capsize=2.5)
        axis.set_xticks(places, [f"{width:g}×" for width in sizes.index])
        # Bars on a log scale have no zero: they start at the decade below the smallest.
        floor = 10 ** np.floor(np.log10(max(sizes["core"].min(), 1)))
        axis.set(xlabel="width", ylabel="weights", yscale="log", ylim=(floor, None))
        axis.grid(visible=False, axis="x")
    handles = [
        Patch(facecolor="0.88", edgecolor="0.35", label="architecture"),
        Patch(facecolor=width_colors([])[1.0], edgecolor="0.35", label="unpruned"),
    ]
    figure.legend(handles=handles, loc="outside right upper")
    return figure


def initializers(networks: Networks) -> Figure:
    """Figure 6: effective density by width for each initializer; dots are means, bars deviations."""
    present = [name for name in INITIALIZERS if (networks.used["initializer"] == name).any()]
    compared = networks.used.groupby(networks.by)["initializer"].transform("nunique") > 1
    if not compared.any():
        raise CannotDraw("No model type was trained with more than one initializer.")
    types = networks.types(networks.used[compared])
    figure, axes = panels([type_name(networks, key) for key, _ in types])
    for (axis,), (_, group) in zip(axes, types, strict=True):
        widths = sorted(group["width"].unique())
        for offset, name in zip(np.linspace(-0.12, 0.12, len(present)), present, strict=True):
            label, color, marker = INITIALIZERS[name]
            percent = (100 * group[group["initializer"] == name].set_index("width")["density"]).groupby(level=0)
            mean, deviation = percent.mean().reindex(widths), percent.std().reindex(widths).fillna(0)
            places = np.arange(len(widths)) + offset
            axis.errorbar(
                places, mean, deviation, fmt=marker, color=color, markersize=5.5, markeredgecolor="0.2",
                markeredgewidth=0.5, capsize=2.5, elinewidth=1.2, linestyle=":", linewidth=0.8, label=label,
            )  # fmt: skip
        axis.set_xticks(np.arange(len(widths)), [f"{width:g}×" for width in widths])
        axis.set(xlabel="width", ylabel="effective density (%)")
        axis.margins(x=0.12)
    handles = [
        Line2D([], [], linestyle="", marker=m, color=c, markeredgecolor="0.2", label=label)
        for label, c, m in (INITIALIZERS[name] for name in present)
    ]
    figure.legend(handles=handles, loc="outside right upper")
    return figure
