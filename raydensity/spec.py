"""NetworkSpec: one network of a grid, validated, frozen and hashed.

A spec states everything that decides a network's numbers, and nothing else. Its id is the hash of the canonical full
assignment, defaults included: a default that changes later can then never pass an old result for a new one.
"""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

SCHEMA_VERSION = 1

InitializerName = Literal["glorot_uniform", "glorot_normal", "he_uniform", "he_normal", "lecun_uniform", "lecun_normal"]
MeasureName = Literal["overlap", "activations", "correctness"]
Seed = Annotated[int, Field(ge=0, lt=2**31)]


class Frozen(BaseModel):
    """Base of every part of a spec: immutable, and an unknown field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class MLP(Frozen):
    """Dense network, by default LeNet-300-100 (density paper, section 3.1)."""

    name: Literal["mlp"] = "mlp"
    width: float = Field(gt=0)
    hidden: tuple[int, ...] = (300, 100)


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
    """Train all epochs, keep the last weights."""

    name: Literal["last_epoch"] = "last_epoch"


StoppingRule = Annotated[LossTarget | ValidationMinimum | LastEpoch, Field(discriminator="name")]


class Training(Frozen):
    """How a network is trained. The learning rate is constant; batches are reshuffled every epoch, the rest dropped."""

    optimizer: Optimizer
    batch_size: int = Field(gt=0)
    max_epochs: int = Field(gt=0)
    stopping: StoppingRule
    precision: Literal["fp32", "bf16"] = "fp32"


class MagnitudePruning(Frozen):
    """Layer-wise by magnitude, `step` of each layer's original weights at a time (density paper, section 3.2)."""

    name: Literal["magnitude"] = "magnitude"
    step: float = Field(default=0.02, gt=0, le=1)


class NetworkSpec(Frozen):
    """One network: data, architecture, initialisation, training, pruning, measures and four seeds.

    `preprocessing` is `unit` (pixels scaled to [0, 1]) or `standardized` (then also per-channel mean 0, deviation 1).
    `init_seed` draws the weights, `data_seed` the validation split, `order_seed` the batches, `prune_seed` random
    pruning; each feeds its own generator.
    """

    dataset: str
    preprocessing: Literal["unit", "standardized"] = "unit"
    architecture: Architecture
    initializer: InitializerName
    training: Training
    pruning: MagnitudePruning = MagnitudePruning()
    measures: tuple[MeasureName, ...] = ("overlap", "activations", "correctness")
    init_seed: Seed
    data_seed: Seed
    order_seed: Seed = 0
    prune_seed: Seed = 0

    @property
    def id(self) -> str:
        """Content hash of the canonical full assignment: 20 hexadecimal digits."""
        return content_hash({"schema": SCHEMA_VERSION, **self.model_dump(mode="json")})

    @property
    def cohort_key(self) -> str:
        """Hash of all that networks of one cohort must share: everything but seeds, initializer and learning rate."""
        shared = self.model_dump(mode="json")
        for field in ("init_seed", "data_seed", "order_seed", "prune_seed", "initializer"):
            del shared[field]
        del shared["training"]["optimizer"]["learning_rate"]
        return content_hash({"schema": SCHEMA_VERSION, **shared})

    def factors(self) -> dict[str, str | int | float | bool]:
        """The spec as one flat row, the columns that tables and tracking use."""
        training, architecture = self.training, self.architecture
        stopping = training.stopping
        return {
            "dataset": self.dataset,
            "preprocessing": self.preprocessing,
            "architecture": architecture.name,
            "width": architecture.width,
            "unshared": getattr(architecture, "unshared", False),
            "constant_filters": getattr(architecture, "constant_filters", False),
            "optimizer": training.optimizer.name,
            "learning_rate": training.optimizer.learning_rate,
            "initial_accumulator": getattr(training.optimizer, "initial_accumulator", 0.0),
            "batch_size": training.batch_size,
            "max_epochs": training.max_epochs,
            "stopping": stopping.name,
            "stopping_split": stopping.split if isinstance(stopping, LossTarget) else "validation",
            "stopping_loss": stopping.loss if isinstance(stopping, LossTarget) else 0.0,
            "precision": training.precision,
            "initializer": self.initializer,
            "init_seed": self.init_seed,
            "data_seed": self.data_seed,
            "order_seed": self.order_seed,
            "prune_seed": self.prune_seed,
        }


def content_hash(value: Any) -> str:
    """Hash of a JSON-serialisable value, independent of key order: 20 hexadecimal digits (80 bits)."""
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()[:20]
