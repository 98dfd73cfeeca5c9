"""NetworkSpec: one network of a grid, validated, frozen and hashed.

A spec states everything that decides a network's numbers, and nothing else. Its id is the hash of the canonical full
assignment, defaults included: a default that changes later can then never pass an old result for a new one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from raydensity.frozen import Frozen, Seed
from raydensity.sparsity import LTH, Explicit, Method, Sparsity

SCHEMA_VERSION = 1

# Fields that came when there were networks already, and what those all had: it is not hashed, and finished work keeps
# its id. Frozen: an entry never changes, not even with a default.
ADDED_LATER: dict[tuple[str, ...], Any] = {
    ("training", "schedule"): {"name": "constant"},
    ("initial_weights",): "",
    ("sparsity",): None,
}

InitializerName = Literal[
    "glorot_uniform",
    "glorot_normal",
    "he_uniform",
    "he_normal",
    "lecun_uniform",
    "lecun_normal",
    "torch_default",
    "xavier_normal",
]
MeasureName = Literal["overlap", "activations", "correctness"]


class Spiral(Frozen):
    """The Cubist Spiral (specification d.1): two polylines in the plane; by default the published 49,982 points.

    The published set is both training and validation set. With `noise` (standard deviation, in units of the
    standardised coordinates) or another number of `samples` a fifth is held out, and there is a test set as large.
    """

    name: Literal["spiral"] = "spiral"
    noise: float = Field(default=0.0, ge=0)
    samples: int = Field(default=50_000, ge=100)

    @property
    def published(self) -> bool:
        return self == Spiral()


class MLP(Frozen):
    """Dense network, by default LeNet-300-100 (density paper, section 3.1)."""

    name: Literal["mlp"] = "mlp"
    width: float = Field(gt=0)
    hidden: Annotated[tuple[int, ...], Field(min_length=1)] = (300, 100)


class Conv2(Frozen):
    """Two 3x3 convolutions, a max-pool and two dense layers (density paper, section 3.1).

    `unshared` gives each position its own kernel (a locally connected layer), which Table 1's counts imply.
    """

    name: Literal["conv2"] = "conv2"
    width: float = Field(gt=0)
    unshared: bool = False


class ResNet(Frozen):
    """First convolution and three residual blocks with batch norm (density paper, section 3.1).

    Stages have 16s, 32s and 64s filters; `constant_filters` gives all of them 16s, as the paper's text says.
    `unshared` applies to the first convolution only.
    """

    name: Literal["resnet"] = "resnet"
    width: float = Field(gt=0)
    unshared: bool = False
    constant_filters: bool = False


Architecture = Annotated[MLP | Conv2 | ResNet, Field(discriminator="name")]


class SGD(Frozen):
    """Stochastic gradient descent; momentum 0 is the density paper's plain one."""

    name: Literal["sgd"] = "sgd"
    learning_rate: float = Field(gt=0)
    momentum: float = Field(default=0.0, ge=0, lt=1)
    weight_decay: float = Field(default=0.0, ge=0)


class Adam(Frozen):
    """Adam with bias correction."""

    name: Literal["adam"] = "adam"
    learning_rate: float = Field(gt=0)
    beta1: float = Field(default=0.9, ge=0, lt=1)
    beta2: float = Field(default=0.999, ge=0, lt=1)
    epsilon: float = Field(default=1e-8, gt=0)
    weight_decay: float = Field(default=0.0, ge=0)


class Adagrad(Frozen):
    """Adagrad; `initial_accumulator` is 0 in PyTorch and 0.1 in Optax."""

    name: Literal["adagrad"] = "adagrad"
    learning_rate: float = Field(gt=0)
    initial_accumulator: float = Field(default=0.0, ge=0)
    epsilon: float = Field(default=1e-10, gt=0)
    weight_decay: float = Field(default=0.0, ge=0)


Optimizer = Annotated[SGD | Adam | Adagrad, Field(discriminator="name")]


class Constant(Frozen):
    """The learning rate stays as it is."""

    name: Literal["constant"] = "constant"


class Cosine(Frozen):
    """The learning rate falls as a cosine, epoch by epoch, from its start to nearly 0 in the last epoch."""

    name: Literal["cosine"] = "cosine"


