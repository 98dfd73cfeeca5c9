"""Lottery tickets: iterative magnitude pruning with rewinding."""

from __future__ import annotations

import torch

from raydensity.pruning.during_training import DuringTraining
from raydensity.pruning.schedules import counts_left
from raydensity.pruning.selection import keep_largest
from raydensity.spec.sparsity import LTH


class LotteryTicket(DuringTraining):
    """After each training but the last, prune by magnitude over the whole network and rewind (Frankle and Carbin 2019).

    After cycle k of n the share (final / all)^(k / (n - 1)) is left; the optimiser starts anew (specification d.4).
    """

    def end_of_cycle(self, cycle: int) -> None:
        assert isinstance(self.method, LTH)
        if cycle == self.method.cycles:
            return
        counts = counts_left(self.method, self.total, self.counts, cycle, self.method.cycles - 1)
        kernels = keep_largest(self.magnitudes(), counts, fewer_by_one=self.method.published)
        self.rewind()
        self.set_kernels(kernels)

    @torch.no_grad()
    def rewind(self) -> None:
        """Weights and batch norm as they were after `rewind_epoch` epochs of the first training."""
        assert self.cohort.rewind_point is not None
        for stack in (self.cohort.parameters, self.cohort.buffers):
            for name, tensor in stack.items():
                tensor.copy_(self.cohort.rewind_point[name])
        self.optimizer.reset()
