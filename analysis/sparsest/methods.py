"""The methods compared: their names, and the colour and marker that each keeps in all figures."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pandas as pd

SEARCH = "search"
STRUCTURED = "search (structured)"
CONTROL = "random"
DEFAULT_INITIALIZER = "torch_default"
DEFAULT_DISTRIBUTION = {"random": "global", "rigl": "erk"}


class Look(NamedTuple):
    """How readers see a method."""

    name: str
    color: str
    marker: str


# Black and grey for what pruners are held against; for them Tol's "muted" scheme, which colour blindness leaves apart.
LOOKS = {
    STRUCTURED: Look("search, structured", "#8c8c8c", "s"),
    SEARCH: Look("search", "#000000", "o"),
    "gmp": Look("GMP", "#332288", "^"),
    "lth": Look("LTH", "#117733", "v"),
    "rigl": Look("RigL", "#88ccee", "D"),
    "snip": Look("SNIP", "#ddcc77", "P"),
    "grasp": Look("GraSP", "#882255", "X"),
    "synflow": Look("SynFlow", "#44aa99", "<"),
    "iter_snip": Look("iterative SNIP", "#999933", ">"),
    "force": Look("FORCE", "#cc6677", "p"),
    "prospr": Look("ProsPr", "#aa4499", "h"),
    CONTROL: Look("random mask", "#bbbbbb", "d"),
}
ORDER = {name: rank for rank, name in enumerate(LOOKS)}


def label(
    sparsity: str,
    initial_weights: str,
    initializer: str,
    distribution: str,
    published: bool,
    shuffled: bool,
    rewind_epoch: int,
) -> str:
    """The name of a method in the tables: "gmp", and in brackets what it does otherwise than by default."""
    name = SEARCH if sparsity == "explicit" else sparsity
    variant = [
        "" if initial_weights or initializer == DEFAULT_INITIALIZER else initializer,
        "" if distribution == DEFAULT_DISTRIBUTION.get(name, distribution) else distribution,
        f"rewound to epoch {rewind_epoch}" if rewind_epoch else "",
        "published" if published else "",
        "shuffled" if shuffled else "",
    ]
    return name + (f" ({', '.join(filter(None, variant))})" if any(variant) else "")


def base(method: str) -> str:
    """The method without what it does otherwise."""
    return STRUCTURED if method.startswith(STRUCTURED) else method.split(" (")[0]


def is_search(method: str) -> bool:
    return base(method) in (SEARCH, STRUCTURED)


def is_pruner(method: str) -> bool:
    """Whether it is a pruner, and none of the controls: masks at random or shuffled."""
    return not is_search(method) and base(method) != CONTROL and "shuffled" not in method


def searched(rows: pd.DataFrame) -> pd.Series:
    """Which rows are the search's."""
    return _where(rows, is_search)


def pruned(rows: pd.DataFrame) -> pd.Series:
    """Which rows are those of pruners, controls left out."""
    return _where(rows, is_pruner)


def _where(rows: pd.DataFrame, condition: Callable[[str], bool]) -> pd.Series:
    # By name, not by row: there are a dozen names and half a million rows.
    return rows["method"].isin([name for name in rows["method"].unique() if condition(name)])


def rank(method: str) -> tuple[int, str]:
    """Place of a method in tables and figures."""
    return ORDER.get(base(method), len(ORDER)), method


def look(method: str) -> Look:
    """The look of a method, its name with what it does otherwise."""
    own = LOOKS.get(base(method), Look(base(method), "#000000", "."))
    return own._replace(name=own.name + method.removeprefix(base(method)))
