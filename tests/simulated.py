"""Records of half a million small sparse networks, as quickly as may be: random numbers, no training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from raydensity.ledger import Ledger
from raydensity.record import RECORD_VERSION, SCHEMA
from raydensity.spec import MLP, SGD, GlobalMagnitudePruning, LastEpoch, NetworkSpec, Spiral, Training, content_hash
from raydensity.spec.sparsity import Explicit, Method

BASE = NetworkSpec(
    dataset=Spiral(),
    preprocessing="standardized",
    architecture=MLP(width=16, hidden=(1, 1, 1)),
    initializer="torch_default",
    training=Training(
        optimizer=SGD(learning_rate=0.05, momentum=0.9, weight_decay=5e-4),
        batch_size=128,
        max_epochs=50,
        stopping=LastEpoch(),
    ),
    pruning=GlobalMagnitudePruning(),
    measures=(),
    init_seed=0,
    data_seed=0,
)
EPOCHS, KEPT = 50, 40  # as long as the lists of real records are


def spiral(sparsity: Explicit | Method, **changes: object) -> NetworkSpec:
    """A sparse network of three hidden layers of 16 units, as those of the sparsest-models study."""
    return BASE.model_copy(update={"sparsity": sparsity, **changes})


def record(specs: Sequence[NetworkSpec], *, epochs: int = EPOCHS, kept: int = KEPT) -> pa.Table:
    """The record of one cohort. Its curves are noise, which no codec makes smaller: three times the bytes of real ones.

    As the stopping rule last_epoch has it, there is a validation loss in the last epoch alone.
    """
    rows, rng, points = len(specs), np.random.default_rng(0), kept - 10
    layer = np.arange(kept) * 4 // kept
    ids, factors = [spec.id for spec in specs], [spec.factors() for spec in specs]
    alike = {
        "status": "finished", "converged": True, "epochs": epochs, "stopped_epoch": epochs, "parameters": 609,
        "weights": 560, "weights_kept": points, "nonzeros": kept, "connected_nonzeros": kept, "table1_count": 560,
        "train_loss": 0.1, "validation_loss": 0.1, "validation_size": 49_982, "record_version": RECORD_VERSION,
        "cohort_id": content_hash(sorted(ids)), "data_digest": "0" * 64, "seconds_training": 0.03,
        "seconds_pruning": 0.01, "seconds_measuring": 0.0, "device": "cpu", "torch_version": "2",
        "git_commit": "0" * 40, "git_dirty": False,
    }  # fmt: skip
    validation = np.where(np.arange(epochs) == epochs - 1, 0.9, np.nan)
    falling = np.exp(-np.arange(epochs) / 20 * rng.random((rows, 1)))
    lists = {
        "disconnected_units": np.zeros((rows, 3)),
        "curve_epoch": np.tile(np.arange(1, epochs + 1), (rows, 1)),
        "curve_train_loss": 0.7 * falling + 0.02 * rng.random((rows, epochs)),
        "curve_train_accuracy": rng.random((rows, epochs)),
        "curve_validation_loss": np.tile(validation, (rows, 1)),
        "curve_validation_accuracy": np.tile(validation, (rows, 1)),
        "prune_removed": np.tile(np.linspace(0, 1, points + 1), (rows, 1)),
        "prune_weights_left": np.tile(np.arange(points + 1)[::-1], (rows, 1)),
        "prune_validation_accuracy": 0.5 + np.sort(rng.random((rows, points + 1)) / 2)[:, ::-1],
        "prune_validation_loss": rng.random((rows, points + 1)),
        "kept_layer": np.tile(layer, (rows, 1)),
        "kept_unit": np.tile(np.where(layer == 3, 0, np.arange(kept) % 7), (rows, 1)),
        "kept_input": np.tile(np.where(layer == 0, np.arange(kept) % 3, np.arange(kept) % 7) - 1, (rows, 1)),
        "kept_value": rng.standard_normal((rows, kept)),
    }
    columns: dict[str, pa.Array] = {
        "network_id": pa.array(ids),
        "spec": pa.array([spec.model_dump_json() for spec in specs]),
        "validation_accuracy": pa.array(0.5 + rng.random(rows) / 2),
    }
    columns |= {name: pa.array([row[name] for row in factors]) for name in factors[0]}
    columns |= {name: pa.repeat(pa.scalar(value), rows) for name, value in alike.items()}
    columns |= {name: _lists(values) for name, values in lists.items()}
    for field in SCHEMA:
        columns.setdefault(field.name, pa.nulls(rows, field.type))
    return pa.table({name: columns[name] for name in SCHEMA.names}).cast(SCHEMA)


def _lists(values: np.ndarray) -> pa.Array:
    """Numbers [rows, length] as a list column; what is not a number is null."""
    rows, length = values.shape
    return pa.ListArray.from_arrays(
        pa.array(length * np.arange(rows + 1, dtype=np.int32)), pa.array(values.reshape(-1), from_pandas=True)
    )


def ledger(folder: Path, specs: Sequence[NetworkSpec], *, cohort_size: int = 4000) -> Ledger:
    """A ledger of the study "sparsest" in which these networks are finished."""
    kept = Ledger(folder, "sparsest")
    kept.prepare()
    for start in range(0, len(specs), cohort_size):
        kept.write(record(specs[start : start + cohort_size]))
    return kept
