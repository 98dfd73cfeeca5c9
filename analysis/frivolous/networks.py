"""The study's networks: how prunable and how redundant each of their layers is."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.frivolous.panels import ALL, VARIED_LAYER
from analysis.frivolous.published import epochs
from analysis.runs import Runs
from raydensity.measures.tolerances import CHANGED, UNEXPLAINED, redundant_units, threshold
from raydensity.spec.architectures import RESNET18_LARGEST_BATCH, RESNET18_RATE, RESNET18_RATE_IMAGES

WIDEST = 4.0  # the paper counts units as shares of those of the network so many times as wide
# Images that are trained and validated on, of data sets that have one size.
IMAGES = {
    "cifar10": 50_000,
    "cifar10_file_order": 50_000,
    "mnist": 60_000,
}
SEEDS = ["init_seed", "data_seed", "order_seed", "prune_seed"]
# Factors that tell networks apart, in the order in which they are named: those of the record, and of its specs.
FACTORS = [
    *("hidden", "inputs", "samples", "teacher", "noise", "preprocessing", "augmentation", "random_labels"),
    *("activation", "dropout", "varied", "optimizer", "momentum", "weight_decay", "decayed"),
    *("learning_rate", "schedule"),
    *("batch_size", "max_epochs", "stopping", "stopping_split", "stopping_patience", "precision"),
    *("initializer", "initializer_factor", "sparsity", "nonzeros_asked", "measured_images"),
]
SETTINGS = [*FACTORS, "rate_decay"]
NOT_TRAINING = ("measures", "pruning", "measured_images")  # what a spec says of what follows training
MEASURED = ["prunability", "redundancy", "correlation", "narrowing", "interpretability"]


@dataclass(frozen=True)
class Tolerances:
    """How frivolous units are counted.

    Units are prunable as long as at most `changed` of the answers change; as many are redundant as principal components
    make up the last `unexplained` of the variance. With `by_position` each position of a feature map counts as a unit
    to remove.
    """

    changed: float = CHANGED
    unexplained: float = UNEXPLAINED
    by_position: bool = False


TOLERANCES = Tolerances()


@dataclass(frozen=True)
class Networks:
    """The networks of a sweep, ready to be put into panels.

    `used` are those that did not diverge and have a measure; of those that are one training, measured twice, the one
    that was measured more. It has the record's columns and `n_train` (images trained on; 0 where that is not known),
    `largest_batch` (whether a ResNet18 has the paper's largest batch of its width), `rate_of_batch` (whether its
    learning rate is that of its batch), `accuracy` and `train_accuracy` (percent; on the test set, and on the training
    set at the epoch whose weights were kept), `short` (trained for fewer epochs than the paper's, and until they ran
    out), `long` (for more) and `rate_decay` (what the learning rate is multiplied by after each epoch; 1 where it does
    not fall so). `layers` has a row a network and layer (`measure`), `row` is the network's label in `used`. `tried`
    are all networks, with the record's columns and `rate_decay`.
    """

    used: pd.DataFrame
    tried: pd.DataFrame
    layers: pd.DataFrame
    scale: str
    planned: int
    found: int
    diverged: int
    tolerances: Tolerances


def prepare(runs: Runs, tolerances: Tolerances = TOLERANCES) -> Networks:
    """Measure every network of a sweep. Raises ValueError where none can be used."""
    largest = runs.networks["width"].map(RESNET18_LARGEST_BATCH) == runs.networks["batch_size"]
    of_batch = RESNET18_RATE * runs.networks["batch_size"] / RESNET18_RATE_IMAGES
    frame = runs.networks.assign(
        largest_batch=largest & runs.networks["architecture"].eq("resnet18"),
        rate_of_batch=np.isclose(runs.networks["learning_rate"], of_batch),
        teacher=runs.networks["teacher"].fillna(0),  # before records had it, it was 0
        rate_decay=[_rate_decay(json.loads(spec)) for spec in runs.networks["spec"]],
    )
    finished = frame["status"] == "finished"
    has = frame[MEASURED].map(len).gt(0).any(axis=1)
    if not (finished & has).any():
        raise ValueError(
            f"none of the {len(frame)} networks of sweep {runs.sweep_id} can be used: "
            f"{int((~finished).sum())} diverged, the others have none of {', '.join(MEASURED)}"
        )
    used = _once(frame[finished & has]).reset_index(drop=True)
    known = pd.Series([_images(*row) for row in zip(used["dataset"], used["spec"], strict=True)], index=used.index)
    used["n_train"] = used["samples"].where(known.isna(), known - used["validation_size"]).fillna(0).astype(int)
    used["accuracy"] = 100 * used["test_accuracy"]
    used["train_accuracy"] = [
        100 * _at(*row)
        for row in zip(used["curve_epoch"], used["curve_train_accuracy"], used["stopped_epoch"], strict=True)
    ]
    columns = zip(used["architecture"], used["augmentation"], used["random_labels"], strict=True)
    paper = [epochs(name, augmentation=augmentation, random_labels=labels) for name, augmentation, labels in columns]
    used["short"] = (used["max_epochs"] < paper) & (used["epochs"] >= used["max_epochs"])
    used["long"] = used["epochs"] > np.where(paper, paper, np.inf)
    return Networks(
        used=used,
        tried=frame,
        layers=measure(used, tolerances),
        scale=runs.scale,
        planned=runs.planned,
        found=len(frame),
        diverged=int((~finished).sum()),
        tolerances=tolerances,
    )


def measure(networks: pd.DataFrame, tolerances: Tolerances = TOLERANCES) -> pd.DataFrame:
    """A row a network and layer, and for the whole network: row, layer, size, prunability, redundancy.

    `size` is all units of the layer, as a share of the units of the widest network; prunability is that share for the
    units that can be removed, in the best repeat, NaN where it was not measured; redundancy is an array with a share a
    repeat, and of the whole network a repeat and layer, all layers as often; empty where it was not measured.
    """
    rows = []
    columns = [networks[name] for name in ("prunability", "redundancy", "width", "varied")]
    for row, prunable, redundant, width, varied in zip(networks.index, *columns, strict=True):
        largest: dict[str, float] = {}
        for curve in prunable:
            if curve["by_position"] == tolerances.by_position:
                share = threshold(curve["removed"], curve["unchanged"], tolerances.changed)
                largest[curve["layer"]] = max(share, largest.get(curve["layer"], 0.0))
        shares: dict[str, list[float]] = {}
        for spectrum in redundant:
            units = redundant_units(spectrum["eigenvalues"], tolerances.unexplained)
            shares.setdefault(spectrum["layer"], []).append(units / len(spectrum["eigenvalues"]))
        names = dict.fromkeys([ALL, *(name for name in (*shares, *largest) if name != ALL)])
        for layer in names:
            # Of networks that vary one layer all others are as large at every width.
            size = width / WIDEST if varied == "all" or layer in (ALL, VARIED_LAYER) else 1.0
            own = _of_all_layers(shares) if layer == ALL else shares.get(layer, [])
            rows.append((row, layer, size, size * largest.get(layer, np.nan), size * np.array(own, dtype=float)))
    return pd.DataFrame(rows, columns=["row", "layer", "size", "prunability", "redundancy"])


def _once(networks: pd.DataFrame) -> pd.DataFrame:
    """Networks without those that are another's training, measured on as many images: they would count as seeds."""
    specs = [json.loads(spec) for spec in networks["spec"]]
    trained = [json.dumps({key: own[key] for key in own if key not in NOT_TRAINING}, sort_keys=True) for own in specs]
    keys = pd.DataFrame({"training": trained, "images": networks["measured_images"].to_numpy()}, index=networks.index)
    fewer = pd.Series([-len(own["measures"]) for own in specs], index=networks.index)
    kept = keys.loc[fewer.sort_values(kind="stable").index].drop_duplicates().index
    return networks.loc[networks.index.isin(kept)]


def _rate_decay(spec: Mapping[str, Any]) -> float:
    schedule = spec["training"].get("schedule", {})
    return schedule["factor"] if schedule.get("name") == "exponential" else 1.0


def _images(dataset: str, spec: str) -> float:
    """Images that are trained and validated on; of a folder those that it had; NaN where the data have no one size."""
    if dataset == "image_folder":
        return json.loads(spec)["dataset"]["train"]
    return IMAGES.get(dataset, float("nan"))


def _of_all_layers(shares: dict[str, list[float]]) -> list[float]:
    """The shares of all layers, those of fewer repeats again and again: the published code samples each three times."""
    repeats = math.lcm(*map(len, shares.values()))
    return [share for own in shares.values() for share in own * (repeats // len(own))]


def _at(epochs: np.ndarray, values: np.ndarray, epoch: int) -> float:
    """The value of a curve at an epoch; NaN where the curve does not have it."""
    found = np.flatnonzero(np.asarray(epochs) == epoch)
    return float(values[found[0]]) if len(found) and len(values) > found[0] else float("nan")
