"""The picture of a cohort: how its networks trained, and how they take pruning."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

NAMED = 12  # networks that a legend still tells apart


def draw(record: pa.Table, path: Path, *, title: str) -> None:
    """Two panels of curves, one colour a network: validation loss by epoch, accuracy by percent removed."""
    rows = record.to_pylist()
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    training, pruning = figure.subplots(1, 2)
    colors = colormaps["viridis"].resampled(max(len(rows), 2))
    for index, row in enumerate(rows):
        style = {"color": colors(index), "linewidth": 1.2, "label": network_label(row)}
        training.plot(row["curve_epoch"], row["curve_validation_loss"], **style)
        if row["status"] == "finished":
            kept = [row["stopped_epoch"]], [row["validation_loss"]]
            training.plot(*kept, marker="x", linestyle="none", color=colors(index))
        removed = [100 * share for share in row["prune_removed"] or []]
        pruning.plot(removed, [100 * value for value in row["prune_validation_accuracy"] or []], **style)
    _describe(training, title="Training (crosses: the weights kept)", x="epoch", y="validation loss")
    _describe(pruning, title="Pruning by magnitude", x="weights removed from each layer, %", y="validation accuracy, %")
    training.set_yscale("log")
    pruning.set(xlim=(0, 100), ylim=(0, 100))
    if len(rows) <= NAMED:
        pruning.legend(fontsize=7, frameon=False, loc="lower left")
    figure.suptitle(title)
    figure.savefig(path, dpi=110)


def network_label(row: dict) -> str:
    """What tells a network from its neighbours in a cohort."""
    return f"{row['initializer']} · init {row['init_seed']} · data {row['data_seed']}"


def _describe(axes: Axes, *, title: str, x: str, y: str) -> None:
    axes.set(title=title, xlabel=x, ylabel=y)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
