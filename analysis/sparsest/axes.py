"""What the study's figures share: the axis of accuracies, which methods and widths a panel has, the legend."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from numpy.typing import NDArray

from analysis.sparsest import methods
from analysis.sparsest.published import TARGETS, WIDTH

TICKS = [50, 80, 90, 95, 99, 99.5, 99.9, 100]
FINEST = 0.015  # percent of errors, added to all of them, so that none at all has a place
TARGET_COLOR = "0.45"
WIDTHS = 3  # that have panels of their own


def accuracy_axis(axis: Axes) -> None:
    """Accuracies in percent on the vertical axis, the logarithm of the errors upside down, and lines at the targets."""

    def forward(accuracy: NDArray) -> NDArray:
        return -np.log10(np.maximum(100 + FINEST - np.asarray(accuracy, dtype=float), 1e-9))

    def backward(value: NDArray) -> NDArray:
        return 100 + FINEST - 10.0 ** -np.asarray(value, dtype=float)

    axis.set_yscale("function", functions=(forward, backward))
    axis.yaxis.set_major_locator(FixedLocator(TICKS))
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.yaxis.set_minor_locator(NullLocator())
    axis.set_ylim(45, 100 + FINEST / 4)
    for target in TARGETS:
        axis.axhline(target, color=TARGET_COLOR, linewidth=0.7, linestyle=(0, (4, 3)), zorder=1)


def shown(rows: pd.DataFrame) -> pd.DataFrame:
    """One variant of every method: as it is by default, else the first; tables have all of them."""
    names = pd.Series(sorted(rows["method"].unique(), key=lambda name: (*methods.rank(name), name)), dtype=str)
    chosen = names[~names.map(methods.base).duplicated()]
    return rows[rows["method"].isin(chosen)]


def usual_widths(rows: pd.DataFrame) -> list[float]:
    """Widths of the pruners that get a panel: all if there are three at most, else the ends and `common_width`."""
    widths = sorted(rows.loc[~methods.searched(rows), "width"].unique())
    if len(widths) > WIDTHS:
        widths = sorted({widths[0], common_width(rows), widths[-1]})
    return widths or [common_width(rows)]


def common_width(rows: pd.DataFrame) -> float:
    """The pruners' width that is the search's or nearest to it."""
    searched = methods.searched(rows)
    usual = rows.loc[searched, "width"].max() if searched.any() else WIDTH
    widths = rows.loc[~searched, "width"].unique()
    return float(min(widths, key=lambda width: abs(width - usual)) if len(widths) else usual)


def several_widths(rows: pd.DataFrame) -> bool:
    """Whether pruners were tried at several widths."""
    return rows.loc[~methods.searched(rows), "width"].nunique() > 1


def method_legend(figure: Figure, names: Iterable[str]) -> None:
    """One legend beside the panels: the methods' colours and markers."""
    handles = [
        Line2D([], [], color=look.color, marker=look.marker, markersize=4.5, linewidth=1.3, label=look.name)
        for look in map(methods.look, sorted(names, key=methods.rank))
    ]
    figure.legend(handles=handles, loc="outside right upper")
