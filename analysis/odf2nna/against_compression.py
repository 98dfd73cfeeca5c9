"""Figure of scores against what was removed: a row a data set, a column a family of methods, ODF2NNA behind each."""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from analysis.figures import CannotDraw
from analysis.odf2nna import methods
from analysis.odf2nna.methods import BY_OUTPUTS, BY_WEIGHTS, MERGED, OURS, RANDOM, START, WEIGHTS
from analysis.odf2nna.tables import Tables

SCORES = {"classification": "right answers, %", "regression": "squared error"}
COLUMNS = {
    f"random, or {MERGED}": (methods.family(RANDOM), MERGED),
    BY_WEIGHTS: (BY_WEIGHTS,),
    BY_OUTPUTS: (BY_OUTPUTS,),
    WEIGHTS: (WEIGHTS,),
    START: (START,),
}
COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00")  # told apart with colour blindness (Okabe and Ito)
MARKERS = ("o", "s", "^", "D", "v")
FEWEST = 3  # repeats: of two the interval is six times their distance
ROW, COLUMN, NAME = 0.88, 1.4, 0.14  # inches of a panel, and of a name in the legend above
APART = 0.7  # percent by which methods stand beside each other that removed the same


def against_compression(tables: Tables) -> Figure:
    """Test score by the share of the parameters that is gone, with the intervals of `Tables.curves` for all methods."""
    curves = tables.curves[~tables.curves["method"].str.contains(",")]
    own = curves[curves["method"].eq(OURS)]
    rivals = {
        title: sorted(
            (name for name in curves["method"].unique() if methods.family(name) in families), key=methods.rank
        )
        for title, families in COLUMNS.items()
    }
    rivals = {title: names for title, names in rivals.items() if names}
    if not rivals:
        raise CannotDraw("There is no other method than ODF2NNA.")
    datasets = tables.networks.datasets
    head = 0.25 + NAME * max(map(len, rivals.values()))
    figure = Figure(figsize=(0.8 + COLUMN * len(rivals), head + ROW * len(datasets) + 0.5), layout="constrained")
    heads, *panels = figure.subplots(
        len(datasets) + 1,
        len(rivals),
        sharex="col",
        sharey="row",
        squeeze=False,
        height_ratios=[head / ROW, *[1] * len(datasets)],
    )
    for dataset, row in zip(datasets, panels, strict=True):
        drawn, originals = curves[curves["dataset"].eq(dataset)], tables.networks.originals
        before = originals.loc[originals["dataset"].eq(dataset), "score"].mean()
        for names, panel in zip(rivals.values(), row, strict=True):
            panel.axhline(before, color="0.3", linestyle="--", linewidth=0.8)
            _panel(panel, drawn, own[own["dataset"].eq(dataset)], names)
        _limits(row[0], drawn["score_after"], before)
        row[0].set_ylabel(f"{dataset}\n{SCORES[tables.networks.task(dataset)]}", fontsize=6.5)
    for (title, names), panel in zip(rivals.items(), heads, strict=True):
        _legend(panel, title, names)
    least = 10 * ((curves["compression"].min() - 5) // 10)
    for panel in panels[-1]:
        panel.set(xlim=(least, 101))
        panel.xaxis.set_major_locator(MaxNLocator(4, integer=True))
        panel.set_xlabel("parameters removed, %", fontsize=6.5)
    handles: dict[str, Any] = {
        "ODF2NNA": (
            Line2D([], [], color="0.45", linewidth=6, alpha=0.25),
            Line2D([], [], color="0.55", linewidth=1.4),
        ),
        "as many units or weights, from scratch": Line2D([], [], color="0.3", linestyle=":"),
        "original": Line2D([], [], color="0.3", linestyle="--", linewidth=0.8),
    }
    figure.legend(list(handles.values()), list(handles), loc="outside lower center", ncols=3, fontsize=7.5)
    return figure


def _panel(panel: Axes, drawn: pd.DataFrame, own: pd.DataFrame, names: list[str]) -> None:
    """ODF2NNA and what starts from random weights behind, then the methods."""
    panel.tick_params(labelsize=6.5)
    own = own.sort_values("compression")
    panel.plot(own["compression"], own["score_after"], color="0.55", linewidth=1.4)
    certain = own[own["n"].ge(FEWEST)]
    panel.fill_between(
        certain["compression"], certain["score_low"], certain["score_high"], color="0.45", alpha=0.25, linewidth=0
    )
    for place, (name, color, marker) in enumerate(zip(names, COLORS, MARKERS, strict=False)):
        rows = drawn[drawn["method"].eq(name)].sort_values("compression")
        beside = APART * (place - (len(names) - 1) / 2)
        style: dict[str, Any] = {"color": color, "marker": marker, "markersize": 2.2, "linewidth": 0.7}
        half = (rows["score_high"] - rows["score_after"]).where(rows["n"].ge(FEWEST))
        panel.errorbar(rows["compression"] + beside, rows["score_after"], half, elinewidth=0.6, **style)
    compared = drawn[drawn["method"].eq(names[0])].sort_values("compression").dropna(subset=["score_scratch"])
    panel.plot(compared["compression"], compared["score_scratch"], color="0.3", linestyle=":", linewidth=1.1, zorder=3)


def _limits(panel: Axes, values: pd.Series, before: float) -> None:
    """What most of the values span: a method that fails altogether would press all others together."""
    low, high = min(values.quantile(0.06), before), max(values.quantile(0.94), before)
    room = 0.15 * (high - low) or 1
    panel.set_ylim(low - room, high + room)


def _legend(head: Axes, title: str, names: list[str]) -> None:
    """Above its column, and no reason to widen it."""
    head.set_axis_off()
    handles = [
        Line2D([], [], color=color, marker=marker, markersize=3, linewidth=1, label=methods.name(name))
        for name, color, marker in zip(names, COLORS, MARKERS, strict=False)
    ]
    place: dict[str, Any] = {"loc": "lower left", "bbox_to_anchor": (-0.1, -0.1), "alignment": "left"}
    legend = head.legend(handles=handles, title=title, fontsize=5.5, title_fontsize=6.8, handlelength=1.3, **place)
    legend.set_in_layout(False)
