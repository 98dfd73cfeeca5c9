"""The picture of a network: its units as maps of their activation over the plane, its weights as curves between them.

Blue is positive, orange negative, for activations and weights alike; what lies on no path is grey.
"""

from __future__ import annotations

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.lines import Line2D
from matplotlib.patches import Circle, PathPatch, Rectangle
from matplotlib.path import Path as Curve
from numpy.typing import NDArray

from analysis.sparsest.kept_network import Array, Flags, KeptNetwork
from analysis.sparsest.spiral import arms

POSITIVE, NEGATIVE, GREY, REMOVED = "#0b66a8", "#d55e00", "#a6a6a6", "#b4b4b4"
SIGNED = LinearSegmentedColormap.from_list("signed", [NEGATIVE, "#f9d9bd", "#ffffff", "#bfdcf2", POSITIVE])
GREYS = matplotlib.colormaps["Greys"]
UNIT, OUTPUT = 1.0, 2.6  # sides of the maps
ROW, COLUMN = 1.28, 2.9  # from one unit to the next, from one layer to the next
PIXELS = 64  # of a map's side; the output has four times as many
THINNEST, THICKEST = 0.5, 4.5  # points

Place = tuple[float, float]


def draw_network(axis: Axes, network: KeptNetwork, title: str, samples: int, units: int = 0) -> None:
    """Draw a network on an axis of its own; `samples` is the number of points of its data set.

    `units`: the fullest layer that there must be room for, so that pictures side by side are of one size.
    """
    used, connected = network.used(), network.connected()
    orders = [_order(network, layer, used, connected) for layer in range(network.layers + 1)]
    places = [_places(layer, order, last=layer == network.layers) for layer, order in enumerate(orders)]
    reach = 1.04 * max(float(np.abs(arm).max()) for arm in arms(samples))
    for layer, weight in enumerate(network.weights):
        _edges(axis, weight, network, places[layer], places[layer + 1], connected[layer], connected[layer + 1])
    maps = _maps(network, reach, PIXELS)
    for layer, layer_places in enumerate(places[:-1]):
        for unit, place in layer_places.items():
            bias = 0.0 if layer == 0 else float(network.biases[layer - 1][unit] / _largest(network.biases))
            _unit(axis, place, maps[layer][:, :, unit], bias, is_connected=bool(connected[layer][unit]))
    for unit, name in enumerate("xy"):
        x, y = places[0][unit]
        axis.text(x - 0.62 * UNIT, y, name, ha="right", va="center", style="italic")
    logits = _maps(network, reach, 4 * PIXELS)[-1][:, :, 0]
    _output(axis, places[-1][0], logits, reach, samples, float(network.biases[-1][0] / _largest(network.biases)))
    height = max(ROW * max(units, *map(len, places)), OUTPUT + 0.3)
    _captions(axis, places, connected, height)
    axis.set_title(title)
    axis.set_axis_off()
    axis.set_aspect("equal")
    axis.set_xlim(-1.2 * UNIT, COLUMN * network.layers + 0.7 * OUTPUT + 0.35)
    axis.set_ylim(-height / 2 - 0.65, height / 2)


def legend_handles() -> list[Line2D]:
    """What curves and discs mean."""
    return [
        Line2D([], [], color=POSITIVE, linewidth=2.5, label="positive weight"),
        Line2D([], [], color=NEGATIVE, linewidth=2.5, label="negative weight"),
        Line2D([], [], color=REMOVED, linewidth=0.8, linestyle=(0, (3, 2.5)), label="removed"),
        Line2D([], [], color=GREY, linewidth=2.5, label="on no path"),
        Line2D([], [], color="0.35", linestyle="", marker="o", markersize=6, markeredgecolor="white", label="bias"),
        Line2D([], [], color="black", linewidth=1.0, label="decision boundary"),
    ]


def rows(network: KeptNetwork) -> int:
    """Units of the fullest layer: how tall a picture must be."""
    return max(int(flags.sum()) for flags in network.used())


def _order(network: KeptNetwork, layer: int, used: list[Flags], connected: list[Flags]) -> list[int]:
    """The used units of a layer from top to bottom: near what feeds them, the disconnected ones last."""
    units = np.flatnonzero(used[layer])
    if layer in (0, network.layers):
        return [int(unit) for unit in units]
    weight = np.abs(network.weights[layer - 1])
    source = np.arange(weight.shape[1])
    middle = (weight @ source) / np.maximum(weight.sum(axis=1), 1e-12)
    return sorted((int(unit) for unit in units), key=lambda unit: (not connected[layer][unit], middle[unit], unit))


def _places(layer: int, order: list[int], *, last: bool) -> dict[int, Place]:
    """The middle of each unit's map."""
    x = COLUMN * layer + (0.5 * (OUTPUT - UNIT) if last else 0.0)
    return {unit: (x, ROW * ((len(order) - 1) / 2 - place)) for place, unit in enumerate(order)}


def _maps(network: KeptNetwork, reach: float, pixels: int) -> list[Array]:
    """Activations of every layer over the plane, [pixels, pixels, units] from the bottom left."""
    line = np.linspace(-reach, reach, pixels)
    points = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
    return [each.reshape(pixels, pixels, -1) for each in network.activations(points)]


