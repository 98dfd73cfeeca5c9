"""The theorem of the paper's section L: at a fixed number of weights, random masks of wide networks have no path."""

from __future__ import annotations

import functools
from itertools import pairwise

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.figures import panels
from analysis.sparsest.sizes import width_axis
from raydensity.measures.path_probability import bound, simulate
from raydensity.pruning.budgets import erdos_renyi_kernel

WIDTHS = (4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 256)
WEIGHTS = (15, 26, 65)
SAMPLES = 10_000
FEWEST = 5  # masks with a path that a dot may stand for
LOWEST = 1e-4  # of the axis: below it, that many samples hold hardly any network with a path
COLORS = ("#44aa99", "#332288", "#882255")
DRAWN = {"erk": "a number of weights for each layer (ERK)", "global": "one draw over all weights"}


def sizes(width: int) -> tuple[int, ...]:
    """The paper's network: two inputs, three hidden layers, one output."""
    return (2, width, width, width, 1)


def kept(width: int, weights: int, distribution: str) -> list[int] | int:
    """What is drawn: by the layers' shares, or of all weights together."""
    if distribution == "global":
        return weights
    return erdos_renyi_kernel([(after, before) for before, after in pairwise(sizes(width))], weights)


@functools.cache
def probabilities() -> pd.DataFrame:
    """By distribution, weights and width: the share of random masks with a path, and the bound of the theorem."""
    rows = []
    for distribution in DRAWN:
        generator = np.random.default_rng(0)
        for weights in WEIGHTS:
            for width in WIDTHS:
                shape = sizes(width)
                if weights > sum(before * after for before, after in pairwise(shape)):
                    continue
                drawn = kept(width, weights, distribution)
                share = simulate(shape, drawn, samples=SAMPLES, generator=generator)
                rows.append((distribution, weights, width, share, bound(shape, drawn)))
    return pd.DataFrame(rows, columns=["distribution", "weights", "width", "simulated", "bound"])


def path_probability() -> Figure:
    """Simulated and bounded probability of a path over the width, a panel for each way of drawing."""
    figure, axes = panels(list(DRAWN.values()))
    table = probabilities()
    for (axis,), distribution in zip(axes, DRAWN, strict=True):
        _curves(axis, table[table["distribution"] == distribution])
        width_axis(axis, list(WIDTHS))
        axis.set(ylabel="probability of a path", yscale="log", ylim=(LOWEST, 1.6), xlim=(3.5, 300))
    numbers = zip(COLORS, WEIGHTS, strict=True)
    handles = [Line2D([], [], color=color, linewidth=3, label=str(count)) for color, count in numbers]
    figure.legend(handles=handles, title="weights kept", loc="outside right upper")
    kinds = [
        Line2D([], [], color="0.3", linewidth=1.2, label="bound"),
        Line2D([], [], color="0.3", linestyle="", marker="o", markersize=4, label="simulated"),
    ]
    figure.legend(handles=kinds, loc="outside right lower")
    return figure


def _curves(axis: Axes, table: pd.DataFrame) -> None:
    for color, (_, rows) in zip(COLORS, table.groupby("weights"), strict=True):
        axis.plot(rows["width"], rows["bound"], color=color, linewidth=1.2)
        share = rows["simulated"].where(rows["simulated"] * SAMPLES >= FEWEST)
        error = 2 * np.sqrt(share * (1 - share) / SAMPLES)
        axis.errorbar(rows["width"], share, error, fmt="o", color=color, markersize=3.5, elinewidth=0.8)
