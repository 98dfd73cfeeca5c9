"""Figures 1 to 3 of the density paper: training curves and pruning trajectories."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from analysis.density.networks import Networks, type_name
from analysis.figures import panels, width_colors, width_legend


def training_accuracy(networks: Networks) -> Figure:
    """Figure 1: validation accuracy by epoch, mean and deviation per width."""
    return _training(networks, "curve_validation_accuracy", "validation accuracy (%)", 100.0, crosses=False)


def training_loss(networks: Networks) -> Figure:
    """Figure 2: validation loss by epoch, mean and deviation per width; crosses where training stopped."""
    return _training(networks, "curve_validation_loss", "validation loss", 1.0, crosses=True)


def pruning(networks: Networks) -> Figure:
    """Figure 3: validation accuracy against sparsity, mean and deviation per width."""
    used = networks.used
    types = networks.types(used)
    figure, axes = panels([type_name(networks, key) for key, _ in types])
    colors = width_colors(used["width"])
    for (axis,), (_, group) in zip(axes, types, strict=True):
        for width, rows in group.groupby("width"):
            removed = max(rows["prune_removed"], key=len)
            curves = [
                np.interp(removed, x, y)
                for x, y in zip(rows["prune_removed"], rows["prune_validation_accuracy"], strict=True)
            ]
            _band(axis, 100 * np.asarray(removed), 100 * np.stack(curves), colors[width])
        axis.set(xlabel="weights pruned in each layer (%)", ylabel="validation accuracy (%)", xlim=(0, 100))
    width_legend(figure, used["width"])
    return figure


def held(curves: pd.Series) -> NDArray[np.float64]:
    """Curves of different lengths as [network, epoch]: a network that has stopped keeps its last value.

    Without that the mean over the later epochs would be one over the slow networks alone.
    """
    longest = max(map(len, curves))
    return np.stack([np.pad(curve, (0, longest - len(curve)), mode="edge") for curve in curves])


def _training(networks: Networks, curve: str, label: str, unit: float, *, crosses: bool) -> Figure:
    used = networks.used
    types = networks.types(used)
    figure, axes = panels([type_name(networks, key) for key, _ in types])
    colors = width_colors(used["width"])
    for (axis,), (_, group) in zip(axes, types, strict=True):
        for width, rows in group[group[curve].map(len) > 0].groupby("width"):
            epochs = max(rows["curve_epoch"], key=len)
            _band(axis, epochs, unit * held(rows[curve]), colors[width])
            if crosses:
                stop = (rows["stopped_epoch"].mean(), rows["validation_loss"].mean())
                axis.plot(*stop, "X", color=colors[width], markersize=8, markeredgecolor="white", zorder=5)
        axis.set(xlabel="epoch", ylabel=label)
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    width_legend(figure, used["width"])
    return figure


def _band(axis: Axes, x: NDArray, curves: NDArray[np.float64], color: tuple) -> None:
    mean = curves.mean(axis=0)
    axis.plot(x, mean, color=color)
    if len(curves) > 1:
        deviation = curves.std(axis=0, ddof=1)
        axis.fill_between(x, mean - deviation, mean + deviation, color=color, alpha=0.18, linewidth=0)
