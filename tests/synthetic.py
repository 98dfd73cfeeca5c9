"""Synthetic networks with known effective densities, and sweeps of them in a real MLflow store. No training."""

from __future__ import annotations

import functools
import itertools
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from analysis.runs import Runs, as_frame
from raydensity import mlflow_store, tracking
from raydensity.record import RECORD_VERSION, SCHEMA
from raydensity.spec import (
    MLP,
    SGD,
    Adagrad,
    Adam,
    Conv2,
    LossTarget,
    NetworkSpec,
    ResNet,
    Training,
    ValidationMinimum,
    content_hash,
)

LAYERS = {
    "mlp": ("fc1", "fc2", "proj"),
    "conv2": ("conv1", "conv2", "fc1", "fc2", "proj"),
    "resnet": ("conv1", "block1", "block2", "block3", "proj"),
}
OPTIMIZERS = {
    "sgd": SGD(learning_rate=1e-3),
    "adam": Adam(learning_rate=2e-4),
    "adagrad": Adagrad(learning_rate=0.1),
}
STEPS = np.linspace(0, 1, 51)


def grid(
    *,
    dataset: str = "digits",
    architecture: str = "mlp",
    optimizer: str = "sgd",
    widths: Sequence[float] = (0.1, 0.5, 1, 2, 5),
    initializers: Sequence[str] = ("glorot_uniform", "he_uniform"),
    init_seeds: Iterable[int] = range(2),
    data_seeds: Iterable[int] = range(2),
    batch_sizes: Sequence[int] = (64,),
) -> list[NetworkSpec]:
    """Every combination of the levels as a spec."""
    build = {"mlp": MLP, "conv2": Conv2, "resnet": ResNet}[architecture]
    stopping = LossTarget() if architecture == "mlp" else ValidationMinimum()
    return [
        NetworkSpec(
            dataset=dataset,
            architecture=build(width=width),
            initializer=initializer,
            training=Training(optimizer=OPTIMIZERS[optimizer], batch_size=batch, max_epochs=40, stopping=stopping),
            init_seed=init_seed,
            data_seed=data_seed,
        )
        for width, batch, initializer, init_seed, data_seed in itertools.product(
            widths, batch_sizes, initializers, init_seeds, data_seeds
        )
    ]


