"""Gradual magnitude pruning."""

from __future__ import annotations

from raydensity.pruning.during_training import DuringTraining
from raydensity.pruning.schedules import cubic
from raydensity.pruning.selection import keep_largest
from raydensity.spec.sparsity import GMP


class GradualMagnitude(DuringTraining):
    """Remove the smallest weights of the whole network at `events` equally spaced steps (Zhu and Gupta 2018).

    The final count is reached one event earlier (specification d.4): the rest of the training repairs. A training of
    fewer steps has an event each.
    """

    @property
    def _interval(self) -> int:
        assert isinstance(self.method, GMP)
        return max(1, self.steps // self.method.events)

    def is_event(self, step: int) -> bool:
        return step % self._interval == 0

    def act(self, step: int) -> None:
        assert isinstance(self.method, GMP)
        method, events = self.method, min(self.method.events, self.steps)
        progress = step / (max(1, events - 1) * self._interval)
        counts = [cubic(self.total, count, progress, published=method.published) for count in self.counts]
        self.set_kernels(keep_largest(self.magnitudes(), counts, fewer_by_one=method.published))
