"""Figures of what ODF2NNA depends on: epsilon, and how long networks are refined."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FormatStrFormatter

from analysis.figures import CannotDraw, panels
from analysis.odf2nna.tables import Tables


def by_epsilon(tables: Tables) -> Figure:
    """What each epsilon removes and costs: a column a criterion, a line a data set."""
    table = tables.epsilon
    criteria = [name for name in ("absolute", "relative", "share") if name in set(table["criterion"])]
    if not criteria:
        raise CannotDraw("No network was compressed by ODF2NNA.")
    titles = {"absolute": "absolute ε", "relative": "ε relative to the layer's largest", "share": "share of the units"}
    figure, axes = panels([titles[name] for name in criteria], rows=2)
    colors = _colors(tables)
    for name, (above, below) in zip(criteria, axes, strict=True):
        for dataset, rows in table[table["criterion"].eq(name)].groupby("dataset", sort=False):
            style: dict[str, Any] = {"color": colors[str(dataset)], "marker": "o", "markersize": 2.5, "linewidth": 1.2}
            above.plot(rows["level"], rows["compression"], **style)
            below.plot(rows["level"], rows["gain"], **style)
        for panel in (above, below):
            if name == "absolute":
                panel.set_xscale("log")
                panel.xaxis.set_major_formatter(FormatStrFormatter("%g"))
        above.set_ylim(-3, 103)
        below.set_xlabel("ε" if name != "share" else "share of the units that goes")
        below.axhline(0, color="0.6", linestyle="--", linewidth=1)
        _readable(below, table["gain"])
    axes[0][0].set_ylabel("parameters removed, %")
    axes[0][1].set_ylabel("better than the original\npoints, or % of squared error")
    _legend(figure, colors)
    return figure


def by_refinement(tables: Tables) -> Figure:
    """What the length of the refinement brings: a panel a share of the units, a line a data set."""
    table = tables.refinement
    levels = [level for level in (0.5, 0.7, 0.9) if table.loc[table["level"].eq(level), "refinement"].nunique() > 2]
    if not levels:
        raise CannotDraw("No network was refined for more than one length.")
    figure, axes = panels([f"without {100 * level:.0f} % of the units" for level in levels])
    colors = _colors(tables)
    for level, [panel] in zip(levels, axes, strict=True):
        for dataset, rows in table[table["level"].eq(level)].groupby("dataset", sort=False):
            style: dict[str, Any] = {"color": colors[str(dataset)], "marker": "o", "markersize": 2.5, "linewidth": 1.2}
            panel.plot(100 * rows["refinement"], rows["gain"], **style)
        panel.axhline(0, color="0.6", linestyle="--", linewidth=1)
        panel.set(
            xlabel="refinement, % of the epochs", ylabel="better than the original\npoints, or % of squared error"
        )
        _readable(panel, table.loc[table["level"].eq(level) & table["refinement"].gt(0), "gain"])
    _legend(figure, colors)
    return figure


def _readable(panel: Axes, gains: pd.Series) -> None:
    """Limits of what most gains span; what lies beyond goes off the panel."""
    low, high = gains.quantile(0.1), gains.quantile(0.95)
    room = 0.15 * (high - low) or 1
    panel.set_ylim(min(low - room, -room), max(high + room, room))


def _colors(tables: Tables) -> dict[str, str]:
    import matplotlib

    names = tables.networks.datasets
    shades = matplotlib.colormaps["tab20" if len(names) > 10 else "tab10"](np.arange(len(names)))
    return {name: matplotlib.colors.to_hex(shade) for name, shade in zip(names, shades, strict=True)}


def _legend(figure: Figure, colors: dict[str, str]) -> None:
    handles = [Line2D([], [], color=color, marker="o", markersize=3, label=name) for name, color in colors.items()]
    figure.legend(handles=handles, loc="outside right upper", title="data set")
