"""Records with prunability and redundancy made by hand, for tests that train nothing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from raydensity.record import RECORD_VERSION, SCHEMA
from raydensity.spec import (
    MLP,
    SGD,
    AlexNet,
    BestAccuracy,
    Exponential,
    InceptionV3,
    LastEpoch,
    NetworkSpec,
    NoPruning,
    ResNet18,
    ResNet56,
    RMSProp,
    Teacher,
    Training,
)
from raydensity.spec.architectures import RESNET18_RATE, RESNET18_RATE_IMAGES
from raydensity.spec.datasets import EVEN_TEACHER

REMOVED = np.linspace(0, 1, 7)
UNITS = 400  # of every made layer: shares of units are multiples of 1/400
MOMENTUM = {"momentum": 0.9}
LAYERS = {
    "mlp": ["fc1"],
    "alexnet": ["conv1", "conv2", "fc1", "fc2"],
    "resnet56": ["conv", "stage1", "stage2", "stage3"],
    "resnet18": ["conv", "block1", "block2", "block3", "block4"],
    "inception_v3": ["Mixed_5d", "Mixed_7a", "Mixed_7c"],
}


FALLING = Exponential(factor=0.95)


def mlp(
    width: float,
    *,
    inputs: int = 10,
    samples: int = 1000,
    factor: float = 1.0,
    learning_rate: float = 0.1,
    optimizer: object = None,
    seed: int = 0,
    epochs: int = 50,
) -> NetworkSpec:
    """An MLP of the study."""
    return NetworkSpec(
        dataset=Teacher(inputs=inputs, samples=samples, seed=EVEN_TEACHER.get(inputs, 0)),
        architecture=MLP(width=width, hidden=(128,)),
        initializer="small_normal",
        initializer_factor=factor,
        training=Training(
            optimizer=optimizer or SGD(learning_rate=learning_rate, **MOMENTUM),
            batch_size=128,
            max_epochs=epochs,
            stopping=LastEpoch(),
            schedule=FALLING,
        ),
        pruning=NoPruning(),
        measures=("prunability", "redundancy", "correlation"),
        measured_images=768,
        init_seed=seed,
        data_seed=0,
    )


def alexnet(
    width: float,
    *,
    dataset: str = "cifar10_file_order",
    initializer: str = "glorot_normal",
    augmentation: bool = False,
    dropout: float = 0.0,
    weight_decay: float = 0.0,
    random_labels: bool = False,
    batch_size: int = 128,
    learning_rate: float = 0.01,
    activation: str = "relu",
    optimizer: object = None,
    seed: int = 0,
    epochs: int | None = None,
) -> NetworkSpec:
    """An AlexNet of the study, trained as long as the paper's."""
    rule = optimizer or SGD(learning_rate=learning_rate, weight_decay=weight_decay, **MOMENTUM)
    return NetworkSpec(
        dataset=dataset,
        preprocessing="crop_28",
        augmentation=augmentation,
        random_labels=random_labels,
        architecture=AlexNet(width=width, dropout=dropout, activation=activation),
        initializer=initializer,
        training=Training(
            optimizer=rule,
            batch_size=batch_size,
            max_epochs=epochs or (5000 if random_labels else 1000 if augmentation else 500),
            stopping=BestAccuracy(split="train" if random_labels else "validation", patience=50),
            decayed="hidden_dense",
            schedule=FALLING,
        ),
        pruning=NoPruning(),
        measures=("prunability", "redundancy", "correlation"),
        init_seed=seed,
        data_seed=0,
    )


def residual(
    architecture: ResNet56 | ResNet18 | InceptionV3, *, batch_size: int = 128, **changes: object
) -> NetworkSpec:
    """One of the networks with batch norm, as the study trains them."""
    images, random_labels = not isinstance(architecture, ResNet56), bool(changes.get("random_labels", False))
    if isinstance(architecture, InceptionV3):
        batch_size, rule = 256, RMSProp(learning_rate=0.045, epsilon=1.0, weight_decay=4e-5)
    elif isinstance(architecture, ResNet18):
        rule = SGD(learning_rate=RESNET18_RATE * batch_size / RESNET18_RATE_IMAGES, weight_decay=1e-4, **MOMENTUM)
    else:
        rule = SGD(learning_rate=0.1, weight_decay=0.0 if random_labels else 2e-4, **MOMENTUM)
    return NetworkSpec(
        **{
            "dataset": {"name": "image_folder"} if images else "cifar10_file_order",
            "preprocessing": "per_image",
            "augmentation": not images and not random_labels,
            "architecture": architecture,
            "initializer": "lecun_normal",
            "training": Training(
                optimizer=rule,
                batch_size=batch_size,
                max_epochs=90 if images else 182,
                stopping=LastEpoch(),
            ),
            "init_seed": 0,
            "data_seed": 0,
            **changes,
        }
    )


