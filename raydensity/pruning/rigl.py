"""RigL: dynamic sparse training."""

from __future__ import annotations

import math

import torch

from raydensity.pruning.during_training import DuringTraining
from raydensity.pruning.selection import ranks
from raydensity.spec.sparsity import RigL


class RiggedLottery(DuringTraining):
    """Every `interval` steps, drop each layer's smallest weights and grow as many where the gradient is largest.

    Evci et al. 2020. New weights start at zero; one that is dropped and grown at once stays as it was.
    """

    replaces_steps = True

    def is_event(self, step: int) -> bool:
        assert isinstance(self.method, RigL)
        return step % self.method.interval == 0 and step < self.method.end * self.steps

    @torch.no_grad()
    def act(self, step: int) -> None:
        assert isinstance(self.method, RigL)
        share = self.method.drop / 2 * (1 + math.cos(math.pi * step / (self.method.end * self.steps)))
        cohort, masks, kernels = self.cohort, self.cohort.masks, {}
        assert masks is not None
        for name, magnitude in self.magnitudes().items():
            mask = cohort.weights(name, masks[name]).flatten(1)
            active = mask.sum(1, keepdim=True)
            dropped = (share * active.double()).long()
            # Masked weights rank last: none of them is dropped.
            smallest = ranks(magnitude.flatten(1).masked_fill(~mask, math.inf))
            staying = mask & (smallest >= dropped)
            gradient = cohort.weights(name, cohort.gradients[name]).abs().flatten(1)
            largest = ranks(-gradient.masked_fill(staying, -1))
            kernels[name] = (staying | (largest < dropped)).view_as(magnitude)
        self.set_kernels(kernels)
