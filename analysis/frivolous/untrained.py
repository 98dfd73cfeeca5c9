"""Networks as they are drawn, without training: are their prunable and redundant units in proportion to the width?

The paper claims it of the expectation (section 3; its appendix was not at hand). Here: dense networks with one hidden
layer of rectified units, normal weights and no biases, on normal inputs.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.frivolous.gain import WIDTHS
from analysis.frivolous.networks import WIDEST
from raydensity.measures.tolerances import redundant_units, threshold

UNITS = 128  # at width 1
IMAGES = 5_000  # ten times the most units: of fewer the spectrum of a sample is wider than that of the units
INPUTS = (10, 100)
NETWORKS = 5
REPEATS = 3
STEPS = 6  # in which all units are removed


@cache
def drawn() -> pd.DataFrame:
    """Prunability and redundancy of random networks: a row a number of inputs, network and width.

    A network of a smaller width is the first units of the widest one.
    """
    rows = []
    widest = int(UNITS * WIDEST)
    for inputs in INPUTS:
        images = np.random.default_rng([inputs]).standard_normal((IMAGES, inputs), dtype=np.float32)
        for seed in range(NETWORKS):
            rng = np.random.default_rng([inputs, seed])
            hidden = np.maximum(images @ rng.standard_normal((inputs, widest), dtype=np.float32), 0).astype(np.float64)
            # Of two answers, what counts is the difference of their logits: one weight a unit.
            out = rng.standard_normal(widest)
            for width in WIDTHS:
                units = int(UNITS * width)
                row = {"inputs": inputs, "seed": seed, "width": width}
                row["prunability"] = width / WIDEST * prunable_share(hidden[:, :units], out[:units], rng)
                row["redundancy"] = width / WIDEST * redundant_share(hidden[:, :units])
                rows.append(row)
    return pd.DataFrame(rows)


def prunable_share(hidden: NDArray, out: NDArray, rng: np.random.Generator) -> float:
    """Share of the units [image, unit] that can be set to 0, in the best of three orders; `out` weighs them."""
    removed = np.linspace(0, 1, STEPS + 1)
    whole, best = hidden @ out > 0, 0.0
    for _ in range(REPEATS):
        order = rng.permutation(len(out))
        kept = [order[int(share * len(order)) :] for share in removed]
        unchanged = [float(((hidden[:, left] @ out[left] > 0) == whole).mean()) for left in kept]
        best = max(best, threshold(removed, unchanged))
    return best


def redundant_share(hidden: NDArray) -> float:
    """Share of the units [image, unit] that the others explain."""
    return redundant_units(np.linalg.eigvalsh(np.cov(hidden, rowvar=False))) / hidden.shape[1]
