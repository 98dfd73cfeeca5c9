"""The numbers by which a network's units are shown where curves and spectra are too much; needs no torch."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from statistics import mean
from typing import Any

from raydensity.measures.tolerances import redundant_units, threshold


def unit_numbers(row: Mapping[str, Any]) -> dict[str, float]:
    """Of one row of a record, by name such as `prunability/fc1`; without an entry where nothing was measured.

    `prunability` is the share of the units of a layer, or of all layers at once, that can be ablated in the best repeat
    (and `prunability_by_position`), `redundancy` the share of redundant units, its mean over repeats, and over layers
    `redundancy/all`: both at the paper's tolerances. `correlation` is the mean over pairs.
    """
    prunable, redundant = defaultdict(list), defaultdict(list)
    for curve in row["prunability"] or ():
        way = "prunability_by_position" if curve["by_position"] else "prunability"
        prunable[f"{way}/{curve['layer']}"].append(threshold(curve["removed"], curve["unchanged"]))
    for spectrum in row["redundancy"] or ():
        share = redundant_units(spectrum["eigenvalues"]) / len(spectrum["eigenvalues"])
        redundant[f"redundancy/{spectrum['layer']}"].append(share)
    numbers = {name: max(repeats) for name, repeats in prunable.items()}
    numbers |= {name: mean(repeats) for name, repeats in redundant.items()}
    if redundant:
        numbers["redundancy/all"] = mean(mean(repeats) for repeats in redundant.values())
    for own in row["correlation"] or ():
        if own["mean"] is not None:
            numbers[f"correlation/{own['layer']}"] = own["mean"]
    return numbers
