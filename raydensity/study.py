"""Study: what a file under sweeps/ states. A grid of factors per scale, and the network each cell of it means."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from raydensity.ledger import Ledger
from raydensity.spec import NetworkSpec

SCALES = ("quick", "reduced", "paper")


@dataclass(frozen=True)
class Study:
    """One paper, or one question, as a grid.

    `spaces` maps each scale to a list of Ray Tune search spaces: flat dicts in which every key is a factor and every
    value a `tune.grid_search([...])` or a constant. Factors that exist only together stand in a space of their own.
    `network` turns one cell (factor -> level) into its NetworkSpec, or into several where some of what varies is not
    listed but enumerated (masks), or into none; it raises ValueError for a cell without sense. `count` says how many
    networks a cell means, without making them. `resolve`, where there is one, replaces levels that depend on what is
    finished already, before the grid is expanded; it raises ValueError, in one line, where that is not there;
    `placeholders` are those levels.
    `selecting` names the factors that pick among the spaces; all others may be set to levels that the spaces do not
    list. `track_networks` says whether each network of a small sweep has an MLflow run of its own unasked.
    """

    name: str
    title: str
    spaces: Mapping[str, list[dict[str, Any]]]
    network: Callable[[Mapping[str, Any]], NetworkSpec | Iterable[NetworkSpec]]
    selecting: tuple[str, ...] = ()
    track_networks: bool = True
    count: Callable[[Mapping[str, Any]], int] = lambda cell: 1
    resolve: Callable[[list[dict[str, Any]], Ledger], list[dict[str, Any]]] | None = None
    placeholders: tuple[str, ...] = ()

    def resolved(self, spaces: list[dict[str, Any]], ledger: Ledger) -> list[dict[str, Any]]:
        """The spaces with what depends on finished work in its place; themselves where nothing does."""
        return self.resolve(spaces, ledger) if self.resolve else spaces
