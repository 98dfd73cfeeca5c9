"""NetworkSpec: one network of a grid, validated, frozen and hashed.

A spec states everything that decides a network's numbers, and nothing else. Its id is the hash of the canonical full
assignment, defaults included: a default that changes later can then never pass an old result for a new one.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from functools import cached_property
from typing import Any, Literal

from pydantic import Field, model_validator

from raydensity.spec.architectures import MLP, Architecture, InceptionV3
from raydensity.spec.compression import Compression
from raydensity.spec.datasets import AnyDataset, Table, Teacher
from raydensity.spec.frozen import Frozen, Seed
from raydensity.spec.pruning import MagnitudePruning, Pruning
from raydensity.spec.sparsity import GMP, LTH, Explicit, Method, RigL, Sparsity, Units
from raydensity.spec.training import BestAccuracy, LastEpoch, LossTarget, Training, ValidationMinimum

SCHEMA_VERSION = 1

# Fields that came when there were networks already, and what those all had: it is not hashed, and finished work keeps
# its id. Frozen: an entry never changes, not even with a default.
ADDED_LATER: dict[tuple[str, ...], Any] = {
    ("training", "schedule"): {"name": "constant"},
    ("initial_weights",): "",
    ("sparsity",): None,
    ("training", "decayed"): "all",
    ("augmentation",): False,
    ("random_labels",): False,
    ("initializer_factor",): 1.0,
    ("measured_images",): 0,
    ("compression",): None,
    ("training", "schedule", "warm_up"): 0,
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
    "small_normal",
]
Preprocessing = Literal["unit", "standardized", "crop_28", "per_image"]
MeasureName = Literal[
    "overlap",
    "activations",
    "correctness",
    "prunability",
    "prunability_by_position",
    "redundancy",
    "correlation",
    "interpretability",
    "narrowing",
    "export",
]


class NetworkSpec(Frozen):
    """One network: data, architecture, initialisation, sparsity, training, pruning, measures and four seeds.

    `preprocessing` is `unit` (pixels scaled to [0, 1]), `standardized` (then also per-channel mean 0, deviation 1),
    `per_image` (each image to mean 0, deviation 1) or `crop_28` (the middle 28x28 of each image, so standardised, then
    resized to what it was); `augmentation` varies training images at random in the way of the last two. Data that are
    no pixels are taken as they are.
    With `random_labels` each training and validation image has a label drawn by `data_seed`, test images keep theirs.
    `initializer_factor` multiplies the kernels that are drawn.
    `initial_weights` is the digest of published weights (`published_weights.digest`) that the network starts from, in
    place of drawn ones; a narrower network takes the first units. `sparsity` is how it becomes sparse, before or during
    training; `compression` what is removed after it, for the network to train again; `pruning` what is removed in the
    end, to measure by. Units are ablated and their covariances taken on the
    first `measured_images` test images; 0 stands for all.
    `init_seed` draws the weights, `data_seed` the validation split, `order_seed` the batches, `prune_seed` random
    pruning; each feeds its own generator.
    """

    dataset: AnyDataset
    preprocessing: Preprocessing = "unit"
    augmentation: bool = False
    random_labels: bool = False
    architecture: Architecture
    initializer: InitializerName
    initializer_factor: float = Field(default=1.0, gt=0)
    initial_weights: str = ""
    sparsity: Sparsity | None = None
    training: Training
    compression: Compression | None = None
    pruning: Pruning = MagnitudePruning()
    measures: tuple[MeasureName, ...] = ("overlap", "activations", "correctness")
    measured_images: int = Field(default=0, ge=0)
    init_seed: Seed
    data_seed: Seed
    order_seed: Seed = 0
    prune_seed: Seed = 0

    @model_validator(mode="after")
    def _combination(self) -> NetworkSpec:
        if self.sparsity is not None:
            self._check_sparsity()
        if self.compression is not None:
            self._check_compression()
        if self.is_regression and (isinstance(self.training.stopping, BestAccuracy) or self.random_labels):
            raise ValueError("a regression has neither accuracy nor labels: no best_accuracy, no random_labels")
        if self.augmentation and self.preprocessing not in ("crop_28", "per_image"):
            raise ValueError("augmentation goes with the preprocessing crop_28 or per_image")
        return self

    def _check_sparsity(self) -> None:
        sparsity, stopping, architecture = self.sparsity, self.training.stopping, self.architecture
        if not isinstance(stopping, LastEpoch if isinstance(sparsity, GMP) else LastEpoch | ValidationMinimum):
            raise ValueError(
                "a network that becomes sparse trains all its epochs: its stopping rule is last_epoch, or, but with "
                "gmp, validation_minimum"
            )
        if isinstance(sparsity, Explicit | Units) and not isinstance(architecture, MLP):
            raise ValueError("an explicit mask is that of a dense network: the architecture must be an mlp")
        if isinstance(sparsity, Units) and len(sparsity.kept) != len(getattr(architecture, "hidden", ())):
            raise ValueError("sparsity.kept: as many numbers as there are hidden layers")
        if isinstance(sparsity, LTH) and sparsity.rewind_epoch >= self.training.max_epochs:
            raise ValueError(f"rewind_epoch must be below max_epochs, {self.training.max_epochs}")
        if isinstance(architecture, InceptionV3):
            raise ValueError("an inception_v3 does not become sparse: its auxiliary head has no part in the loss")

    def _check_compression(self) -> None:
        if not isinstance(self.architecture, MLP):
            raise ValueError("compression is of dense networks: the architecture must be an mlp")
        if not isinstance(self.training.stopping, LastEpoch | ValidationMinimum):
            raise ValueError(
                "a refinement takes a share of all epochs: the stopping rule is last_epoch or validation_minimum"
            )
        if self.sparsity is not None:
            raise ValueError("compression is of networks that are whole: leave out sparsity")

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
        for field in ("init_seed", "order_seed", "prune_seed", "initializer"):
            del shared[field]
        if not self.has_own_data:
            del shared["data_seed"]
        for field in ("initial_weights", "initializer_factor", "compression"):
            shared.pop(field, None)
        shared["training"].pop("schedule", None)
        del shared["training"]["optimizer"]["learning_rate"]
        for field in ("nonzeros", "rows", "kept"):
            shared.get("sparsity", {}).pop(field, None)
        return content_hash({"schema": SCHEMA_VERSION, **shared})

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> NetworkSpec:
        """A copy with some fields replaced, which are not validated: the quick way to many specs that differ little."""
        copied = super().model_copy(update=update, deep=deep)
        for name in ("id", "cohort_key"):
            copied.__dict__.pop(name, None)
        return copied

    @property
    def has_own_data(self) -> bool:
        """Whether what networks see or are asked depends on the data seed, beyond which images are held out."""
        return self.random_labels or isinstance(self.dataset, Table)

    @property
    def evaluates_training_images(self) -> bool:
        """Whether loss and accuracy on the training images, in the curves, are those of the weights at an epoch's end,
        over all of them and without augmentation: of networks that are to learn them by heart, or are chosen by them.

        Else they are the means over the epoch's batches, which cost nothing, and lag behind.
        """
        stopping = self.training.stopping
        return self.random_labels or (isinstance(stopping, BestAccuracy) and stopping.split == "train")

    @property
    def is_regression(self) -> bool:
        """Whether the networks answer with a number."""
        return isinstance(self.dataset, Table) and self.dataset.task == "regression"

    @property
    def original(self) -> NetworkSpec:
        """The network before its compression, which is not exported."""
        if self.compression is None:
            return self
        measures = tuple(name for name in self.measures if name != "export")
        return self.model_copy(update={"compression": None, "measures": measures})

    @property
    def total_epochs(self) -> int:
        """Epochs over all cycles of training; without those of a refinement."""
        epochs = self.training.max_epochs
        if isinstance(self.sparsity, LTH):
            epochs += (self.sparsity.cycles - 1) * (self.training.max_epochs - self.sparsity.rewind_epoch)
        return epochs

    @property
    def refinement_epochs(self) -> int:
        return self.compression.epochs(self.training.max_epochs) if self.compression else 0

    @property
    def settled_epoch(self) -> int:
        """After how many epochs it is decided which weights the network has: only then its weights may be kept."""
        if isinstance(self.sparsity, LTH):
            return self.total_epochs - (self.training.max_epochs - self.sparsity.rewind_epoch)
        if isinstance(self.sparsity, RigL):
            return min(math.ceil(self.sparsity.end * self.training.max_epochs), self.training.max_epochs - 1)
        return 0

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
        compression = self.compression
        stopping, optimizer = training.stopping, training.optimizer
        return {
            "dataset": _title(dataset),
            "task": "regression" if self.is_regression else "classification",
            "noise": getattr(dataset, "noise", 0.0),
            "samples": getattr(dataset, "samples", 0),
            "inputs": getattr(dataset, "inputs", 0),
            "teacher": dataset.seed if isinstance(dataset, Teacher) else 0,
            "preprocessing": self.preprocessing,
            "augmentation": self.augmentation,
            "random_labels": self.random_labels,
            "architecture": architecture.name,
            "width": architecture.width,
            "hidden": "-".join(map(str, getattr(architecture, "hidden", ()))),
            "unshared": getattr(architecture, "unshared", False),
            "constant_filters": getattr(architecture, "constant_filters", False),
            "activation": getattr(architecture, "activation", "relu"),
            "dropout": getattr(architecture, "dropout", 0.0),
            "varied": getattr(architecture, "varied", "all"),
            "optimizer": optimizer.name,
            "learning_rate": optimizer.learning_rate,
            "momentum": getattr(optimizer, "momentum", 0.0),
            "weight_decay": optimizer.weight_decay,
            "decayed": training.decayed,
            "initial_accumulator": getattr(optimizer, "initial_accumulator", 0.0),
            "schedule": training.schedule.name,
            "batch_size": training.batch_size,
            "max_epochs": training.max_epochs,
            "stopping": stopping.name,
            "stopping_split": stopping.split if isinstance(stopping, LossTarget | BestAccuracy) else "validation",
            "stopping_loss": stopping.loss if isinstance(stopping, LossTarget) else 0.0,
            "stopping_patience": (stopping.patience or 0) if isinstance(stopping, BestAccuracy) else 0,
            "precision": training.precision,
            "initializer": self.initializer,
            "initializer_factor": self.initializer_factor,
            "initial_weights": self.initial_weights,
            "sparsity": sparsity.name if sparsity else "",
            "structure": sparsity.structure if isinstance(sparsity, Explicit) else "",
            "nonzeros_asked": sparsity.nonzeros if isinstance(sparsity, Method) else 0,
            "published": getattr(sparsity, "published", False),
            "shuffled": getattr(sparsity, "shuffled", False),
            "distribution": getattr(sparsity, "distribution", ""),
            "rewind_epoch": getattr(sparsity, "rewind_epoch", 0),
            "compression": compression.method if compression else "",
            "criterion": compression.criterion if compression else "",
            "level": compression.level if compression else 0.0,
            "compensation": compression.compensation if compression else "",
            "refinement": compression.refinement if compression else 0.0,
            "scored_on": compression.scored_on if compression else "",
            "measured_images": self.measured_images,
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
            part = part.get(name, {})  # of what is left out as a whole, or has no such field
        if path[-1] in part and part[path[-1]] == value:
            del part[path[-1]]
    return assignment


def _title(dataset: AnyDataset) -> str:
    if isinstance(dataset, str):
        return dataset
    return dataset.title if isinstance(dataset, Table) else dataset.name


def content_hash(value: Any) -> str:
    """Hash of a JSON-serialisable value, independent of key order: 20 hexadecimal digits (80 bits)."""
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()[:20]
