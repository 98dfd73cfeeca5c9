"""One cohort from specs to a record: train, prune, measure. Knows neither Ray nor MLflow."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from raydensity import models
from raydensity.checkpoints import CURVES
from raydensity.checkpoints import Progress as NetworkProgress
from raydensity.cohort import Cohort
from raydensity.compression.refinement import train_all
from raydensity.data import Dataset
from raydensity.measures.connectivity import connected, connected_nonzeros
from raydensity.measuring import measured_columns
from raydensity.models import counts
from raydensity.models.mlp import DenseNetwork
from raydensity.networks import prepared, trained_cohort
from raydensity.provenance import Code, code
from raydensity.pruning.magnitude import global_trajectory, trajectory
from raydensity.pruning.masks import units_left
from raydensity.published_weights import Weights
from raydensity.record import RECORD_VERSION, SCHEMA
from raydensity.spec import GlobalMagnitudePruning, NetworkSpec, NoPruning, content_hash
from raydensity.spec.sparsity import Units
from raydensity.training import validation_images

DRAWN = 4096  # weights of a sparse network that is kept itself: with more, no one draws it
KEPT = ("kept_layer", "kept_unit", "kept_input", "kept_value")


@dataclass(frozen=True)
class Progress:
    """How far a cohort is: `networks_done` of `networks` have met their stopping rule."""

    epoch: int
    max_epochs: int
    networks: int
    networks_done: int


def cohort_id(specs: Sequence[NetworkSpec]) -> str:
    """Hash of the ids of the networks that train together, whatever their order."""
    return content_hash(sorted(spec.id for spec in specs))


def run_cohort(
    specs: Sequence[NetworkSpec],
    *,
    device: str = "cpu",
    data_root: Path | None = None,
    checkpoints: Path | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    published: Mapping[str, Weights] | None = None,
    made_by: Code | None = None,
) -> pa.Table:
    """Train, prune and measure the networks of one cohort: a table with `record.SCHEMA`, one row a network.

    `checkpoints` is a folder from which an interrupted cohort goes on; `published` has the weights that specs name by
    digest; `made_by` is for machines that have the code without its checkout. On a CPU it sets torch to one thread.
    Raises ValueError for a data set that cannot be loaded or preprocessed so, or a width that leaves a layer empty.
    """
    dataset = prepared(specs[0], device=device, data_root=data_root)

    total = max(spec.total_epochs + spec.refinement_epochs for spec in specs)

    def report(epoch: int, done: int) -> None:
        if on_progress:
            on_progress(Progress(epoch, total, len(specs), done))

    clock = time.monotonic()
    refined = train_all(
        specs, dataset, device=device, checkpoint_folder=checkpoints, on_epoch=report, published=published
    )
    seconds = {"seconds_training": time.monotonic() - clock, "seconds_pruning": 0.0, "seconds_measuring": 0.0}
    trained = [one.progress for one in refined]
    rows = [
        {"status": "emptied", "converged": False} if one.emptied else _training_columns(one.progress) for one in refined
    ]
    rows = [row | one.columns for row, one in zip(rows, refined, strict=True)]
    alive = [index for index, one in enumerate(refined) if one.progress.kept is not None and not one.emptied]
    if alive:
        own = [specs[i] for i in alive]
        cohort = trained_cohort(own, [trained[i] for i in alive], dataset, device=device, published=published)
        validation = validation_images(own, dataset)
        clock = time.monotonic()
        kept = _kept_columns(cohort, own)
        pruned = _pruning_columns(cohort, dataset, validation, specs[0])
        seconds["seconds_pruning"] = time.monotonic() - clock
        clock = time.monotonic()
        measured = measured_columns(cohort, dataset, validation, own, published)
        seconds["seconds_measuring"] = time.monotonic() - clock
        for index, weights, pruning, measures in zip(alive, kept, pruned, measured, strict=True):
            rows[index] |= weights | pruning | measures
    common = _common_columns(specs, dataset, device, made_by or code())
    common |= {key: value / len(specs) for key, value in seconds.items()}
    table = [
        {"network_id": spec.id, **spec.factors(), **common, "spec": spec.model_dump_json(), **row}
        for spec, row in zip(specs, rows, strict=True)
    ]
    return pa.Table.from_pylist(table, schema=SCHEMA)


def _common_columns(specs: Sequence[NetworkSpec], dataset: Dataset, device: str, made_by: Code) -> dict[str, Any]:
    """What all networks of the cohort share: counts and provenance."""
    known, architecture = dataset.description, specs[0].architecture
    model = models.outline(architecture, known)
    name = torch.cuda.get_device_name(device) if torch.device(device).type == "cuda" else "cpu"
    return {
        "parameters": counts.parameter_count(model),
        "weights": counts.weight_count(model),
        "table1_count": counts.table1_count(architecture, input_shape=known.input_shape, classes=known.logits),
        "validation_size": dataset.description.judged_size,
        "record_version": RECORD_VERSION,
        "cohort_id": cohort_id(specs),
        "data_digest": dataset.digest,
        "device": name,
        "torch_version": str(torch.__version__),
        "git_commit": made_by.commit,
        "git_dirty": made_by.dirty,
    }


def _training_columns(one: NetworkProgress) -> dict[str, Any]:
    kept = one.kept_epoch - 1
    curves = {f"curve_{name}": one.curves[name] for name in CURVES}
    final = {
        name: one.curves[name][kept] if one.kept_epoch else math.nan
        for name in ("train_loss", "validation_loss", "validation_accuracy")
    }
    return {
        "status": "diverged" if one.diverged else "finished",
        "converged": one.converged,
        "epochs": one.epoch,
        "stopped_epoch": one.kept_epoch,
        **final,
        "curve_epoch": list(range(1, one.epoch + 1)),
        **curves,
    }


def _kept_columns(cohort: Cohort, specs: Sequence[NetworkSpec]) -> list[dict[str, Any]]:
    """How many weights are not zero, and of networks that lost some, what is left and how it hangs together."""
    kernels = {name: cohort.weights(name) for name in cohort.prunable()}
    weights = sum((each.flatten(1) != 0).sum(1) for each in kernels.values())
    everything = sum((cohort.weights(name).flatten(1) != 0).sum(1) for name in cohort.shapes)
    assert isinstance(weights, Tensor)
    assert isinstance(everything, Tensor)
    rows: list[dict[str, Any]] = [
        {"weights_kept": own, "nonzeros": total}
        for own, total in zip(weights.tolist(), everything.tolist(), strict=True)
    ]
    if cohort.masks is None:
        return rows
    masks = {name: cohort.weights(name, mask) for name, mask in cohort.masks.items()}
    in_mask = torch.cat([masks[name].flatten(1) for name in kernels], dim=1).sum(1)
    lost = [number for number, spec in enumerate(specs) if spec.sparsity is not None or spec.compression is not None]
    for number in lost:
        rows[number]["weights_in_mask"] = in_mask[number].item()
    if not isinstance(cohort.model, DenseNetwork):
        return rows
    biases = [name.replace("weight", "bias") for name in kernels]
    parameters = torch.cat([mask.flatten(1) for mask in masks.values()], dim=1).sum(1)
    units = units_left(cohort)
    for number in lost:
        row, count = rows[number], parameters[number].item()
        row["parameters_after"] = row["nonzeros"] if _loses_weights(specs[number]) else count
        row["units_left"] = units[number].tolist()
    found = connected([each != 0 for each in kernels.values()])
    on_paths = connected_nonzeros(found, [cohort.weights(name) != 0 for name in biases]).tolist()
    for number in lost:
        row, disconnected = rows[number], found.disconnected_units[number].tolist()
        row |= {"connected_nonzeros": on_paths[number], "disconnected_units": disconnected}
    drawn = [number for number in lost if rows[number]["weights_kept"] <= DRAWN]
    if not drawn:
        return rows
    edges: list[list[np.ndarray]] = []
    for layer, (weight, bias) in enumerate(zip(kernels.values(), biases, strict=True)):
        whole = torch.cat([cohort.weights(bias)[drawn].unsqueeze(2), weight[drawn]], dim=2).cpu()
        network, unit, place = whole.nonzero(as_tuple=True)
        own = (network, torch.full_like(unit, layer), unit, place - 1, whole[network, unit, place])
        edges.append([each.numpy() for each in own])
    of, *columns = (np.concatenate(part) for part in zip(*edges, strict=True))
    order = np.argsort(of, kind="stable")
    bounds = np.searchsorted(of[order], np.arange(len(drawn) + 1))
    for index, chosen in enumerate(drawn):
        mine = order[bounds[index] : bounds[index + 1]]
        rows[chosen] |= {name: column[mine] for name, column in zip(KEPT, columns, strict=True)}
    return rows


def _loses_weights(spec: NetworkSpec) -> bool:
    """Whether single weights go, not units."""
    if spec.compression is not None:
        return not spec.compression.removes_units
    return not isinstance(spec.sparsity, Units)


def _pruning_columns(cohort: Cohort, dataset: Dataset, validation: Tensor, spec: NetworkSpec) -> list[dict[str, Any]]:
    rule = spec.pruning
    if isinstance(rule, NoPruning):
        return [{} for _ in range(cohort.size)]
    if isinstance(rule, GlobalMagnitudePruning):
        path = global_trajectory(cohort, dataset, validation, spec.preprocessing, points=rule.points)
    else:
        path = trajectory(cohort, dataset, validation, spec.preprocessing, step=rule.step)
    return [
        {
            "prune_removed": path.removed[index],
            "prune_weights_left": path.weights_left[index],
            "prune_validation_accuracy": path.accuracy[index],
            "prune_validation_loss": path.loss[index],
        }
        for index in range(cohort.size)
    ]
