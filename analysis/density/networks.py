"""The density study's networks: their effective densities, and those that the null hypothesis expects."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.density.published import MODEL_TYPE
from analysis.runs import Runs
from analysis.statistics import null_density
from raydensity.measures.effective_density import Reading, effective_density

READING = Reading()
SEEDS = ["init_seed", "data_seed", "order_seed", "prune_seed"]
# Factors that may split a model type into several, where a sweep was told to vary them.
SETTINGS = [
    "preprocessing",
    "unshared",
    "constant_filters",
    "learning_rate",
    "initial_accumulator",
    "batch_size",
    "max_epochs",
    "stopping",
    "stopping_split",
    "stopping_loss",
    "precision",
]
ORDER = ["mlp", "conv2", "resnet", "sgd", "adam", "adagrad"]  # as in the paper's tables


@dataclass(frozen=True)
class Networks:
    """The networks of a sweep, ready to be counted.

    `used` are those that the statistics rest on: neither diverged nor with a trajectory that is not finite. It has the
    record's columns and `density`, `core` (weights of the core in Table 1's way of counting), `null` and `null_true`
    (effective density under the null hypothesis, by Table 1's count and by true count). `by` are the columns that make
    a model type: dataset, architecture, optimizer and every further setting that the sweep varied at one width.
    """

    used: pd.DataFrame
    by: list[str]
    scale: str
    planned: int
    found: int
    diverged: int
    not_finite: int

    def types(self, frame: pd.DataFrame | None = None) -> list[tuple[tuple, pd.DataFrame]]:
        """The networks (or layers, or rows of a table) of each model type, in the order of the paper."""
        rows = self.used if frame is None else frame
        return sorted(rows.groupby(self.by), key=lambda item: [paper_rank(name) for name in item[0][1:3]])


def prepare(runs: Runs, reading: Reading = READING) -> Networks:
    """Measure every network of a sweep and set the unusable ones aside. Raises ValueError where none is left."""
    frame = runs.networks
    finished = frame["status"] == "finished"
    density = densities(frame, reading)
    usable = finished & density.notna()
    if not usable.any():
        raise ValueError(
            f"none of the {len(frame)} networks of sweep {runs.sweep_id} can be used: all of them diverged"
        )
    used = frame[usable].assign(density=density)
    used["core"] = used["density"] * used["table1_count"].where(used["table1_count"] > 0)
    by = MODEL_TYPE + [s for s in SETTINGS if used.groupby([*MODEL_TYPE, "width"])[s].nunique().gt(1).any()]
    twins = [*by, "initializer", *SEEDS]
    used["null"] = null_density(used, density="density", size="table1_count", match=twins)
    used["null_true"] = null_density(used, density="density", size="weights", match=twins)
    return Networks(
        used=used.reset_index(drop=True),
        by=by,
        scale=runs.scale,
        planned=runs.planned,
        found=len(frame),
        diverged=int((~finished).sum()),
        not_finite=int((finished & density.isna()).sum()),
    )


def densities(frame: pd.DataFrame, reading: Reading) -> pd.Series:
    """Effective density of each network as a fraction; NaN where its trajectory is empty or not finite."""
    result = pd.Series(np.nan, index=frame.index)
    score = f"prune_validation_{reading.score}"
    for steps, rows in frame.groupby(frame[score].map(len)):
        if steps:
            left, values = np.stack(list(rows["prune_weights_left"])), np.stack(list(rows[score]))
            result[rows.index] = effective_density(left, values, reading)
    return result


def exploded(frame: pd.DataFrame, column: str, by: list[str]) -> pd.DataFrame:
    """One row a network and layer from a list column, with `by`, width and initializer; layers in network order."""
    long = frame[[*by, "width", "initializer", column]].explode(column).dropna(subset=[column])
    values = pd.DataFrame(long[column].tolist(), index=long.index)
    return pd.concat([long.drop(columns=column), values], axis=1).reset_index(drop=True)


NAMES = {
    "mlp": "MLP",
    "conv2": "Conv-2",
    "resnet": "ResNet",
    "mnist": "MNIST",
    "cifar10": "CIFAR-10",
    "sgd": "SGD",
    "adam": "Adam",
    "adagrad": "Adagrad",
}


def type_name(networks: Networks, key: tuple) -> str:
    """A model type in words: "MLP, MNIST, SGD", and the further settings where a sweep varied them."""
    dataset, architecture, optimizer, *settings = key
    words = [NAMES.get(word, word) for word in (architecture, dataset, optimizer)]
    further = [f"{name.replace('_', ' ')} {value}" for name, value in zip(networks.by[3:], settings, strict=True)]
    return ", ".join(words + further)


def paper_rank(name: str) -> int:
    """Place of an architecture or optimizer in the paper's tables; what it does not have comes last."""
    return ORDER.index(name) if name in ORDER else len(ORDER)