def _largest(parts: list[NDArray]) -> float:
    return max((float(np.abs(part).max(initial=0)) for part in parts), default=0.0) or 1.0


def _edges(
    axis: Axes,
    weight: Array,
    network: KeptNetwork,
    sources: dict[int, Place],
    targets: dict[int, Place],
    source_connected: Flags,
    target_connected: Flags,
) -> None:
    """Kept weights as curves; between connected units the removed ones as well."""
    largest = _largest(network.weights)
    for target, end in targets.items():
        half = 0.5 * (OUTPUT if weight is network.weights[-1] else UNIT)
        for source, start in sources.items():
            value = float(weight[target, source])
            live = bool(source_connected[source] and target_connected[target])
            if value:
                color = GREY if not live else POSITIVE if value > 0 else NEGATIVE
                width = THINNEST + (THICKEST - THINNEST) * abs(value) / largest
                axis.add_patch(_curve(start, end, half, edgecolor=color, linewidth=width, zorder=2 if live else 1.5))
            elif live:
                axis.add_patch(
                    _curve(start, end, half, edgecolor=REMOVED, linewidth=0.55, linestyle=(0, (3, 2.5)), zorder=1)
                )


def _curve(start: Place, end: Place, half: float, **style: object) -> PathPatch:
    left, right = start[0] + 0.5 * UNIT, end[0] - half
    bend = 0.45 * (right - left)
    points = [(left, start[1]), (left + bend, start[1]), (right - bend, end[1]), (right, end[1])]
    return PathPatch(Curve(points, [Curve.MOVETO, *[Curve.CURVE4] * 3]), facecolor="none", capstyle="round", **style)


def _unit(axis: Axes, place: Place, values: Array, bias: float, *, is_connected: bool) -> None:
    """The map of a unit on its own scale, its frame, and its bias as a disc at the lower left corner."""
    (x, y), half = place, 0.5 * UNIT
    corner, extent = (x - half, y - half), (x - half, x + half, y - half, y + half)
    largest = float(np.abs(values).max()) or 1.0
    shade = SIGNED(0.5 + 0.5 * values / largest) if is_connected else GREYS(0.45 * np.abs(values) / largest)
    axis.imshow(shade, extent=extent, origin="lower", zorder=3, interpolation="bilinear")
    color, style = ("0.2", "-") if is_connected else (GREY, (0, (1.5, 1.2)))
    axis.add_patch(
        Rectangle(corner, UNIT, UNIT, facecolor="none", edgecolor=color, linewidth=0.8, linestyle=style, zorder=4)
    )
    _bias(axis, corner, bias, is_connected=is_connected)


def _bias(axis: Axes, corner: Place, bias: float, *, is_connected: bool = True) -> None:
    """A disc at a corner, as large as the bias is; none where there is no bias."""
    if bias:
        color = GREY if not is_connected else POSITIVE if bias > 0 else NEGATIVE
        radius = 0.07 + 0.11 * np.sqrt(abs(bias))
        axis.add_patch(Circle(corner, radius, facecolor=color, edgecolor="white", linewidth=0.6, zorder=5))


def _output(axis: Axes, place: Place, logits: Array, reach: float, samples: int, bias: float) -> None:
    """The logit with the two arms of the data and, where it is 0, the decision boundary."""
    (x, y), half = place, 0.5 * OUTPUT
    scale = half / reach
    extent = (x - half, x + half, y - half, y + half)
    # Of the probabilities, which tell both sides of the boundary everywhere; paler than the units, for the arms' sake.
    axis.imshow(
        np.tanh(logits / 2), cmap=SIGNED, vmin=-1.7, vmax=1.7, extent=extent, origin="lower", zorder=3,
        interpolation="bilinear",
    )  # fmt: skip
    if logits.min() < 0 < logits.max():
        line = np.linspace(-half, half, len(logits))
        axis.contour(x + line, y + line, logits, levels=[0.0], colors="black", linewidths=1.0, zorder=4)
    for arm, color in zip(arms(samples), ("#8a3d00", "#003b66"), strict=True):
        axis.plot(x + scale * arm[:, 0], y + scale * arm[:, 1], color=color, linewidth=0.9, zorder=5)
    axis.add_patch(
        Rectangle((x - half, y - half), OUTPUT, OUTPUT, facecolor="none", edgecolor="0.2", linewidth=0.8, zorder=6)
    )
    _bias(axis, (x - half, y - half), bias)


def _captions(axis: Axes, places: list[dict[int, Place]], connected: list[Flags], height: float) -> None:
    for (layer, units), flags in zip(enumerate(places), connected, strict=True):
        x = next(iter(units.values()))[0] if units else COLUMN * layer
        live = sum(bool(flags[unit]) for unit in units)
        if 0 < layer < len(places) - 1:
            text = f"{live} units" if live == len(units) else f"{live} of {len(units)} connected"
            text = f"hidden {layer}\n{text}"
        else:
            text = "input" if layer == 0 else "output and data"
        axis.text(x, -height / 2 - 0.12, text, ha="center", va="top", fontsize=6.5, color="0.35", linespacing=1.15)
