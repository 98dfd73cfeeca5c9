"""Figures 7 and 8 of the density paper, functions compared by correctness, and the activations of section 5.3."""

from __future__ import annotations

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray
from sklearn.manifold import TSNE

from analysis.density.networks import Networks, exploded, type_name
from analysis.figures import INITIALIZERS, CannotDraw, panels, width_colors, width_legend
from analysis.statistics import mean_pairwise_distance

INIT_SEEDS = 10  # as in the paper
FEWEST = 10  # fewer points have no neighbourhoods to keep
CONV_WIDTHS = 3  # the smallest, as in the paper


def mlp_functions(networks: Networks) -> Figure:
    """Figure 7: t-SNE of the correctness vectors of the MLPs."""
    return _tsne_panels(networks, networks.used[networks.used["architecture"] == "mlp"], "MLP")


def conv_functions(networks: Networks) -> Figure:
    """Figure 8: t-SNE of the correctness vectors of Conv-2 trained with Adam, the three smallest widths."""
    used = networks.used
    chosen = used[(used["architecture"] == "conv2") & (used["optimizer"] == "adam")]
    smallest = np.sort(chosen["width"].unique())[:CONV_WIDTHS]
    return _tsne_panels(networks, chosen[chosen["width"].isin(smallest)], "Conv-2 Adam")


def activations(networks: Networks) -> Figure:
    """Hoyer sparsity and class selectivity by width and layer, mean and deviation over networks (section 5.3)."""
    layers = exploded(networks.used, "activations", networks.by)
    if layers.empty:
        raise CannotDraw("Activations were not measured.")
    types = networks.types(layers)
    figure, axes = panels([type_name(networks, key) for key, _ in types], rows=2, size=(3.0, 2.2))
    names = list(dict.fromkeys(layers["layer"]))
    colors = dict(zip(names, sns.color_palette("colorblind", len(names)), strict=True))
    markers = dict(zip(names, "os^DvP*Xph" * len(names), strict=False))
    for column, (_, group) in zip(axes, types, strict=True):
        widths = sorted(group["width"].unique())
        for axis, measure, label in zip(
            column, ("hoyer", "selectivity"), ("Hoyer sparsity", "class selectivity"), strict=True
        ):
            for name, rows in group.groupby("layer", sort=False):
                values = rows.groupby("width")[measure]
                axis.errorbar(
                    [widths.index(w) for w in values.mean().index], values.mean(), values.std().fillna(0),
                    color=colors[name], marker=markers[name], markersize=4.5, capsize=2.5, elinewidth=1,
                )  # fmt: skip
            axis.set_xticks(range(len(widths)), [f"{width:g}×" for width in widths])
            axis.set(ylabel=label, xlabel="width" if measure == "selectivity" else "")
            axis.margins(x=0.1)
    handles = [Line2D([], [], color=colors[name], marker=markers[name], label=name) for name in names]
    figure.legend(handles=handles, title="layer", loc="outside right upper")
    return figure


def comparable(group: pd.DataFrame) -> tuple[pd.DataFrame, NDArray[np.uint8]]:
    """Networks of one model type that share a validation set, at most 10 init seeds, and their correctness vectors.

    Rows of the second, shape [network, image], are 0/1 per validation image. The data seed with most networks is taken,
    the smallest of those. Both are empty where correctness was not measured.
    """
    measured = group[group["correctness"].map(len) > 0]
    if measured.empty:
        return measured, np.zeros((0, 0), np.uint8)
    data_seed = measured["data_seed"].value_counts().sort_index().idxmax()
    shared = measured[measured["data_seed"] == data_seed]
    kept = shared[shared["init_seed"].isin(np.sort(shared["init_seed"].unique())[:INIT_SEEDS])]
    return kept, np.stack(
        [
            np.unpackbits(np.frombuffer(bits, np.uint8), count=size)
            for bits, size in zip(kept["correctness"], kept["validation_size"], strict=True)
        ]
    )


def distances(group: pd.DataFrame) -> pd.Series:
    """Mean share of validation images on which two networks of one width and initializer differ in being right."""
    kept, vectors = comparable(group)
    rows = kept.assign(row=np.arange(len(kept)))
    by_initializer = {
        key: mean_pairwise_distance(vectors[part["row"]]) for key, part in rows.groupby(["width", "initializer"])
    }
    values = pd.Series(by_initializer, dtype=float)
    return values.groupby(level=0).mean().dropna() if len(values) else values


def _tsne_panels(networks: Networks, frame: pd.DataFrame, what: str) -> Figure:
    if frame.empty:
        raise CannotDraw(f"The sweep has no {what} networks.")
    drawable = []
    for key, group in networks.types(frame):
        kept, vectors = comparable(group)
        if len(kept) >= FEWEST:
            drawable.append((key, kept, vectors))
    if not drawable:
        raise CannotDraw(
            f"Fewer than {FEWEST} {what} networks share a data seed and have a correctness vector: too few for t-SNE."
        )
    figure, axes = panels([type_name(networks, key) for key, _, _ in drawable], size=(3.5, 3.2))
    colors = width_colors(networks.used["width"])
    shown: set[str] = set()
    for (axis,), (_, kept, vectors) in zip(axes, drawable, strict=True):
        perplexity = min(30.0, (len(kept) - 1) / 3)
        points = TSNE(perplexity=perplexity, init="pca", random_state=0).fit_transform(vectors.astype(np.float32))
        for (width, initializer), part in kept.assign(x=points[:, 0], y=points[:, 1]).groupby(["width", "initializer"]):
            axis.scatter(
                part["x"], part["y"], s=26, color=[colors[width]], marker=INITIALIZERS[initializer][2],
                edgecolor="0.25", linewidth=0.4,
            )  # fmt: skip
            shown.add(initializer)
        axis.set(xticks=[], yticks=[], xlabel="t-SNE 1", ylabel="t-SNE 2")
    width_legend(figure, frame["width"], marker="o")
    marks = [
        Line2D([], [], linestyle="", marker=mark, color="0.5", label=label)
        for name, (label, _, mark) in INITIALIZERS.items()
        if name in shown
    ]
    figure.legend(handles=marks, title="initializer", loc="outside right center")
    return figure
