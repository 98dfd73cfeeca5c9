"""What a method that changes masks during training looks like."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from raydensity.optimizers import StackedOptimizer
from raydensity.pruning.masks import with_biases
from raydensity.spec import NetworkSpec
from raydensity.spec.sparsity import Method
from raydensity.stack import State


class DuringTraining:
    """Acts on a cohort and its optimiser at some steps, counted from 1 in each training (cycle) of `steps` steps.

    At a step that `is_event` names it acts after the optimiser's update, or, if it `replaces_steps`, in place of it,
    with the batch's gradients in the cohort. `end_of_cycle` follows each training.
    """

    replaces_steps = False

    def __init__(self, specs: Sequence[NetworkSpec], optimizer: StackedOptimizer, *, steps: int) -> None:
        assert isinstance(specs[0].sparsity, Method)
        self.method, self.optimizer, self.cohort, self.steps = specs[0].sparsity, optimizer, optimizer.cohort, steps
        self.counts = [spec.sparsity.nonzeros for spec in specs if isinstance(spec.sparsity, Method)]
        self.total = sum(self.cohort.weights(name)[0].numel() for name in self.cohort.prunable())

    def is_event(self, step: int) -> bool:
        return False

    def act(self, step: int) -> None:
        """Change the masks."""

    def end_of_cycle(self, cycle: int) -> None:
        """After training number `cycle`, counted from 1."""

    def keep(self, rows: Sequence[int]) -> None:
        """Only these networks go on."""
        self.counts = [self.counts[row] for row in rows]

    def magnitudes(self) -> State:
        """|weight| of the kernels, [N, ...], and -1 where masked: what is gone ranks below what is zero."""
        cohort = self.cohort
        found = {name: cohort.weights(name).abs() for name in cohort.prunable()}
        if cohort.masks is None:
            return found
        for name, each in found.items():
            each.masked_fill_(~cohort.weights(name, cohort.masks[name]), -1)
        return found

    @torch.no_grad()
    def set_kernels(self, kernels: State) -> None:
        """New masks, with those of the biases; what is masked becomes zero, and the optimiser forgets it."""
        self.optimizer.forget_masked()  # for what comes back: RMSProp's mean square fades while it is masked
        self.cohort.set_masks(with_biases(self.cohort, kernels))
        self.optimizer.forget_masked()
