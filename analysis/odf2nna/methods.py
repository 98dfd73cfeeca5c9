"""The ways of making a network smaller, in words and families."""

from __future__ import annotations

from typing import NamedTuple

OURS = "output_deviation"
RANDOM = "random_units"


class Look(NamedTuple):
    """A method's name, and the family that it is drawn as."""

    name: str
    family: str


BY_WEIGHTS, BY_OUTPUTS, MERGED = "units by their weights", "units by their outputs", "units merged"
WEIGHTS, START = "weights after training", "weights from the start"
LOOKS = {
    OURS: Look("ODF2NNA", "ODF2NNA"),
    RANDOM: Look("random units", "random units"),
    "incoming_l1": Look("incoming weights, L1", BY_WEIGHTS),
    "incoming_l2": Look("incoming weights, L2", BY_WEIGHTS),
    "outgoing_l1": Look("outgoing weights, L1", BY_WEIGHTS),
    "outgoing_l2": Look("outgoing weights, L2", BY_WEIGHTS),
    "geometric_median": Look("geometric median", BY_WEIGHTS),
    "mean_activation": Look("mean activation", BY_OUTPUTS),
    "average_percentage_of_zeros": Look("percentage of zeros", BY_OUTPUTS),
    "taylor": Look("Taylor, first order", BY_OUTPUTS),
    "activation_gradient": Look("gradient of the activation", BY_OUTPUTS),
    "correlation": Look("correlation, merged", MERGED),
    "principal_components": Look("linear combinations, refactored", MERGED),
    "magnitude_layerwise": Look("magnitude, by layer", WEIGHTS),
    "magnitude_global": Look("magnitude, global", WEIGHTS),
    "optimal_brain_damage": Look("optimal brain damage", WEIGHTS),
    "snip": Look("SNIP", START),
    "lth": Look("lottery tickets", START),
    "rigl": Look("RigL", START),
}
COLORS = {
    "ODF2NNA": "#b2182b",
    "random units": "#000000",
    BY_WEIGHTS: "#2166ac",
    BY_OUTPUTS: "#74b3dd",
    MERGED: "#1a7a3c",
    WEIGHTS: "#f08a24",
    START: "#7b4fa3",
}


def name(method: str) -> str:
    """In words: a method, or one with another criterion or compensation, as `output_deviation, absolute`."""
    base, _, own = method.partition(", ")
    words = LOOKS[base].name if base in LOOKS else base
    return f"{words}, {own}" if own else words


def family(method: str) -> str:
    base = method.partition(", ")[0]
    return LOOKS[base].family if base in LOOKS else BY_OUTPUTS


def rank(method: str) -> tuple[int, str]:
    """Where a method stands in tables."""
    base = method.partition(", ")[0]
    names = list(LOOKS)
    return (names.index(base) if base in names else len(names), method)
