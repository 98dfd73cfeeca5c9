"""What lost its paths: where single weights go, no input may reach an output, and the network's answer is constant."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.odf2nna import methods

COLUMNS = ["method", "networks", "disconnected", "constant"]


def constant(networks: pd.DataFrame) -> pd.Series:
    """Whether nothing of a network but biases of its outputs is connected; False where its record does not say."""
    # As numbers, which a map over no networks does not give.
    units = networks["hidden"].map(lambda own: sum(int(count) for count in own.split("-"))).astype(int)
    outputs = networks["parameters"] - networks["weights"] - units  # each unit and each output has a bias
    return networks["connected_nonzeros"].le(outputs)


def lost(smaller: pd.DataFrame) -> pd.DataFrame:
    """By method how many `networks` there are, how many have units with weights that lie on no path from an input to an
    output (`disconnected`), and how many are `constant`. Methods of which none has such units are left out."""
    rows = smaller.drop_duplicates("network_id")
    units = rows["disconnected_units"].map(lambda own: sum(own) if isinstance(own, np.ndarray) else 0).astype(int)
    rows = rows.assign(disconnected=units.gt(0), constant=constant(rows))
    counts = {
        "networks": ("network_id", "size"),
        "disconnected": ("disconnected", "sum"),
        "constant": ("constant", "sum"),
    }
    table = rows.groupby("method").agg(**counts).astype(int).reset_index()
    table = table[(table["disconnected"] + table["constant"]).gt(0)]
    return table.sort_values("method", key=lambda names: names.map(methods.rank), ignore_index=True)[COLUMNS]
