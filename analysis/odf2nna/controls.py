"""What smaller networks are compared with, beside their original: random weights that train as long, and originals that
train on."""

from __future__ import annotations

import pandas as pd

from raydensity.spec.compression import UNIT_MERGES, UNIT_SCORES, refinement_epochs


def as_long_in_all(networks: pd.DataFrame, originals: pd.DataFrame, keys: list[str], refinement: float) -> pd.DataFrame:
    """The networks, those from random weights that trained as long as an original and its usual refinement first.

    Of several that differ in their epochs alone the first then counts. Networks without an original are left out.
    """
    whole = originals[[*keys, "max_epochs"]].rename(columns={"max_epochs": "epochs_before"})
    matched = networks.merge(whole, on=keys, how="inner")
    total = matched["epochs_before"].map(lambda epochs: epochs + refinement_epochs(refinement, epochs))
    apart = (matched["epochs"] - total).abs().where(matched["sparsity"].ne(""), 0)
    return matched.loc[apart.sort_values(kind="stable").index].reset_index(drop=True)


def sizes(networks: pd.DataFrame) -> pd.Series:
    """What is left of each network, as text: the units of each hidden layer, as `17-9 units`, or, where single weights
    went, how many there are to be of those."""
    by_units = networks["compression"].isin([*UNIT_SCORES, *UNIT_MERGES]) | networks["sparsity"].eq("units")
    units = networks["units_left"].map(lambda own: "-".join(f"{each:.0f}" for each in own) if own is not None else "")
    weights = networks["nonzeros_asked"].where(networks["sparsity"].ne(""), networks["weights_in_mask"])
    weights = weights.map(lambda own: f"{own:.0f}").astype(str)
    return (units.astype(str) + " units").where(by_units, weights + " weights")


def from_scratch(smaller: pd.DataFrame, scratch: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """The smaller networks with `score_scratch`: that of a network of their size from random weights; NaN without.

    Without single weights they are compared with as many weights at random places: the same units alone may be all.
    """
    alone = scratch[[*keys, "size", "score"]].rename(columns={"score": "score_scratch"})
    return smaller.merge(alone, on=[*keys, "size"], how="left")


def trained_on(smaller: pd.DataFrame, whole: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """The smaller networks with `score_trained_on`: that of the original after as long a refinement; NaN without."""
    alone = whole[[*keys, "refinement", "score"]].rename(columns={"score": "score_trained_on"})
    return smaller.merge(alone, on=[*keys, "refinement"], how="left")