class MultiStep(Frozen):
    """The learning rate is multiplied by `factor` after each of some epochs."""

    name: Literal["multistep"] = "multistep"
    milestones: tuple[int, ...] = (15, 30)
    factor: float = Field(default=0.1, gt=0, le=1)


Schedule = Annotated[Constant | Cosine | MultiStep, Field(discriminator="name")]


class LossTarget(Frozen):
    """Stop after the first epoch whose loss on `split` is at most `loss`.

    `train` is the mean batch loss over the epoch, `validation` the loss on the validation set at its end.
    """

    name: Literal["loss_target"] = "loss_target"
    loss: float = Field(default=0.2, gt=0)
    split: Literal["train", "validation"] = "validation"


class ValidationMinimum(Frozen):
    """Train all epochs, keep the weights of the epoch with the smallest validation loss."""

    name: Literal["validation_minimum"] = "validation_minimum"


class LastEpoch(Frozen):
    """Train all epochs, keep the last weights; the validation set is seen only then."""

    name: Literal["last_epoch"] = "last_epoch"


StoppingRule = Annotated[LossTarget | ValidationMinimum | LastEpoch, Field(discriminator="name")]


class Training(Frozen):
    """How a network is trained. Batches are reshuffled every epoch, and what fills no batch is dropped.

    `max_epochs` are those of one training; lottery tickets train in several cycles.
    """

    optimizer: Optimizer
    batch_size: int = Field(gt=0)
    max_epochs: int = Field(gt=0)
    stopping: StoppingRule
    precision: Literal["fp32", "bf16"] = "fp32"
    schedule: Schedule = Constant()


class MagnitudePruning(Frozen):
    """Layer-wise by magnitude, `step` of each layer's original weights at a time (density paper, section 3.2)."""

    name: Literal["magnitude"] = "magnitude"
    step: float = Field(default=0.02, gt=0, le=1)


class GlobalMagnitudePruning(Frozen):
    """Over the whole network by magnitude, in at most `points` steps: one weight at a time where it has no more."""

    name: Literal["global_magnitude"] = "global_magnitude"
    points: int = Field(default=100, ge=1)


Pruning = Annotated[MagnitudePruning | GlobalMagnitudePruning, Field(discriminator="name")]


