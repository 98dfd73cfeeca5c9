"""Optimisers. `weight_decay` is coupled: its multiple of the weights is added to the gradient."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from raydensity.spec.frozen import Frozen


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


class ProximalAdagrad(Frozen):
    """Adagrad with a proximal step for `l1` and `l2` (Duchi and Singer 2009), as TensorFlow 1 has it."""

    name: Literal["proximal_adagrad"] = "proximal_adagrad"
    learning_rate: float = Field(gt=0)
    initial_accumulator: float = Field(default=0.1, gt=0)
    l1: float = Field(default=0.0, ge=0)
    l2: float = Field(default=0.0, ge=0)
    weight_decay: float = Field(default=0.0, ge=0)


class RMSProp(Frozen):
    """RMSProp as TensorFlow 1 has it: the mean square starts at 1 and `epsilon` is inside the root.

    In PyTorch it starts at 0, which makes the first steps larger, and `epsilon` is added to the root.
    """

    name: Literal["rmsprop"] = "rmsprop"
    learning_rate: float = Field(gt=0)
    decay: float = Field(default=0.9, ge=0, lt=1)
    epsilon: float = Field(default=1e-10, gt=0)
    weight_decay: float = Field(default=0.0, ge=0)


class FTRL(Frozen):
    """Follow the regularised leader (McMahan et al. 2013), as TensorFlow 1 has it, with learning-rate power -1/2.

    Weights are rebuilt from what was accumulated, where the initial ones do not stand. The first step leaves a share of
    them, 1 - sqrt(a / (a + g^2)) with the accumulator's start a and the gradient g: nearly nothing where gradients are
    small. From then on, with `l1` and `l2` 0, it is Adagrad, as long as the learning rate stays: one that falls shrinks
    the weights with it.
    """

    name: Literal["ftrl"] = "ftrl"
    learning_rate: float = Field(gt=0)
    initial_accumulator: float = Field(default=0.1, gt=0)
    l1: float = Field(default=0.0, ge=0)
    l2: float = Field(default=0.0, ge=0)
    weight_decay: float = Field(default=0.0, ge=0)


Optimizer = Annotated[SGD | Adam | Adagrad | ProximalAdagrad | RMSProp | FTRL, Field(discriminator="name")]
