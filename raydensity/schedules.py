"""Learning-rate schedules: what the rate is multiplied by in each epoch, as torch.optim.lr_scheduler has it."""

from __future__ import annotations

import math

from raydensity.spec import Cosine, Exponential, MultiStep, Schedule


def factor(schedule: Schedule, epoch: int, epochs: int) -> float:
    """The factor in `epoch`, counted from 0, of a training of `epochs` epochs."""
    if isinstance(schedule, Cosine):
        return (1 + math.cos(math.pi * epoch / epochs)) / 2
    if isinstance(schedule, MultiStep):
        if epoch < schedule.warm_up:
            return (epoch + 0.5) / schedule.warm_up
        return schedule.factor ** sum(epoch >= milestone for milestone in schedule.milestones)
    if isinstance(schedule, Exponential):
        return schedule.factor**epoch
    return 1.0
