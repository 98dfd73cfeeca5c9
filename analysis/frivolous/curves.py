"""Figures 1, 3 and 4 and those of the appendix: accuracy, prunability and redundancy by width."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from analysis.figures import CannotDraw, panels
from analysis.frivolous import axes, untrained
from analysis.frivolous.panels import OTHER, PANELS
from analysis.frivolous.tables import Tables

TITLES = {panel.name: panel.title for panel in (*PANELS, OTHER)}
PICTURED = ("fig_3ab", "fig_4a", "fig_4b", "fig_4c", "fig_4d", "mlp_10_data", "mlp_10k_data", "other")  # accuracies
WORDS = {
    "prunability": "prunability",
    "redundancy": "redundancy",
    "non_prunability": "non-prunability",
    "non_redundancy": "non-redundancy",
}
UNITS = {
    "prunability": "prunable units",
    "redundancy": "redundant units",
    "non_prunability": "units that are not prunable",
    "non_redundancy": "units that are not redundant",
}
EMPTY = pd.Series(dtype=float)


def accuracy(tables: Tables, groups: Sequence[tuple[str, str]]) -> Figure:
    """Test accuracy by width of the curves of some panels (Figure 1)."""
    shown = [group for group in groups if of_group(tables.frivolity, group)["accuracy"].notna().any()]
    if not shown:
        raise CannotDraw("No network has a test accuracy.")
    figure, columns = panels([TITLES[group[0]].split(". ")[-1] for group in shown])
    dashed = False
    for (axis,), group in zip(columns, shown, strict=True):
        rows, known = of_group(tables.frivolity, group), published_curves(tables, group)
        dashed |= any(measure == "accuracy" for _, measure in known)
        named = axes.looks(rows["curve"])
        for curve, table in rows.groupby("curve", sort=False):
            look = named[str(curve)]
            mean, deviation = table["accuracy"], table["accuracy_std"].fillna(0)
            low, high = mean - deviation, mean + deviation
            axis.plot(table["width"], mean, color=look.color, marker=look.marker, markersize=4.5, label=str(curve))
            axis.fill_between(table["width"], low, high, color=look.color, alpha=0.15, linewidth=0)
            axes.beside(axis, known.get((str(curve), "accuracy"), EMPTY), look)
        axes.width_axis(axis, rows["width"])
        axis.set(ylabel="test accuracy (%)")
        axis.legend(fontsize=6.5, handlelength=1.6)
    axes.legend(figure, {}, published=dashed)
    return figure


def frivolous(tables: Tables, group: tuple[str, str], measures: tuple[str, ...]) -> Figure:
    """The measures by width of the curves of a panel, the published ones dashed (Figures 3, 4 and appendix)."""
    rows = of_group(tables.frivolity, group)
    shown = [measure for measure in measures if rows[measure].gt(0).any()]
    if not shown:
        raise CannotDraw(f"No network has {' or '.join(WORDS[measure] for measure in measures)} above 0.")
    gains = of_group(tables.gain, group)
    figure, columns = panels([_title(gains[gains["measure"] == measure], measure) for measure in shown])
    named = axes.looks(rows["curve"])
    known = published_curves(tables, group)
    for (axis,), measure in zip(columns, shown, strict=True):
        axes.all_units(axis, rows["width"])
        for curve, table in rows.groupby("curve", sort=False):
            axes.band(axis, table, measure, named[str(curve)])
            axes.beside(axis, known.get((str(curve), measure), EMPTY), named[str(curve)])
        values = [rows[measure], *(values for (_, of), values in known.items() if of == measure)]
        axes.width_axis(axis, rows["width"])
        axes.share_axis(axis, min(series[series > 0].min() for series in values if series.gt(0).any()), rows["width"])
        axis.set(ylabel=f"{UNITS[measure]}\n(share of all units at 4×)")
    axes.legend(figure, named, published=bool(known.keys() & {(c, m) for c in named for m in shown}), proportional=True)
    return figure


def random_networks() -> Figure:
    """Prunability and redundancy by width of networks that are not trained."""
    rows = untrained.drawn()
    figure, columns = panels([WORDS[measure] for measure in ("prunability", "redundancy")])
    names = {inputs: f"{inputs:,} inputs" for inputs in untrained.INPUTS}
    named = axes.looks(names.values())
    for (axis,), measure in zip(columns, ("prunability", "redundancy"), strict=True):
        axes.all_units(axis, rows["width"])
        for inputs, part in rows.groupby("inputs"):
            table = part.groupby("width")[measure].agg(["mean", "std"]).reset_index()
            table.columns = pd.Index(["width", measure, f"{measure}_std"])
            axes.band(axis, table, measure, named[names[int(str(inputs))]])
        axes.width_axis(axis, rows["width"])
        axes.share_axis(axis, rows[measure].min(), rows["width"])
        axis.set(ylabel="share of the widest network's units")
    axes.legend(figure, named, proportional=True)
    return figure


def published_curves(tables: Tables, group: tuple[str, str]) -> dict[tuple[str, str], pd.Series]:
    """The paper's values by width, of each curve that stands in a panel here, and measure."""
    return {
        (line.name, measure): pd.Series(values)
        for line in tables.of(group)
        for measure, values in line.published.items()
    }


def of_group(table: pd.DataFrame, group: tuple[str, str]) -> pd.DataFrame:
    """The rows of a panel and data set."""
    return table[(table["panel"] == group[0]) & (table["dataset"] == group[1])]


def _title(gains: pd.DataFrame, measure: str) -> str:
    """A measure with its smallest and largest gain, ours and the published ones; those of curves with all widths."""
    known, words = gains.dropna(subset=["g"]), WORDS[measure].capitalize()
    if known.empty:
        here = gains.dropna(subset=["g_here"])
        return words + ("\nsome widths are missing: no g" if len(here) else "")
    low, high = known["published_g_min"].iloc[0], known["published_g_max"].iloc[0]
    beside = "" if np.isnan(low) else f" (published {low:.2f} to {high:.2f})"
    own = [known["g"].min(), known["g"].max()]
    trained = ", too short" if known["short"].any() else ""
    return f"{words}\ng {' to '.join(dict.fromkeys(f'{g:.2f}' for g in own))}{trained}{beside}"
