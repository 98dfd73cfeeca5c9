"""Figure 5 and what it stands for: images that excite units, and how rough they are in narrow and wide networks."""

from __future__ import annotations

from math import isqrt

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.figures import CannotDraw, panels
from analysis.frivolous.axes import fraction, width_legend, width_shades
from analysis.frivolous.curves import of_group
from analysis.frivolous.lines import Line
from analysis.frivolous.tables import Tables

SHOWN = 8  # units of a layer and width, as in the paper
MOST_LAYERS = 6  # of deep networks the first, the last and some between
SIDE = 0.62  # inches of an image
AXES = {"image": ("image_variation", "images"), "spectrum": ("spectral_variation", "spectra of images")}
NOTHING = "Interpretability was not measured: --set interpretability=true."


def images(line: Line) -> Figure:
    """Images of some units of each layer, of the narrowest and of the widest networks of a curve."""
    found = line.units
    found = found[found["image"].notna()]
    if found.empty:
        raise CannotDraw(NOTHING)
    layers = _some(list(found["layer"].unique()))
    widths = sorted({found["width"].min(), found["width"].max()})
    rows = [(layer, width) for layer in layers for width in widths]
    figure = Figure(figsize=(SIDE * SHOWN + 1.0, SIDE * len(rows) + 0.2), layout="constrained")
    grid = figure.subplots(len(rows), SHOWN, squeeze=False)
    for places, (layer, width) in zip(grid, rows, strict=True):
        own = found[(found["layer"] == layer) & (found["width"] == width)]["image"].head(SHOWN)
        for axis in places:
            axis.set_axis_off()
        for axis, image in zip(places, own, strict=False):
            axis.imshow(_pixels(image), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        places[0].text(
            -0.15, 0.5, f"{layer}\n{fraction(width)}×", transform=places[0].transAxes, ha="right", va="center"
        )
    return figure


def _some(layers: list[str]) -> list[str]:
    if len(layers) <= MOST_LAYERS:
        return layers
    return [layers[place] for place in np.linspace(0, len(layers) - 1, MOST_LAYERS).round().astype(int)]


def _pixels(image: bytes) -> np.ndarray:
    """Square images of three channels, else of one, as matplotlib takes them."""
    pixels = np.frombuffer(image, np.uint8)
    side = isqrt(len(pixels) // 3)
    if 3 * side**2 == len(pixels):
        return pixels.reshape(3, side, side).transpose(1, 2, 0)
    return pixels.reshape(isqrt(len(pixels)), -1)


def variations(tables: Tables, group: tuple[str, str]) -> Figure:
    """Total variation by layer and width, a row of panels a curve; p of the narrowest against the widest above."""
    lines = [line for line in tables.of(group) if len(line.units)]
    if not lines:
        raise CannotDraw(NOTHING)
    named = [(line, measure) for line in lines for measure in AXES]
    figure, columns = panels([": ".join(filter(None, [line.name, AXES[measure][1]])) for line, measure in named])
    widths = {width for line in lines for width in line.networks["width"]}
    tested = of_group(tables.interpretability, group)
    for (axis,), (line, measure) in zip(columns, named, strict=True):
        found = line.units
        own = tested[(tested["curve"] == line.name) & (tested["measure"] == measure)]
        _boxes(axis, found[found["activation"] != 0], AXES[measure][0], own.set_index("layer")["p"])
    width_legend(figure, widths)
    return figure


def _boxes(axis: Axes, units: pd.DataFrame, column: str, p: pd.Series) -> None:
    layers, widths = list(units["layer"].unique()), sorted(units["width"].unique())
    colors, room = width_shades(widths), 0.8 / len(widths)
    for place, layer in enumerate(layers):
        for number, width in enumerate(widths):
            values = units[(units["layer"] == layer) & (units["width"] == width)][column]
            if len(values):
                box = axis.boxplot(
                    [values],
                    positions=[place + (number - (len(widths) - 1) / 2) * room],
                    widths=0.8 * room,
                    patch_artist=True,
                    showfliers=False,
                    medianprops={"color": "black"},
                    manage_ticks=False,
                )
                box["boxes"][0].set(facecolor=colors[width], alpha=0.75, linewidth=0.6)
        if layer in p.index and not np.isnan(p[layer]):
            words = f"p {p[layer]:.2g}"
            axis.text(place, 1.0, words, transform=axis.get_xaxis_transform(), ha="center", va="bottom", fontsize=7)
    axis.set_xticks(range(len(layers)), layers)
    axis.set(ylabel="total variation", xlim=(-0.6, len(layers) - 0.4))
    axis.set_title(axis.get_title(), pad=14)
