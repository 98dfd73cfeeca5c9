"""Figures that compare: compression without loss, refined networks against others, critical differences."""

from __future__ import annotations

import textwrap
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.figures import CannotDraw
from analysis.odf2nna import methods
from analysis.odf2nna.methods import COLORS, OURS
from analysis.odf2nna.refined import BY_VALIDATION, OTHERS, UNCHOSEN
from analysis.odf2nna.tables import Tables
from analysis.odf2nna.without_loss import STRICT, TOLERANCES
from analysis.ranking import groups_alike

ROW = 0.24  # inches a row
BEST: dict[str, Any] = {"color": COLORS[methods.family(OURS)], "elinewidth": 1, "zorder": 3}
MEAN: dict[str, Any] = {"linestyle": "", "marker": "s", "markersize": 4, "markerfacecolor": "white", "zorder": 3}
MEAN["markeredgecolor"] = BEST["color"]


def without_loss(tables: Tables) -> Figure:
    """Compression without loss by method, a dot a data set, a bar their mean, the best first; and beside it the same
    with a tolerance."""
    if tables.compression.empty:
        raise CannotDraw("No network was compressed.")
    means = tables.without_loss(STRICT).groupby("method")["compression"].mean().sort_values()
    figure = Figure(figsize=(7.4, 1.1 + ROW * len(means)), layout="constrained")
    panels = figure.subplots(1, len(TOLERANCES), sharey=True)
    for panel, (tolerance, words) in zip(panels, TOLERANCES.items(), strict=True):
        table = tables.without_loss(tolerance)
        for place, method in enumerate(means.index):
            color = COLORS[methods.family(str(method))]
            own = table.loc[table["method"].eq(method), "compression"]
            panel.barh(place, own.mean(), color=color, alpha=0.35, height=0.72)
            panel.plot(own, np.full(len(own), place), linestyle="", marker="o", markersize=3, color=color)
        panel.set(title=words, xlim=(0, 100))
        panel.grid(axis="y", visible=False)
        panel.axvline(70, color="0.4", linestyle="--", linewidth=1)
    panels[0].set_yticks(range(len(means)), [methods.name(str(method)) for method in means.index])
    figure.supxlabel("parameters removed, % (dots: data sets; bars: their mean)", fontsize=8.5)
    return figure


def refined_against(tables: Tables) -> Figure:
    """How much better refined networks are than each of `refined.OTHERS`: at each level, with the epsilon of the best
    validation score, and without a choice."""
    table = tables.refined_against
    if table.empty:
        raise CannotDraw("No network was refined.")
    datasets = tables.networks.datasets
    others = [other for other in OTHERS if table["against"].eq(other).any()]
    figure = Figure(figsize=(7.4, 1.3 + ROW * len(datasets)), layout="constrained")
    [row] = figure.subplots(1, len(others), sharey=True, squeeze=False)
    levels = sorted(table["level"].dropna().unique())
    for panel, other in zip(row, others, strict=True):
        rows = table[table["against"].eq(other)]
        for place, dataset in enumerate(reversed(datasets)):
            own = rows[rows["dataset"].eq(dataset)]
            at_levels, best = own.dropna(subset=["level"]), own[own["choice"].eq(BY_VALIDATION)]
            for level, gain in zip(at_levels["level"], at_levels["gain"], strict=True):
                panel.plot(gain, place, marker="o", markersize=4, color=_shade(level, levels))
            half = best["gain_high"] - best["gain"]
            panel.errorbar(best["gain"], np.full(len(best), place), xerr=half, fmt="D", markersize=4.5, **BEST)
            mean = own.loc[own["choice"].eq(UNCHOSEN), "gain"]
            panel.plot(mean, np.full(len(mean), place), **MEAN)
        panel.axvline(0, color="0.5", linewidth=1)
        panel.set_title(textwrap.fill(f"less {OTHERS[other].words}", 22), fontsize=8)
        best = rows.loc[rows["choice"].eq(BY_VALIDATION), "gain"]
        low, high = min(rows["gain"].quantile(0.05), best.min(), 0), max(rows["gain"].quantile(0.95), best.max(), 0)
        room = 0.15 * (high - low) or 1
        panel.set_xlim(low - room, high + room)
        panel.set_xlabel("points, or % of the error", fontsize=7.5)
    row[0].set_yticks(range(len(datasets)), reversed(datasets))
    circle: dict[str, Any] = {"linestyle": "", "marker": "o", "markersize": 4}
    chosen = {**circle, "marker": "D", "color": BEST["color"], "label": "ε with the best validation score"}
    handles = [Line2D([], [], **chosen), Line2D([], [], **MEAN, label="mean over levels")]
    share = tables.networks.criterion == "share"
    handles += [Line2D([], [], linestyle="", label="units gone:" if share else "ε:")]
    named = {level: f"{100 * level:.0f} %" if share else f"{level:g}" for level in levels}
    handles += [Line2D([], [], color=_shade(level, levels), label=name, **circle) for level, name in named.items()]
    figure.legend(
        handles=handles,
        loc="outside lower center",
        ncols=len(handles),
        columnspacing=0.8,
        handletextpad=0.1,
        fontsize=6.8,
    )
    return figure


def _shade(level: float, levels: list[float]) -> str:
    return str(0.8 - 0.65 * levels.index(level) / max(1, len(levels) - 1))


def critical_differences(tables: Tables, measure: str) -> Figure:
    """Average ranks on a line, and bars over methods that Nemenyi's test does not tell apart (Demšar 2006)."""
    wide = tables.scores[measure]
    if wide.shape[1] < 3 or len(wide) < 2:
        raise CannotDraw("Ranks take three methods on two data sets or more.")
    found = tables.ranking(measure)
    ranks = found.ranks
    half = -(-len(ranks) // 2)
    bars = groups_alike(ranks, found.critical_difference)
    figure = Figure(figsize=(7.4, 1.2 + ROW * (half + 0.6 * len(bars))), layout="constrained")
    panel = figure.subplots()
    panel.set_axis_off()
    top = 0.0
    panel.hlines(top, 1, len(ranks), color="0.2", linewidth=1)
    for tick in range(1, len(ranks) + 1):
        panel.vlines(tick, top, top + 0.25, color="0.2", linewidth=0.8)
        panel.text(tick, top + 0.35, str(tick), ha="center", va="bottom", fontsize=7.5)
    for place, (start, end) in enumerate(bars, start=1):
        panel.hlines(top - 0.42 * place, start - 0.05, end + 0.05, color="0.1", linewidth=3)
    below = top - 0.42 * len(bars) - 0.7
    for place, (method, rank) in enumerate(ranks.items()):
        left = place < half
        height = below - (place if left else len(ranks) - 1 - place)
        edge = 0.6 if left else len(ranks) + 0.4
        color = COLORS[methods.family(str(method))]
        panel.plot([rank, rank, edge], [top, height, height], color=color, linewidth=1)
        words = f"{methods.name(str(method))}  {rank:.1f}" if left else f"{rank:.1f}  {methods.name(str(method))}"
        weight = "bold" if method == OURS else "normal"
        panel.text(
            edge, height, words, ha="right" if left else "left", va="center", fontsize=8, color=color, weight=weight
        )
    length = found.critical_difference
    panel.hlines(top + 1.5, 1, 1 + length, color="0.2", linewidth=2)
    panel.text(1 + length / 2, top + 1.65, f"critical difference {length:.1f}", ha="center", va="bottom", fontsize=8)
    panel.set_ylim(below - half - 0.3, top + 2.6)
    panel.set_xlim(-0.35 * len(ranks), 1.35 * len(ranks))
    return figure
