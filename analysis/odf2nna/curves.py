"""Figures of scores: against what was removed, by the level of a rule, and by how long networks are refined."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FormatStrFormatter

from analysis.figures import CannotDraw, panels
from analysis.odf2nna import methods
from analysis.odf2nna.methods import COLORS, OURS
from analysis.odf2nna.tables import Tables

SCORES = {"classification": "right answers, %", "regression": "squared error"}


def against_compression(tables: Tables) -> Figure:
    """A panel a data set: test score by the share of the parameters that is gone, a line a method."""
    curves = tables.curves[~tables.curves["method"].str.contains(",")]
    if curves["method"].nunique() < 2:
        raise CannotDraw("There is no other method than ODF2NNA.")
    datasets = tables.networks.datasets
    figure, axes = panels(datasets)
    for dataset, [panel] in zip(datasets, axes, strict=True):
        own = curves[curves["dataset"].eq(dataset)]
        _original(panel, tables, dataset)
        for method, rows in sorted(own.groupby("method"), key=lambda each: -methods.rank(str(each[0]))[0]):
            _line(panel, rows.sort_values("compression"), str(method))
        scratch = own[own["method"].eq(OURS)].dropna(subset=["score_scratch"]).sort_values("compression")
        panel.plot(
            scratch["compression"], scratch["score_scratch"], color="0.35", linestyle=":", linewidth=1.4, zorder=5
        )
        panel.set(xlabel="parameters removed, %", ylabel=SCORES[tables.networks.task(dataset)])
        _limits(panel, own, tables, dataset)
    families = [
        family for family in COLORS if any(methods.family(each) == family for each in curves["method"].unique())
    ]
    handles = [
        Line2D([], [], color=COLORS[family], linewidth=2.2 if family == "ODF2NNA" else 1.2, label=family)
        for family in families
    ]
    handles.append(Line2D([], [], color="0.35", linestyle=":", label="ODF2NNA's sizes from scratch"))
    handles.append(Line2D([], [], color="0.6", linestyle="--", label="original"))
    figure.legend(handles=handles, loc="outside lower center", ncols=min(4, 2 * len(datasets)))
    return figure


def _line(panel: Axes, rows: pd.DataFrame, method: str) -> None:
    ours = method == OURS
    color = COLORS[methods.family(method)]
    style = (
        {"linewidth": 2.2, "marker": "o", "markersize": 3, "zorder": 6} if ours else {"linewidth": 0.9, "alpha": 0.8}
    )
    panel.plot(rows["compression"], rows["score_after"], color=color, **style)
    if ours and rows["n"].min() > 2:  # of two repeats the interval is six times their distance
        panel.fill_between(
            rows["compression"], rows["score_low"], rows["score_high"], color=color, alpha=0.18, linewidth=0
        )


def _original(panel: Axes, tables: Tables, dataset: str) -> None:
    scores = tables.networks.originals.loc[tables.networks.originals["dataset"].eq(dataset), "score"]
    panel.axhline(scores.mean(), color="0.6", linestyle="--", linewidth=1)


def _limits(panel: Axes, own: pd.DataFrame, tables: Tables, dataset: str) -> None:
    """What most of the values span: a method that fails altogether would press all others together."""
    values = own["score_after"]
    low, high = values.quantile(0.06), values.quantile(0.94)
    scores = tables.networks.originals.loc[tables.networks.originals["dataset"].eq(dataset), "score"]
    low, high = min(low, scores.mean()), max(high, scores.mean())
    room = 0.12 * (high - low) or 1
    panel.set_ylim(low - room, high + room)


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
