"""Figure 2: answers that stay as units are removed, and correlations of units."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.figures import CannotDraw, panels
from analysis.frivolous.axes import width_legend, width_shades
from analysis.frivolous.curves import of_group
from analysis.frivolous.lines import Line
from analysis.frivolous.panels import ALL
from analysis.frivolous.tables import Tables

LAYERS = ("conv2",)  # whose correlations are shown; of networks without it, of the last hidden layer
BINS = 20  # of |correlation| in pictures


def unchanged_answers(tables: Tables, group: tuple[str, str]) -> Figure:
    """Percent of the answers that stay by percent of the units removed, a panel a curve; crosses are published."""
    rows = of_group(tables.ablation, group)
    if rows.empty:
        raise CannotDraw("Prunability was not measured.")
    names = list(dict.fromkeys(rows["curve"]))
    figure, columns = panels(names)
    colors = width_shades(rows["width"])
    for (axis,), name in zip(columns, names, strict=True):
        for width, table in rows[rows["curve"] == name].groupby("width"):
            color, spread = colors[float(str(width))], table["unchanged_std"].fillna(0)
            axis.plot(table["removed"], table["unchanged"], color=color, marker="o", markersize=3)
            low, high = table["unchanged"] - spread, table["unchanged"] + spread
            axis.fill_between(table["removed"], low, high, color=color, alpha=0.15, linewidth=0)
            axis.plot(table["removed"], table["published_unchanged"], "x", color=color, markersize=5.5, zorder=4)
        axis.axhline(80, color="0.45", linewidth=0.7, linestyle=(0, (4, 3)), zorder=1)
        axis.set(xlabel="units removed (%)", ylabel="answers unchanged (%)", xlim=(0, 100), ylim=(0, 102))
    known = rows["published_unchanged"].notna().any()
    crosses = Line2D([], [], color="0.35", linestyle="", marker="x", markersize=5.5, label="published")
    limit = Line2D([], [], color="0.45", linewidth=0.7, linestyle=(0, (4, 3)), label="80 %")
    width_legend(figure, rows["width"], *([crosses] if known else []), limit)
    return figure


def correlations(tables: Tables, group: tuple[str, str]) -> Figure:
    """Distribution of |correlation| over pairs of units, a panel a curve; bars are means, dashed published."""
    drawable = [(line, layer) for line in tables.of(group) if (layer := shown_layer(line)) is not None]
    if not drawable:
        raise CannotDraw("Correlations of units were not measured.")
    figure, columns = panels([f"{line.name}, {layer}" for line, layer in drawable])
    widths = {width for line, _ in drawable for width in line.networks["width"]}
    colors = width_shades(widths)
    for (axis,), (line, layer) in zip(columns, drawable, strict=True):
        for width, part in line.networks.groupby("width"):
            own = [each for measured in part["correlation"] for each in measured if each["layer"] == layer]
            counts = np.sum([each["histogram"] for each in own], axis=0) if own else np.zeros(BINS)
            if counts.sum():
                coarse = counts.reshape(BINS, -1).sum(axis=1)
                color, edges = colors[float(str(width))], np.linspace(0, 1, BINS + 1)
                axis.stairs(BINS * coarse / coarse.sum(), edges, color=color, linewidth=1.4)
                mean = np.mean([each["mean"] for each in own if each["mean"] is not None])  # None: no pair that counts
                axis.axvline(mean, 0, 0.06, color=color, linewidth=2.5)
        axis.set(xlabel="|correlation|", ylabel="density of pairs", xlim=(0, 1))
        known = of_group(tables.correlation, group)
        known = known[(known["curve"] == line.name) & (known["layer"] == layer)].dropna(subset="published_correlation")
        for width, value in zip(known["width"], known["published_correlation"], strict=True):
            axis.axvline(value, 0, 0.12, color=colors[width], linewidth=1.2, linestyle=(0, (2, 1)))
    means = Line2D([], [], color="0.35", linewidth=2.5, linestyle="", marker="|", markersize=7, label="mean")
    width_legend(figure, widths, means)
    return figure


def shown_layer(line: Line) -> str | None:
    """The layer whose correlations are shown; None where none was measured."""
    names = [each["layer"] for measured in line.networks["correlation"] for each in measured if each["layer"] != ALL]
    return next((name for name in LAYERS if name in names), names[-1] if names else None)
