"""What all figures share: style, colours by width, panels, and files. matplotlib's object API, no display."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

DPI = 200
COLUMNS = 2
PANEL = (3.5, 2.7)  # inches: two panels fill the text width of a two-column page
STYLE: dict[Any, Any] = {
    "font.size": 8.5,
    "axes.titlesize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "0.92",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "lines.linewidth": 1.6,
    "legend.frameon": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "raydensity",
}
# The paper's widths keep their colours in every sweep, whichever of them it has.
USUAL_WIDTHS = (0.1, 0.5, 1.0, 2.0, 5.0)
INITIALIZERS = {
    "glorot_uniform": ("Glorot", "#0b5d4b", "o"),
    "he_uniform": ("He", "#7fbf7b", "s"),
    "glorot_normal": ("Glorot normal", "#2166ac", "^"),
    "he_normal": ("He normal", "#92c5de", "v"),
    "lecun_uniform": ("LeCun", "#b35806", "D"),
    "lecun_normal": ("LeCun normal", "#fdb863", "P"),
}


class CannotDraw(Exception):
    """The runs do not hold what a figure shows; the message says what is missing, as a sentence."""


def width_colors(
    widths: Iterable[float], usual: Iterable[float] = USUAL_WIDTHS
) -> dict[float, tuple[float, float, float]]:
    """A colour per width, light to dark: sequential, and told apart in greyscale and with colour blindness."""
    ordered = sorted({*usual, *widths})
    shades = matplotlib.colormaps["plasma"](np.linspace(0.84, 0.0, len(ordered)))
    return {width: (r, g, b) for width, (r, g, b, _) in zip(ordered, shades, strict=True)}


def panels(titles: list[str], *, rows: int = 1, size: tuple[float, float] = PANEL) -> tuple[Figure, list[list[Axes]]]:
    """A figure with one panel per title, or a column of `rows` panels each: axes as [title][row]."""
    columns = len(titles) if rows > 1 else min(len(titles), COLUMNS)
    lines = rows if rows > 1 else math.ceil(len(titles) / columns)
    figure = Figure(figsize=(size[0] * columns + 0.9, size[1] * lines), layout="constrained")
    grid = figure.subplots(lines, columns, squeeze=False)
    axes = [list(grid[:, c]) for c in range(columns)] if rows > 1 else [[a] for a in grid.flat]
    for spare in axes[len(titles) :]:
        spare[0].remove()
    for column, title in zip(axes, titles, strict=False):
        column[0].set_title(title)
    return figure, axes[: len(titles)]


def width_legend(figure: Figure, widths: Iterable[float], marker: str = "") -> None:
    """One legend beside the panels: the colours of the widths."""
    widths = sorted(set(widths))
    colors = width_colors(widths)
    line = {"linestyle": "", "marker": marker} if marker else {"linewidth": 3}
    handles = [Line2D([], [], color=colors[w], label=f"{w:g}×", **line) for w in widths]
    figure.legend(handles=handles, title="width", loc="outside right upper")


def draw(make: Callable[[], Figure], *, folder: Path, name: str) -> Path:
    """Draw a figure in the common style and write `name`.png and `name`.svg; returns the path of the PNG.

    The same numbers give the same bytes. What `make` raises passes through: `CannotDraw` where runs are missing.
    ValueError for a name that would lead out of the folder: some have words of the runs in them.
    """
    if not name or Path(name).name != name:
        raise ValueError(f"{name!r} is no name of a figure's file")
    with matplotlib.rc_context(STYLE):
        figure = make()
        figure.savefig(folder / f"{name}.svg", metadata={"Date": None})
        figure.set_layout_engine("none")  # laid out by now, and a second time would cost as much as all else
        figure.savefig(folder / f"{name}.png", dpi=DPI, metadata={"Software": None})
    return folder / f"{name}.png"
