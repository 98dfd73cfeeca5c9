"""Study: what a file under sweeps/ states. A grid of factors per scale, and the network each cell of it means."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from raydensity.spec import NetworkSpec

SCALES = ("quick", "reduced", "paper")


@dataclass(frozen=True)
class Study:
    """One paper, or one question, as a grid.

    `spaces` maps each scale to a list of Ray Tune search spaces: flat dicts in which every key is a factor and every
    value a `tune.grid_search([...])` or a constant. Factors that exist only together stand in a space of their own.
    `network` turns one cell (factor -> level) into its NetworkSpec; it raises ValueError for a cell without sense.
    `selecting` names the factors that pick among the spaces; all others may be set to levels the spaces do not list.
    """

    name: str
    title: str
    spaces: Mapping[str, list[dict[str, Any]]]
    network: Callable[[Mapping[str, Any]], NetworkSpec]
    selecting: tuple[str, ...] = ()