def curve(share: float) -> list[float]:
    """Shares of answers that stay as they are, so that interpolation finds the tolerance of 0.2 at `share` removed."""
    steps = len(REMOVED) - 1
    step = min(int(share * steps + 1e-9), steps - 1)
    part = share * steps - step
    last, following = (1.0, 1 - 0.2 / part) if part >= 0.2 else (0.8 / (1 - part), 0.0)
    values = np.zeros(len(REMOVED))
    values[: step + 1] = last
    values[step + 1] = following
    return values.tolist()


def spectrum(share: float, units: int = UNITS) -> list[float]:
    """Eigenvalues, ascending, of which the smallest `share` are what the tolerance of 0.05 lets go."""
    count = round(share * units)
    assert count > units / 19, "then the smallest eigenvalues would be the larger ones"
    small = np.full(count - 1, 0.0499 / (count - 1))
    large = np.full(units - count + 1, (1 - 0.0499) / (units - count + 1))
    return np.concatenate([small, large]).tolist()


def network(
    spec: NetworkSpec,
    *,
    prunable: Sequence[float] | float = 0.25,
    redundant: Sequence[float] | float = 0.25,
    by_layer: dict[str, tuple[float, float]] | None = None,
    correlated: float = 0.1,
    accuracy: float = 0.9,
    train_accuracy: float = 0.99,
    visualized: list[dict] | None = None,
    **changes: object,
) -> dict:
    """One row of a record: shares of the units that are prunable and redundant, one a repeat.

    All layers have the same ones, but those that `by_layer` names. `changes` replace columns.
    """
    repeats = [prunable] * 3 if isinstance(prunable, float) else list(prunable)
    samples = [redundant] * 3 if isinstance(redundant, float) else list(redundant)
    layers, own = LAYERS[spec.architecture.name], by_layer or {}
    pruned = {name: [own[name][0]] * len(repeats) if name in own else repeats for name in ["all", *layers]}
    sampled = {name: [own[name][1]] * len(samples) if name in own else samples for name in layers}
    histogram = np.zeros(100, dtype=int)
    histogram[min(int(100 * correlated), 99)] = 40
    histogram[:20] += 2
    epochs = spec.training.max_epochs if isinstance(spec.training.stopping, LastEpoch) else 5
    return {
        "network_id": spec.id,
        **spec.factors(),
        "status": "finished",
        "converged": True,
        "epochs": epochs,
        "stopped_epoch": 2,
        "validation_accuracy": accuracy,
        "test_accuracy": accuracy - 0.01,
        "curve_epoch": [1, 2, 3],
        "curve_train_accuracy": [0.5, train_accuracy, 0.6],
        **{f"curve_{name}": [0.5, 0.4, 0.5] for name in ("train_loss", "validation_loss", "validation_accuracy")},
        **{f"prune_{name}": [] for name in ("removed", "weights_left", "validation_accuracy")},
        "prunability": [
            {"layer": name, "repeat": repeat, "by_position": False, "removed": REMOVED, "unchanged": curve(share)}
            for name, shares in pruned.items()
            for repeat, share in enumerate(shares)
        ],
        "redundancy": [
            {"layer": name, "repeat": repeat, "rows": 1000, "eigenvalues": spectrum(share)}
            for name, shares in sampled.items()
            for repeat, share in enumerate(shares)
        ],
        "correlation": [{"layer": name, "mean": correlated, "histogram": histogram} for name in layers],
        "interpretability": visualized or [],
        "validation_size": {"teacher": 1000, "image_folder": 10_000}.get(spec.factors()["dataset"], 2500),
        "record_version": RECORD_VERSION,
        "cohort_id": "",
        "spec": spec.model_dump_json(),
        "git_commit": "0123456789abcdef",
        "git_dirty": False,
        **changes,
    }


def records(rows: Sequence[dict]) -> pa.Table:
    """Rows as one record."""
    return pa.Table.from_pylist(list(rows), schema=SCHEMA)


def unit_images(layers: Sequence[str], variation: float, *, units: int = 10, silent: int = 0, seed: int = 0) -> list:
    """Units of these layers, of 3 colours and 8x8 pixels, with total variations around `variation`."""
    source = np.random.default_rng(seed)
    rows = []
    for layer in layers:
        for unit in range(units):
            own = float(variation * source.uniform(0.9, 1.1))
            image = source.integers(0, 256, 192, dtype=np.uint8).tobytes() if silent <= unit < silent + 8 else None
            row = {"layer": layer, "unit": unit, "activation": float(unit >= silent), "image": image}
            rows.append({**row, "image_variation": own, "spectral_variation": 10 / own})
    return rows
