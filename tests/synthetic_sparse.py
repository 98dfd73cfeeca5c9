"""Records of sparse networks made by hand, for tests that train nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
import pyarrow as pa
import torch

from raydensity.measures.connectivity import connected, connected_nonzeros
from raydensity.published_digests import PUBLISHED
from raydensity.record import RECORD_VERSION, SCHEMA
from raydensity.spec import MLP, SGD, GlobalMagnitudePruning, LastEpoch, NetworkSpec, Spiral, Training
from raydensity.spec.sparsity import Explicit, Sparsity


def searched(rows: Sequence[tuple[str, int, float, str]], factors: Mapping[str, object], cohort: str = "c") -> pa.Table:
    """One cohort of the search: structure, nonzeros, accuracy and digest of the initial weights of each network.

    `factors` are all others that they share; `cohort` is a digit of their ids.
    """
    table = [
        {
            **factors,
            "network_id": f"{cohort}{number:019x}",
            "cohort_id": cohort * 20,
            "record_version": RECORD_VERSION,
            "structure": structure,
            "initial_weights": weights,
            "status": "finished",
            "nonzeros": nonzeros,
            "validation_accuracy": accuracy,
        }
        for number, (structure, nonzeros, accuracy, weights) in enumerate(rows)
    ]
    return pa.Table.from_pylist(table, schema=SCHEMA)


def network(
    sparsity: Sparsity,
    accuracy: float,
    *,
    start: str = "BENCH-95",
    width: int = 16,
    removable: int = 0,
    learning_rate: float = 0.05,
    schedule: str = "constant",
    epochs: int = 50,
    initializer: str = "torch_default",
    order_seed: int = 0,
    noise: float = 0.0,
    samples: int = 50_000,
    **changes: object,
) -> dict:
    """One row of a record: a network that lost none of its accuracy until more than `removable` weights were removed.

    It keeps what its mask says, or, where a method asks for a number of weights, so many at random. `changes` replace
    columns.
    """
    training = {
        "optimizer": SGD(learning_rate=learning_rate, momentum=0.9, weight_decay=5e-4),
        "batch_size": 128,
        "max_epochs": epochs,
        "stopping": LastEpoch(),
        "schedule": {"name": schedule},
    }
    spec = NetworkSpec(
        dataset=Spiral(noise=noise, samples=samples),
        architecture=MLP(width=width, hidden=(1, 1, 1)),
        initializer=initializer,
        initial_weights=PUBLISHED.get(start, ""),
        sparsity=sparsity,
        training=Training.model_validate(training),
        pruning=GlobalMagnitudePruning(),
        measures=(),
        init_seed=0,
        data_seed=0,
        order_seed=order_seed,
    )
    rng = np.random.default_rng(int(spec.id[:8], 16))
    masks = _masks(sparsity, width, rng)
    kept = [_kept(layer, mask, rng) for layer, mask in enumerate(masks)]
    layer, unit, source, value = (np.concatenate(part) for part in zip(*kept, strict=True))
    paths = connected([torch.from_numpy(mask)[None] for mask in masks])
    outgoing = [mask.any(axis=0) for mask in masks[1:]] + [np.ones(1, dtype=bool)]
    bias = [torch.from_numpy(flags)[None] for flags in outgoing]
    biases = [(place, number, -1, 0.1) for place, flags in enumerate(outgoing) for number in np.flatnonzero(flags)]
    weights = len(value)
    left = list(range(weights, -1, -1))
    everything = [*zip(layer, unit, source, value, strict=True), *biases]
    kept_layer, kept_unit, kept_input, kept_value = (list(part) for part in zip(*everything, strict=True))
    return {
        "network_id": spec.id,
        **spec.factors(),
        "status": "finished",
        "validation_accuracy": accuracy,
        "weights_kept": weights,
        "nonzeros": weights + len(biases),
        "connected_nonzeros": int(connected_nonzeros(paths, bias)),
        "disconnected_units": paths.disconnected_units[0].tolist(),
        "curve_epoch": [],
        "curve_validation_loss": [],
        "curve_validation_accuracy": [],
        "prune_removed": [1 - count / weights for count in left],
        "prune_weights_left": left,
        "prune_validation_accuracy": [accuracy if weights - count <= removable else 0.5 for count in left],
        "kept_layer": kept_layer,
        "kept_unit": kept_unit,
        "kept_input": kept_input,
        "kept_value": kept_value,
        "record_version": RECORD_VERSION,
        "cohort_id": "",
        "spec": spec.model_dump_json(),
        "seconds_training": 1.0,
        "seconds_pruning": 0.1,
        "seconds_measuring": 0.1,
        "git_commit": "0123456789abcdef",
        "git_dirty": False,
        **changes,
    }


def records(rows: Sequence[dict]) -> pa.Table:
    """Rows as one record."""
    return pa.Table.from_pylist(list(rows), schema=SCHEMA)


def _masks(sparsity: Sparsity, width: int, rng: np.random.Generator) -> list[np.ndarray]:
    sizes = [2, width, width, width, 1]
    masks = [np.zeros((after, before), dtype=bool) for before, after in pairwise(sizes)]
    if isinstance(sparsity, Explicit):
        for mask, rows in zip(masks, sparsity.rows, strict=True):
            for unit, bits in enumerate(rows):
                mask[unit] = [bits >> place & 1 for place in range(mask.shape[1])]
        return masks
    places = np.concatenate([np.full(mask.size, number) for number, mask in enumerate(masks)])
    chosen = np.zeros(len(places), dtype=bool)
    chosen[rng.choice(len(places), sparsity.nonzeros, replace=False)] = True
    return [chosen[places == number].reshape(mask.shape) for number, mask in enumerate(masks)]


def _kept(layer: int, mask: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    unit, source = mask.nonzero()
    return np.full(len(unit), layer), unit, source, rng.normal(size=len(unit))