def network(spec: NetworkSpec, *, density: float | None = None, images: int = 360, **changes: object) -> dict:
    """One row of a record: accuracy falls below the threshold where `density` (a multiple of 0.02) of weights are left.

    Without `density` it is drawn around 0.55 at width 1, falling with the width and higher for He; `changes` replace
    columns.
    """
    rng = np.random.default_rng(int(spec.id[:8], 16))
    width = spec.architecture.width
    he = spec.initializer.startswith("he")
    if density is None:
        density = float(np.clip(0.5 - 0.15 * np.log10(width) + 0.04 * he + 0.04 * rng.normal(), 0.02, 0.98))
    failing = round((1 - density) * 50)
    accuracy = 0.93 + 0.005 * rng.random()
    past = np.clip((np.arange(51) - failing + 1) / max(51 - failing, 1), 0, 1)
    pruned = accuracy - np.where(np.arange(51) >= failing, 0.06 + (accuracy - 0.16) * past, 0.0)
    epochs = int(rng.integers(10, 14) + 10 / np.sqrt(width) - 3 * he)
    validation_loss = 0.2 + 2.1 * np.exp(-np.arange(epochs) / (epochs / 5)) + 0.01 * rng.random(epochs)
    stopped = int(validation_loss.argmin()) + 1
    curve = accuracy * (1 - np.exp(-(np.arange(epochs) + 1) / (epochs / 6)))
    count = int(1000 * width) * 50
    left = np.round(count * (1 - STEPS)).astype(int)
    correct = rng.random(images) < np.where(np.arange(images) % 7 == 0, 0.5 + 0.08 * width, 0.98)
    return {
        "network_id": spec.id,
        **spec.factors(),
        "status": "finished",
        "converged": True,
        "epochs": epochs,
        "stopped_epoch": stopped,
        "parameters": count + 100,
        "weights": count,
        "table1_count": count,
        "train_loss": 0.2,
        "validation_loss": float(validation_loss[stopped - 1]),
        "validation_accuracy": accuracy,
        "test_loss": 0.25,
        "test_accuracy": accuracy - 0.01,
        "curve_epoch": list(range(1, epochs + 1)),
        "curve_train_loss": validation_loss.tolist(),
        "curve_train_accuracy": curve.tolist(),
        "curve_validation_loss": validation_loss.tolist(),
        "curve_validation_accuracy": curve.tolist(),
        "prune_removed": STEPS.tolist(),
        "prune_weights_left": left.tolist(),
        "prune_validation_accuracy": pruned.tolist(),
        "prune_validation_loss": (0.2 + 3 * (accuracy - pruned)).tolist(),
        "overlap": [
            {"layer": layer, "weights": 1000, "smallest": 400, "common": int(rng.integers(240, 380))}
            for layer in LAYERS[spec.architecture.name]
        ],
        "activations": [
            {
                "layer": layer,
                "units": 100,
                "hoyer": 0.4 + 0.05 * width + 0.02 * rng.random(),
                "selectivity": 0.8 + 0.1 * rng.random(),
                "selectivity_normalized": 0.5 + 0.1 * rng.random(),
            }
            for layer in LAYERS[spec.architecture.name][:-1]
        ],
        "correctness": np.packbits(correct).tobytes(),
        "validation_size": images,
        "record_version": RECORD_VERSION,
        "cohort_id": "",
        "spec": spec.model_dump_json(),
        "data_digest": "0" * 64,
        "seconds_training": 1.0,
        "seconds_pruning": 0.1,
        "seconds_measuring": 0.1,
        "device": "cpu",
        "torch_version": "2",
        "git_commit": "0123456789abcdef",
        "git_dirty": False,
        **changes,
    }


def records(rows: Sequence[dict], *, cohort_size: int = 50) -> list[pa.Table]:
    """Rows as the records of cohorts of one size, in the order given."""
    tables = []
    for start in range(0, len(rows), cohort_size):
        cohort = rows[start : start + cohort_size]
        cohort_id = content_hash(sorted(row["network_id"] for row in cohort))
        tables.append(pa.Table.from_pylist([{**row, "cohort_id": cohort_id} for row in cohort], schema=SCHEMA))
    return tables


@functools.cache
def _empty_store() -> bytes:
    """An empty tracking database: making one takes seconds, copying it none."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mlflow.db"
        tracking.check(mlflow_store.database_uri(path))
        return path.read_bytes()


def pulled(study: str, record: pa.Table, columns: Sequence[str], *, scale: str, planned: int | None = None) -> Runs:
    """The networks of a record as an analysis gets them: with the columns that it says it reads, and no other."""
    frame = as_frame(record.select(["network_id", *columns]))
    return Runs(study, scale, "a" * 20, "2026-01-01T00:00:00+00:00", planned or len(frame), frame)


def new_store(folder: Path) -> str:
    """A fresh SQLite tracking store, its artifacts beside it; returns its URI."""
    path = folder / "mlflow.db"
    path.write_bytes(_empty_store())
    return mlflow_store.database_uri(path)


def write_sweep(
    uri: str,
    tables: Sequence[pa.Table],
    *,
    study: str = "density",
    scale: str = "quick",
    planned: Sequence[str] = (),
) -> str:
    """Track records as a sweep, as a run of it does; returns its id. `planned` are network ids beyond the records."""
    ids = sorted({i for table in tables for i in table["network_id"].to_pylist()} | set(planned))
    sweep_id = content_hash([study, scale, ids])
    tracker = tracking.open_sweep(
        uri, study=study, scale=scale, sweep_id=sweep_id, network_ids=ids, levels={}, networks=False
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.parquet"
        for table in tables:
            pq.write_table(table, path)
            tracker.track(path, table)
    tracker.finish(done=len(ids) - len(planned), complete=not planned)
    return sweep_id
