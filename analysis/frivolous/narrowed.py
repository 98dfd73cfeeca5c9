"""What networks answer without their frivolous units (section 3): accuracy by width, before and after."""

from __future__ import annotations

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.figures import CannotDraw, panels
from analysis.frivolous import axes
from analysis.frivolous.curves import of_group
from analysis.frivolous.tables import Tables

LOOKS = {"excised": ("#b35806", "s", "prunable units excised"), "refactored": ("#2166ac", "^", "redundant refactored")}
WHOLE = "0.25"


def accuracies(tables: Tables, group: tuple[str, str]) -> Figure:
    """Test accuracy of the networks, and of the narrow ones that are made of them, a panel a curve."""
    rows = of_group(tables.narrowing, group)
    if rows.empty:
        raise CannotDraw("Narrow networks were not made: --set narrowing=true.")
    names = list(dict.fromkeys(rows["curve"]))
    figure, columns = panels(names)
    for (axis,), name in zip(columns, names, strict=True):
        own = rows[rows["curve"] == name]
        whole = own.drop_duplicates("width").sort_values("width")
        axis.plot(whole["width"], whole["accuracy"] - whole["change"], color=WHOLE, marker="o", markersize=4.5)
        for way, part in own.groupby("way"):
            color, marker, _ = LOOKS[str(way)]
            part = part.sort_values("width")
            axis.plot(part["width"], part["accuracy"], color=color, marker=marker, markersize=4.5)
            spread = part["change_std"].fillna(0)
            low, high = part["accuracy"] - spread, part["accuracy"] + spread
            axis.fill_between(part["width"], low, high, color=color, alpha=0.15, linewidth=0)
        axes.width_axis(axis, rows["width"])
        axis.set(ylabel="test accuracy (%)")
    handles = [Line2D([], [], color=WHOLE, marker="o", markersize=4.5, label="whole")]
    for way, (color, marker, words) in LOOKS.items():
        if (rows["way"] == way).any():
            handles.append(Line2D([], [], color=color, marker=marker, markersize=4.5, label=words))
    figure.legend(handles=handles, loc="outside right upper")
    return figure
