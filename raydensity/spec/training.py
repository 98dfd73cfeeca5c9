"""How a network is trained: schedule, stopping rule, batches."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from raydensity.spec.frozen import Frozen
from raydensity.spec.optimizers import Optimizer


class Constant(Frozen):
    """The learning rate stays as it is."""

    name: Literal["constant"] = "constant"


class Cosine(Frozen):
    """The learning rate falls as a cosine, epoch by epoch, from its start to nearly 0 in the last epoch."""

    name: Literal["cosine"] = "cosine"


class MultiStep(Frozen):
    """The learning rate is multiplied by `factor` after each of some epochs.

    In the first `warm_up` epochs it rises from 0; each epoch has the rate of its middle.
    """

    name: Literal["multistep"] = "multistep"
    milestones: tuple[int, ...] = (15, 30)
    factor: float = Field(default=0.1, gt=0, le=1)
    warm_up: int = Field(default=0, ge=0)


class Exponential(Frozen):
    """The learning rate is multiplied by `factor` after each epoch."""

    name: Literal["exponential"] = "exponential"
    factor: float = Field(default=0.95, gt=0, le=1)


Schedule = Annotated[Constant | Cosine | MultiStep | Exponential, Field(discriminator="name")]


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


class BestAccuracy(Frozen):
    """Keep the weights of the epoch with the best accuracy on `split`, the first of several that are as good.

    Stop after `patience` epochs without a better one (None: never), and at once where all training images are answered
    correctly and `split` is `train` (Frivolous Units, specification b.4).
    """

    name: Literal["best_accuracy"] = "best_accuracy"
    split: Literal["train", "validation"] = "validation"
    patience: int | None = Field(default=None, ge=1)


StoppingRule = Annotated[LossTarget | ValidationMinimum | LastEpoch | BestAccuracy, Field(discriminator="name")]


class Training(Frozen):
    """How a network is trained. Batches are reshuffled every epoch, and what fills no batch is dropped.

    `max_epochs` are those of one training; lottery tickets train in several cycles. `decayed` says which parameters the
    optimiser's weight decay acts on: all, all but those of batch norm, or the kernels of the dense layers but the last.
    """

    optimizer: Optimizer
    batch_size: int = Field(gt=0)
    max_epochs: int = Field(gt=0)
    stopping: StoppingRule
    precision: Literal["fp32", "bf16"] = "fp32"
    schedule: Schedule = Constant()
    decayed: Literal["all", "all_but_norms", "hidden_dense"] = "all"
