"""The Propensity for Density in Feed-forward Models (arXiv 2410.14461): which share of its weights does a network need?

Every architecture over its widths, initialisers, initialisation seeds and validation splits; trained, then pruned layer
by layer by magnitude without retraining. Batch size and preprocessing are not in the paper: see docs/fidelity.md.

Settings (--set). Those of the first line pick among the networks of the grid, all others take other levels too:

    dataset, architecture, optimizer   mnist, cifar10, digits (quick); mlp, conv2, resnet; sgd, adam, adagrad
    width             factor on the paper's sizes
    initializer       glorot_uniform, he_uniform, and their _normal
    learning_rate     of the optimiser
    initial_accumulator   of Adagrad
    batch_size        images of a step
    max_epochs        at most so many
    stopping          loss_target; validation_minimum or best_accuracy: that epoch's weights; last_epoch
    stopping_loss     of loss_target: stop at this loss
    stopping_split    train or validation: of loss_target and best_accuracy, the images that they look at
    preprocessing     unit: pixels in [0, 1]; standardized: then mean 0 and deviation 1 by channel
    precision         fp32 or bf16
    unshared          true: every position has a kernel of its own (Conv-2; of ResNet the first convolution)
    constant_filters  true: as many filters in all stages of ResNet
    units             true: prunability, redundancy and correlation of the units as well, in MLflow and the ledger
    init_seed, data_seed, order_seed   draw the weights, the images that are held out, the batches
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ray.tune import grid_search

from raydensity.spec import NetworkSpec
from raydensity.study import Study

WHOLE_NETWORKS = NetworkSpec.model_fields["measures"].default
BOTH = ["glorot_uniform", "he_uniform"]
GLOROT = ["glorot_uniform"]

# What no space varies; --set may.
COMMON: dict[str, Any] = {
    "preprocessing": "unit",
    "batch_size": 32,
    "stopping": "validation_minimum",
    "stopping_split": "train",  # the paper says "a loss of 0.2": this one fits its tables better, docs/fidelity.md
    "stopping_loss": 0.2,
    "initial_accumulator": 0.1,  # of Adagrad, as in Optax: with PyTorch's 0 the first step ruins Conv-2
    "precision": "fp32",
    "units": False,
    "order_seed": 0,
}


def seeds(*, init: int, data: int) -> dict[str, Any]:
    return {"init_seed": grid_search(list(range(init))), "data_seed": grid_search(list(range(data)))}


def grid(
    architecture: str,
    *,
    dataset: str,
    optimizer: str,
    learning_rate: float,
    max_epochs: int,
    widths: list[float],
    initializers: list[str],
    **constants: Any,
) -> dict[str, Any]:
    """The factors of one architecture under one optimiser; seeds are added."""
    return {
        **COMMON,
        "dataset": grid_search([dataset]),
        "architecture": grid_search([architecture]),
        "width": grid_search(widths),
        "optimizer": grid_search([optimizer]),
        "learning_rate": learning_rate,
        "initializer": grid_search(initializers),
        "max_epochs": max_epochs,
        **constants,
    }


def mlp(*, dataset: str = "mnist", learning_rate: float = 1e-3, max_epochs: int = 400) -> dict[str, Any]:
    """LeNet-300-100 by plain SGD until the loss is 0.2 (section 3.1)."""
    return grid(
        "mlp",
        dataset=dataset,
        optimizer="sgd",
        learning_rate=learning_rate,
        max_epochs=max_epochs,
        widths=[0.1, 0.5, 1.0, 2.0, 5.0],
        initializers=BOTH,
        stopping="loss_target",
    )


def conv2(
    optimizer: str,
    *,
    max_epochs: int,
    widths: list[float],
    initializers: list[str],
    dataset: str = "cifar10",
    learning_rate: float | None = None,
) -> dict[str, Any]:
    """Conv-2 by Adam (2e-4) or Adagrad (1e-1), the epoch of minimum validation loss (section 3.1)."""
    return grid(
        "conv2",
        dataset=dataset,
        optimizer=optimizer,
        learning_rate=learning_rate or {"adam": 2e-4, "adagrad": 1e-1}[optimizer],
        max_epochs=max_epochs,
        widths=widths,
        initializers=initializers,
        unshared=False,
    )


def resnet(
    *, max_epochs: int, widths: list[float], dataset: str = "cifar10", learning_rate: float = 1e-2
) -> dict[str, Any]:
    """ResNet by SGD, the epoch of minimum validation loss, Glorot only (section 3.1)."""
    return grid(
        "resnet",
        dataset=dataset,
        optimizer="sgd",
        learning_rate=learning_rate,
        max_epochs=max_epochs,
        widths=widths,
        initializers=GLOROT,
        unshared=False,
        constant_filters=False,
    )


FOUR = [0.1, 0.5, 1.0, 2.0]
PAPER_SEEDS = seeds(init=10, data=5)
SHORT_SEEDS = seeds(init=2, data=1)

SPACES = {
    "quick": [
        {**mlp(dataset="digits", learning_rate=0.1, max_epochs=60), **seeds(init=2, data=2)},
        {
            **conv2("adam", dataset="digits", learning_rate=2e-3, max_epochs=8, widths=FOUR[:3], initializers=GLOROT),
            **seeds(init=4, data=1),
        },
        {**resnet(dataset="digits", learning_rate=5e-2, max_epochs=12, widths=FOUR), **SHORT_SEEDS},
    ],
    "reduced": [
        {**mlp(), **seeds(init=2, data=2)},
        {**conv2("adam", max_epochs=5, widths=FOUR[:2], initializers=GLOROT), **SHORT_SEEDS},
        {**conv2("adagrad", max_epochs=5, widths=FOUR[:2], initializers=GLOROT), **SHORT_SEEDS},
        {**resnet(max_epochs=5, widths=FOUR[:2]), **SHORT_SEEDS},
    ],
    "paper": [
        {**mlp(), **PAPER_SEEDS},
        {**conv2("adam", max_epochs=100, widths=FOUR, initializers=BOTH), **PAPER_SEEDS},
        {**conv2("adagrad", max_epochs=25, widths=FOUR, initializers=BOTH), **PAPER_SEEDS},
        {**resnet(max_epochs=90, widths=FOUR), **PAPER_SEEDS},
    ],
}


def network(cell: Mapping[str, Any]) -> NetworkSpec:
    """The network that a cell of the grid means."""
    options = {name: True for name in ("unshared", "constant_filters") if cell.get(name)}
    stopping: dict[str, Any] = {"name": cell["stopping"]}
    if cell["stopping"] == "loss_target":
        stopping |= {"loss": cell["stopping_loss"], "split": cell["stopping_split"]}
    elif cell["stopping"] == "best_accuracy":
        stopping |= {"split": cell["stopping_split"]}
    optimizer: dict[str, Any] = {"name": cell["optimizer"], "learning_rate": cell["learning_rate"]}
    if cell["optimizer"] == "adagrad":
        optimizer["initial_accumulator"] = cell["initial_accumulator"]
    of_units = {"measures": (*WHOLE_NETWORKS, "prunability", "redundancy", "correlation")} if cell["units"] else {}
    return NetworkSpec.model_validate(
        {
            **of_units,
            "dataset": cell["dataset"],
            "preprocessing": cell["preprocessing"],
            "architecture": {"name": cell["architecture"], "width": cell["width"], **options},
            "initializer": cell["initializer"],
            "training": {
                "optimizer": optimizer,
                "batch_size": cell["batch_size"],
                "max_epochs": cell["max_epochs"],
                "stopping": stopping,
                "precision": cell["precision"],
            },
            "init_seed": cell["init_seed"],
            "data_seed": cell["data_seed"],
            "order_seed": cell["order_seed"],
        }
    )


STUDY = Study(
    name="density",
    title="The propensity for density in feed-forward models (arXiv 2410.14461)",
    spaces=SPACES,
    network=network,
    selecting=("dataset", "architecture", "optimizer"),
)
