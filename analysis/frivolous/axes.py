"""What the study's figures share: the axes of widths and of shares of units, the look of a curve, the legend."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from analysis.figures import width_colors
from analysis.frivolous.gain import WIDTHS
from analysis.frivolous.networks import WIDEST

PROPORTIONAL = "0.72"
DASHED = (0, (4, 2))
MARKERS = "os^Dv*PXph<>"


class Look(NamedTuple):
    color: tuple[float, float, float]
    marker: str


def looks(curves: Iterable[str]) -> dict[str, Look]:
    """A colour and a marker per curve; of many curves colours in a sequence, such as layers by depth."""
    names = list(dict.fromkeys(curves))
    many = len(names) > 8
    colors = sns.color_palette("viridis", len(names)) if many else sns.color_palette("colorblind", len(names))
    return {name: Look(colors[place], MARKERS[place % len(MARKERS)]) for place, name in enumerate(names)}


def width_axis(axis: Axes, widths: Iterable[float]) -> None:
    """Widths on a logarithmic axis to base 2."""
    ticks = sorted({*WIDTHS, *widths})
    axis.set_xscale("log", base=2)
    axis.xaxis.set_major_locator(FixedLocator(ticks))
    axis.xaxis.set_major_formatter(FuncFormatter(lambda width, _: fraction(width) + "×"))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.set_xlim(min(ticks) / 1.15, max(ticks) * 1.15)
    axis.set_xlabel("width")


def share_axis(axis: Axes, lowest: float, widths: Iterable[float]) -> None:
    """Shares of units on a logarithmic axis to base 2, from a power of 4 below the lowest to all units there are."""
    floor = 4.0 ** np.floor(np.log(max(min(0.8 * lowest, 1 / 16), 2**-14)) / np.log(4))
    axis.set_yscale("log", base=2)
    most = max(WIDEST, *widths) / WIDEST
    axis.yaxis.set_major_locator(FixedLocator(list(4.0 ** np.arange(np.log(floor) / np.log(4), np.log(most) + 1))))
    axis.yaxis.set_major_formatter(FuncFormatter(lambda share, _: fraction(share)))
    axis.yaxis.set_minor_locator(NullLocator())
    axis.set_ylim(floor, 1.15 * most)


def all_units(axis: Axes, widths: Iterable[float]) -> None:
    """The grey line of all units: what is in proportion to the width is parallel to it."""
    ends = np.array([min(*WIDTHS, *widths), max(*WIDTHS, *widths)])
    axis.plot(ends, ends / WIDEST, color=PROPORTIONAL, linewidth=3, zorder=1)


def band(axis: Axes, table: pd.DataFrame, measure: str, look: Look) -> None:
    """Mean by width, and a band of one standard deviation to both sides."""
    rows = table.dropna(subset=[measure]).sort_values("width")
    rows = rows[rows[measure] > 0]  # there is no place for 0
    mean, deviation = rows[measure], rows[f"{measure}_std"].fillna(0)
    axis.plot(rows["width"], mean, color=look.color, marker=look.marker, markersize=4.5, zorder=3)
    low = (mean - deviation).clip(lower=mean / 50)
    axis.fill_between(rows["width"], low, mean + deviation, color=look.color, alpha=0.15, linewidth=0, zorder=2)


def beside(axis: Axes, published: pd.Series, look: Look) -> None:
    """The paper's curve by width, dashed: all of it, whichever widths were trained."""
    known = published.dropna().sort_index()
    axis.plot(
        known.index, known, color=look.color, linestyle=DASHED, linewidth=1.1, marker=".", markersize=3.5, zorder=4
    )


def width_shades(widths: Iterable[float]) -> dict[float, tuple[float, float, float]]:
    """A colour a width, light to dark, the same in every sweep."""
    return width_colors(widths, usual=WIDTHS)


def width_legend(figure: Figure, widths: Iterable[float], *others: Line2D) -> None:
    """One legend beside the panels: the colours of the widths, and what else is drawn."""
    shades = width_shades(widths)
    handles = [
        Line2D([], [], color=shades[width], linewidth=3, label=f"{fraction(width)}×") for width in sorted(set(widths))
    ]
    figure.legend(handles=[*handles, *others], loc="outside right upper")


def legend(figure: Figure, named: dict[str, Look], *, published: bool = False, proportional: bool = False) -> None:
    """One legend beside the panels: the curves, and what dashed and grey mean."""
    handles = [
        Line2D([], [], color=look.color, marker=look.marker, markersize=4.5, label=name) for name, look in named.items()
    ]
    if published:
        handles.append(
            Line2D([], [], color="0.35", linestyle=DASHED, linewidth=1.1, marker=".", markersize=3.5, label="published")
        )
    if proportional:
        handles.append(Line2D([], [], color=PROPORTIONAL, linewidth=3, label="all units"))
    figure.legend(handles=handles, loc="outside right upper")


def fraction(value: float) -> str:
    """A power of 2 as readers know it: 1/4, 2."""
    return f"1/{1 / value:g}" if 0 < value < 1 and (1 / value).is_integer() else f"{value:g}"
