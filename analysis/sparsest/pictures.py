"""Which networks are drawn, and how several of them make a figure."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from analysis.figures import CannotDraw, draw
from analysis.runs import Runs
from analysis.sparsest import methods
from analysis.sparsest.axes import shown
from analysis.sparsest.kept_network import rebuild
from analysis.sparsest.network_picture import draw_network, legend_handles, rows
from analysis.sparsest.networks import Networks, of_group, prepare
from analysis.sparsest.published import RANDOM, TARGETS, WINNERS

PRUNERS = 3  # drawn beside the search's network


def picture(runs: Runs, network_id: str, out: Path) -> list[Path]:
    """Draw the network whose id is or begins with `network_id`: out/networks/ID.png and .svg.

    Raises ValueError where no network or more than one has such an id, or where it cannot be drawn.
    """
    networks = prepare(runs)
    found = networks.every[networks.every["network_id"].str.startswith(network_id)]
    if len(found) != 1 or not network_id:
        raise ValueError(f"{len(found)} networks of sweep {runs.sweep_id} have an id that begins with {network_id!r}")
    folder = out / "networks"
    folder.mkdir(parents=True, exist_ok=True)
    name = found["network_id"].iloc[0]
    try:
        path = draw(partial(several, networks, found.index.to_list()), folder=folder, name=name)
    except CannotDraw as error:
        raise ValueError(f"network {name} cannot be drawn: {error}") from None
    return [path, path.with_suffix(".svg")]


def of_initialisation(networks: Networks, group: tuple[str, str]) -> Figure:
    """The search's network of a group, and the best of some pruners with as many nonzeros."""
    return several(networks, chosen(networks, group))


def chosen(networks: Networks, group: tuple[str, str]) -> list[int]:
    """The smallest network of the search at the group's target, and the best pruned ones that are no larger.

    Where the search does not reach the target its most accurate network, and where a pruner has none so small the next
    larger ones. Of pruners the width does not matter.
    """
    members = shown(of_group(networks.every, group))
    members = members.dropna(subset=["accuracy"])
    found: list[int] = []
    searched = members[methods.searched(members)]
    limit = math.inf
    if len(searched):
        reached = searched[searched["accuracy"] >= target_of(group[1])]
        order = ["nonzeros", "accuracy"] if len(reached) else ["accuracy", "nonzeros"]
        ascending = [True, False] if len(reached) else [False, True]
        best = (reached if len(reached) else searched).sort_values(order, ascending=ascending, kind="stable")
        found.append(int(best.index[0]))
        limit = float(best["nonzeros"].iloc[0])
    pruned = members[methods.pruned(members)]
    if len(pruned):
        excess = (pruned["nonzeros"].astype(float) - limit).clip(lower=0).fillna(0)
        order = pruned.assign(excess=excess).sort_values(["excess", "accuracy"], ascending=[True, False], kind="stable")
        best = order.drop_duplicates("method").sort_values("accuracy", ascending=False, kind="stable")
        found += [int(index) for index in best.index[:PRUNERS]]
    return found


def target_of(initialisation: str) -> float:
    """The target that the paper chose an initialisation for."""
    return next((winner.target for winner in WINNERS if winner.start == initialisation), TARGETS[0])


def several(networks: Networks, indices: list[int]) -> Figure:
    """Networks side by side, at most two a line."""
    if not indices:
        raise CannotDraw("No network of this initialisation has finished.")
    try:
        drawn = [(rebuild(networks.lists.loc[index]), networks.every.loc[index]) for index in indices]
    except ValueError as error:
        raise CannotDraw(f"{error}.") from None
    columns = min(len(drawn), 2)
    lines = [drawn[start : start + columns] for start in range(0, len(drawn), columns)]
    units = [max(rows(network) for network, _ in line) for line in lines]
    heights = [0.55 * max(count, 2.6) + 1.05 for count in units]  # inches at full width: units, captions and title
    width = 7.2 if columns == 1 else 10.0
    scale = 1.0 if columns == 1 else 0.72
    figure = Figure(figsize=(width, scale * sum(heights) + 0.5), layout="constrained")
    axes = figure.subplots(len(lines), columns, squeeze=False, gridspec_kw={"height_ratios": heights})
    for place, (axis, (network, row)) in enumerate(zip(axes.flat, drawn, strict=False)):
        samples = int(networks.lists.loc[row.name, "samples"])
        draw_network(axis, network, title(row), samples, units[place // columns])
    for spare in axes.flat[len(drawn) :]:
        spare.remove()
    figure.legend(handles=legend_handles(), loc="outside lower center", ncols=6, fontsize=7.5)
    return figure


def title(row: pd.Series) -> str:
    """What a network is, and what came of it."""
    name = methods.look(row["method"]).name
    made = f"{name}, structure {row['structure']}" if row["structure"] else f"{name} at width {row['width']:g}"
    start = "random initialisation" if row["initialisation"] == RANDOM else f"from {row['initialisation']}"
    nonzeros, connected = row["nonzeros"], row["connected_nonzeros"]
    count = f"{nonzeros} nonzeros" + ("" if nonzeros == connected else f" ({connected} connected)")
    return f"{made}, {start}\n{count}, accuracy {row['accuracy']:.2f} %, {row['network_id'][:12]}"