class NetworkSpec(Frozen):
    """One network: data, architecture, initialisation, sparsity, training, pruning, measures and four seeds.

    `preprocessing` is `unit` (pixels scaled to [0, 1]) or `standardized` (then also per-channel mean 0, deviation 1).
    Data that are no pixels are taken as they are.
    `initial_weights` is the digest of published weights (`initializers.digest`) that the network starts from, in place
    of drawn ones; a narrower network takes the first units. `sparsity` is how it becomes sparse, before or during
    training; `pruning` what is removed afterwards, to measure by.
    `init_seed` draws the weights, `data_seed` the validation split, `order_seed` the batches, `prune_seed` random
    pruning; each feeds its own generator.
    """

    dataset: str | Spiral
    preprocessing: Literal["unit", "standardized"] = "unit"
    architecture: Architecture
    initializer: InitializerName
    initial_weights: str = ""
    sparsity: Sparsity | None = None
    training: Training
    pruning: Pruning = MagnitudePruning()
    measures: tuple[MeasureName, ...] = ("overlap", "activations", "correctness")
    init_seed: Seed
    data_seed: Seed
    order_seed: Seed = 0
    prune_seed: Seed = 0

    @model_validator(mode="after")
    def _combination(self) -> NetworkSpec:
        if self.sparsity is not None and not isinstance(self.training.stopping, LastEpoch):
            raise ValueError("a network that becomes sparse trains all its epochs: its stopping rule is last_epoch")
        if isinstance(self.sparsity, Explicit) and not isinstance(self.architecture, MLP):
            raise ValueError("an explicit mask is that of a dense network: the architecture must be an mlp")
        if isinstance(self.sparsity, LTH) and self.sparsity.rewind_epoch >= self.training.max_epochs:
            raise ValueError(f"rewind_epoch must be below max_epochs, {self.training.max_epochs}")
        return self

    @cached_property
    def id(self) -> str:
        """Content hash of the canonical full assignment: 20 hexadecimal digits."""
        return content_hash({"schema": SCHEMA_VERSION, **_hashed(self.model_dump(mode="json"))})

    @cached_property
    def cohort_key(self) -> str:
        """Hash of all that networks of one cohort must share.

        Everything but seeds, initial weights, learning rate and its schedule, and which or how many weights are kept.
        """
        shared = _hashed(self.model_dump(mode="json"))
        for field in ("init_seed", "data_seed", "order_seed", "prune_seed", "initializer"):
            del shared[field]
        shared.pop("initial_weights", None)
        shared["training"].pop("schedule", None)
        del shared["training"]["optimizer"]["learning_rate"]
        for field in ("nonzeros", "rows"):
            shared.get("sparsity", {}).pop(field, None)
        return content_hash({"schema": SCHEMA_VERSION, **shared})

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> NetworkSpec:
        """A copy with some fields replaced, which are not validated: the quick way to many specs that differ little."""
        copied = super().model_copy(update=update, deep=deep)
        for name in ("id", "cohort_key"):
            copied.__dict__.pop(name, None)
        return copied

    @property
    def total_epochs(self) -> int:
        """Epochs over all cycles of training."""
        epochs = self.training.max_epochs
        if isinstance(self.sparsity, LTH):
            epochs += (self.sparsity.cycles - 1) * (self.training.max_epochs - self.sparsity.rewind_epoch)
        return epochs

    def place(self, epoch: int) -> tuple[int, int]:
        """After `epoch` epochs in all: how many cycles of training are done, and how many epochs of the next one.

        Every cycle but the first begins where the weights were rewound to.
        """
        epochs = self.training.max_epochs
        if epoch < epochs:
            return 0, epoch
        start = self.sparsity.rewind_epoch if isinstance(self.sparsity, LTH) else 0
        cycle, done = divmod(epoch - epochs, epochs - start)
        return cycle + 1, start + done

    def factors(self) -> dict[str, str | int | float | bool]:
        """The spec as one flat row, the columns that tables and tracking use."""
        training, architecture, dataset, sparsity = self.training, self.architecture, self.dataset, self.sparsity
        stopping, optimizer = training.stopping, training.optimizer
        return {
            "dataset": dataset if isinstance(dataset, str) else dataset.name,
            "noise": getattr(dataset, "noise", 0.0),
            "samples": getattr(dataset, "samples", 0),
            "preprocessing": self.preprocessing,
            "architecture": architecture.name,
            "width": architecture.width,
            "hidden": "-".join(map(str, getattr(architecture, "hidden", ()))),
            "unshared": getattr(architecture, "unshared", False),
            "constant_filters": getattr(architecture, "constant_filters", False),
            "optimizer": optimizer.name,
            "learning_rate": optimizer.learning_rate,
            "momentum": getattr(optimizer, "momentum", 0.0),
            "weight_decay": optimizer.weight_decay,
            "initial_accumulator": getattr(optimizer, "initial_accumulator", 0.0),
            "schedule": training.schedule.name,
            "batch_size": training.batch_size,
            "max_epochs": training.max_epochs,
            "stopping": stopping.name,
            "stopping_split": stopping.split if isinstance(stopping, LossTarget) else "validation",
            "stopping_loss": stopping.loss if isinstance(stopping, LossTarget) else 0.0,
            "precision": training.precision,
            "initializer": self.initializer,
            "initial_weights": self.initial_weights,
            "sparsity": sparsity.name if sparsity else "",
            "structure": sparsity.structure if isinstance(sparsity, Explicit) else "",
            "nonzeros_asked": sparsity.nonzeros if isinstance(sparsity, Method) else 0,
            "published": getattr(sparsity, "published", False),
            "shuffled": getattr(sparsity, "shuffled", False),
            "distribution": getattr(sparsity, "distribution", ""),
            "rewind_epoch": getattr(sparsity, "rewind_epoch", 0),
            "init_seed": self.init_seed,
            "data_seed": self.data_seed,
            "order_seed": self.order_seed,
            "prune_seed": self.prune_seed,
        }


def _hashed(assignment: dict[str, Any]) -> dict[str, Any]:
    """The assignment without the fields that came later and have the value that they had before. Changes it."""
    for path, value in ADDED_LATER.items():
        part = assignment
        for name in path[:-1]:
            part = part[name]
        if part[path[-1]] == value:
            del part[path[-1]]
    return assignment


def content_hash(value: Any) -> str:
    """Hash of a JSON-serialisable value, independent of key order: 20 hexadecimal digits (80 bits)."""
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()[:20]
