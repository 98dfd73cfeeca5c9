"""The picture of a cohort: how its networks trained, and how they take pruning.

Few networks are a line each, many are the median, the middle half and the extremes of what they have at each epoch and
at each point of pruning.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter
from numpy.typing import NDArray

NAMED = 12  # networks that a legend still tells apart
LINES = 50  # networks beyond which lines hide one another
POINTS = 200  # at which curves of pruning are compared, where they have points of their own each
LEGEND = {"fontsize": 6.5, "labelspacing": 0.3, "frameon": False, "loc": "lower left"}
LABELS = ["initializer", "init_seed", "data_seed", "sparsity", "structure", "weights_kept", "learning_rate", "schedule"]

Curves = list[tuple[NDArray[np.float64], NDArray[np.float64]]]
"""x and y of each network; y is NaN where it is not known or not finite."""


def draw(record: pa.Table, path: Path, *, title: str) -> None:
    """Two panels of `record.SCHEMA`'s curves: loss by epoch, of validation where it was seen in every epoch, else of
    training; and accuracy by percent removed, or by weights left where networks had few, and each its own number."""
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    training, pruning = figure.subplots(1, 2)
    split = "validation" if _known(record["curve_validation_loss"]) > record.num_rows else "train"
    losses = _curves(record["curve_epoch"], record[f"curve_{split}_loss"])
    sparse = any(record["sparsity"].to_pylist())
    pruned = _curves(record["prune_weights_left" if sparse else "prune_removed"], record["prune_validation_accuracy"])
    accuracies = [(x if sparse else 100 * x, 100 * y) for x, y in pruned]
    few = record.num_rows <= LINES
    if few:
        rows = record.select([*LABELS, "status", "stopped_epoch", f"{split}_loss"]).to_pylist()
        colors = colormaps["viridis"].resampled(max(len(rows), 2))
        for index, (row, loss, accuracy) in enumerate(zip(rows, losses, accuracies, strict=True)):
            style = {"color": colors(index), "linewidth": 1.2, "label": network_label(row)}
            training.plot(*loss, **style)
            pruning.plot(*accuracy, **style)
            if row["status"] == "finished":
                kept = [row["stopped_epoch"]], [row[f"{split}_loss"]]
                training.plot(*kept, marker="x", linestyle="none", color=colors(index))
    else:
        _bands(training, losses)
        _bands(pruning, accuracies)
    _describe(
        training,
        title=f"Training{' (crosses: the weights kept)' if few else ''}",
        x="epoch",
        y=f"{'training' if split == 'train' else split} loss",
    )
    training.set_yscale("log")
    training.yaxis.set_major_formatter(_PlainLogarithms())
    training.yaxis.set_minor_formatter(_PlainLogarithms(minor_thresholds=(1, 0.4)))
    _describe(
        pruning,
        title="Pruning by magnitude",
        x="weights left" if sparse else "weights removed, %",
        y="validation accuracy, %",
    )
    pruning.xaxis.get_major_locator().set_params(integer=True)
    most = max((x.max() for x, _ in accuracies if len(x)), default=1.0)
    pruning.set(xlim=(most, 0) if sparse else (0, 100), ylim=(0, 100))
    if record.num_rows <= NAMED:
        pruning.legend(**LEGEND)
    figure.suptitle(title)
    figure.savefig(path, dpi=110)


def network_label(row: dict[str, Any]) -> str:
    """What tells a network from its neighbours in a cohort."""
    drawn = f"init {row['init_seed']} data {row['data_seed']} {row['initializer']}"
    if not row["sparsity"]:
        return drawn
    weights = " ".join(filter(None, [f"{row['weights_kept']} weights", row["structure"]]))
    return f"{weights} rate {row['learning_rate']:g} {row['schedule']} init {row['init_seed']}"


def _known(lists: pa.ChunkedArray) -> int:
    """How many values there are in all."""
    values = pc.list_flatten(lists)
    return len(values) - values.null_count


def _curves(x: pa.ChunkedArray, y: pa.ChunkedArray) -> Curves:
    """Two list columns as curves; a network that has none has an empty one."""
    ends = np.cumsum(pc.list_value_length(x).fill_null(0).to_numpy())
    values = [pc.list_flatten(lists).cast(pa.float64()).to_numpy() for lists in (x, y)]
    values[1] = np.where(np.isfinite(values[1]), values[1], np.nan)
    return list(zip(*(np.split(each, ends[:-1]) for each in values), strict=True))


def _bands(axes: Axes, curves: Curves) -> None:
    """Median, middle half and extremes, at each x of all networks that reach so far."""
    grid = np.unique(np.concatenate([x for x, _ in curves]))
    if len(grid) > POINTS:
        grid = np.linspace(grid[0], grid[-1], POINTS)
    values = np.array([np.interp(grid, *_ascending(x, y), left=np.nan, right=np.nan) for x, y in curves if len(x)])
    if not len(values):
        return
    some = ~np.isnan(values).all(axis=0)
    low, quarter, median, three_quarters, high = np.nanquantile(values[:, some], [0, 0.25, 0.5, 0.75, 1], axis=0)
    color = colormaps["viridis"](0.3)
    axes.fill_between(grid[some], low, high, color=color, alpha=0.15, linewidth=0, label="all")
    axes.fill_between(grid[some], quarter, three_quarters, color=color, alpha=0.4, linewidth=0, label="the middle half")
    axes.plot(grid[some], median, color=color, linewidth=1.6, label="median")
    axes.legend(**LEGEND)


def _ascending(x: NDArray, y: NDArray) -> tuple[NDArray, NDArray]:
    return (x, y) if x[0] <= x[-1] else (x[::-1], y[::-1])


class _PlainLogarithms(LogFormatter):
    """0.6, not a formula: the errors that matplotlib's parser of formulas meets keep the whole record in memory."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        return f"{x:g}" if super().__call__(x, pos) else ""


def _describe(axes: Axes, *, title: str, x: str, y: str) -> None:
    axes.set(title=title, xlabel=x, ylabel=y)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
