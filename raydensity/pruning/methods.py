"""The registry: which function or class each method of `spec/sparsity.py` is."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from raydensity.optimizers import StackedOptimizer
from raydensity.pruning.at_initialization import Start
from raydensity.pruning.during_training import DuringTraining
from raydensity.pruning.gmp import GradualMagnitude
from raydensity.pruning.grasp import grasp
from raydensity.pruning.lth import LotteryTicket
from raydensity.pruning.prospr import prospr
from raydensity.pruning.random_masks import random, rigl_start
from raydensity.pruning.rigl import RiggedLottery
from raydensity.pruning.snip import iterative, snip
from raydensity.pruning.synflow import synflow
from raydensity.spec import NetworkSpec
from raydensity.stack import State

# A method's masks of the kernels, before training.
AT_INITIALIZATION: dict[str, Callable[..., State]] = {
    "random": random,
    "snip": snip,
    "grasp": grasp,
    "synflow": synflow,
    "iter_snip": iterative,
    "force": iterative,
    "prospr": prospr,
    "rigl": rigl_start,
}

# What it changes while the networks train.
DURING_TRAINING: dict[str, type[DuringTraining]] = {
    "gmp": GradualMagnitude,
    "lth": LotteryTicket,
    "rigl": RiggedLottery,
}


def during_training(specs: Sequence[NetworkSpec], optimizer: StackedOptimizer, *, steps: int) -> DuringTraining | None:
    """What acts on the masks of a cohort whose trainings have that many steps each; None: nothing does."""
    sparsity = specs[0].sparsity
    if sparsity is None or sparsity.name not in DURING_TRAINING:
        return None
    return DURING_TRAINING[sparsity.name](specs, optimizer, steps=steps)


__all__ = ["AT_INITIALIZATION", "DURING_TRAINING", "Start", "during_training"]
