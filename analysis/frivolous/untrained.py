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
INPUTS = (10, 100)
# Networks, and images that each sees: what is prunable varies much from one network to the next. What is redundant
# hardly does, but takes ten times as many images as units: of fewer the spectrum is wider than that of the units.
NETWORKS = {"prunability": 200, "redundancy": 5}
IMAGES = {"prunability": 1_000, "redundancy": 5_000}
REPEATS = 3
STEPS = 6  # in which all units are removed


@cache
def drawn() -> pd.DataFrame:
    """Prunability and redundancy of random networks: a row a number of inputs, network and width; NaN: not measured.

    Each sees images of its own. A network of a smaller width is the first units of the widest one.
    """
    rows = []
    widest = int(UNITS * WIDEST)
    for inputs in INPUTS:
        for seed in range(max(NETWORKS.values())):
            rng = np.random.default_rng([inputs, seed])
            weights, out = rng.standard_normal((inputs, widest), dtype=np.float32), rng.standard_normal(widest)
            wants_redundancy = seed < NETWORKS["redundancy"]
            count = IMAGES["redundancy" if wants_redundancy else "prunability"]
            images = rng.standard_normal((count, inputs), dtype=np.float32)
            # Of two answers, what counts is the difference of their logits: one weight a unit.
            few = np.maximum(images[: IMAGES["prunability"]] @ weights, 0)
            many = np.maximum(images @ weights, 0).astype(np.float64) if wants_redundancy else None
            for width in WIDTHS:
                units = int(UNITS * width)
                row = {"inputs": inputs, "seed": seed, "width": width}
                row["prunability"] = width / WIDEST * prunable_share(few[:, :units], out[:units], rng)
                row["redundancy"] = np.nan if many is None else width / WIDEST * redundant_share(many[:, :units])
                rows.append(row)
    return pd.DataFrame(rows)


def prunable_share(hidden: NDArray, out: NDArray, rng: np.random.Generator) -> float:
    """Share of the units [image, unit] that can be set to 0, in the best of three orders; `out` weighs them."""
    units, best = len(out), 0.0
    gone = np.array([units * step // STEPS for step in range(STEPS + 1)])
    for _ in range(REPEATS):
        place = rng.permutation(units)  # of each unit in the order in which they go
        answers = hidden @ np.where(place[:, None] >= gone, out[:, None], 0).astype(hidden.dtype) > 0
        unchanged = (answers == answers[:, :1]).mean(axis=0)
        best = max(best, threshold(np.linspace(0, 1, STEPS + 1), unchanged.tolist()))
    return best


def redundant_share(hidden: NDArray) -> float:
    """Share of the units [image, unit] that the others explain."""
    return redundant_units(np.linalg.eigvalsh(np.cov(hidden, rowvar=False))) / hidden.shape[1]
