"""Training a cohort: epochs, stopping rules, compaction, checkpoints. Shapes: N networks, B images a batch."""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from raydensity import checkpoints
from raydensity.checkpoints import Progress
from raydensity.cohort import Cohort
from raydensity.data import Dataset, split
from raydensity.evaluation import evaluate, gather
from raydensity.optimizers import StackedOptimizer
from raydensity.randomness import generator
from raydensity.spec import LossTarget, NetworkSpec, ValidationMinimum

CHECKPOINT_SECONDS = 60.0
CHECKPOINT_SHARE = 0.05  # of the time that saving may take: large cohorts are saved less often


def train(
    specs: Sequence[NetworkSpec],
    dataset: Dataset,
    *,
    device: torch.device,
    checkpoint_folder: Path | None = None,
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
    on_epoch: Callable[[int, int], None] = lambda epoch, done: None,
) -> list[Progress]:
    """Train the networks of one cohort to their stopping rules: one finished Progress each, in the order of `specs`.

    With a checkpoint folder a network that is done is saved at once, the others about every `checkpoint_seconds` (0:
    each step), less often where that would take more than CHECKPOINT_SHARE of the time; a later call goes on from
    there, in whatever packing, to bit-identical results. `on_epoch` gets the epoch and how many networks are done.
    """
    progress = [
        checkpoints.load(checkpoint_folder, spec.id, device) if checkpoint_folder else Progress() for spec in specs
    ]
    behind = defaultdict(list)  # networks at the same step train in one stack
    for index, one in enumerate(progress):
        if not one.done:
            behind[one.epoch, one.step].append(index)
    for members in behind.values():
        _Run(specs, dataset, progress, members, device, checkpoint_folder, checkpoint_seconds, on_epoch).train()
    return progress


class _Run:
    """One stack of networks that start from the same step. `members` are the indices of those still in training."""

    def __init__(
        self,
        specs: Sequence[NetworkSpec],
        dataset: Dataset,
        progress: list[Progress],
        members: list[int],
        device: torch.device,
        checkpoint_folder: Path | None,
        checkpoint_seconds: float,
        on_epoch: Callable[[int, int], None],
    ) -> None:
        self.specs, self.dataset, self.progress, self.members = specs, dataset, progress, list(members)
        self.checkpoint_folder, self.checkpoint_seconds, self.on_epoch = checkpoint_folder, checkpoint_seconds, on_epoch
        self.training = specs[0].training
        self.preprocessing = specs[0].preprocessing
        self.epoch, self.step = progress[members[0]].epoch, progress[members[0]].step
        self.losses = torch.tensor([progress[i].loss_sum for i in members], dtype=torch.float64, device=device)
        self.correct = torch.tensor([progress[i].correct_sum for i in members], device=device)
        self.saved, self.interval = time.monotonic(), checkpoint_seconds
        description = dataset.description
        own = [specs[index] for index in members]
        self.cohort = Cohort(own, input_shape=description.input_shape, classes=description.classes, device=device)
        self.optimizer = StackedOptimizer(self.cohort, own)
        for row, index in enumerate(members):
            one = progress[index]
            if one.current is not None:
                self.cohort.load(row, one.current)
            if one.slots is not None:  # an optimiser without slots stores none
                self.optimizer.load(row, one.slots)
            one.current = one.slots = None
        parts = {seed: split(dataset, seed) for seed in {spec.data_seed for spec in own}}
        self.train_indices = {index: parts[specs[index].data_seed][0] for index in members}
        self.validation_indices = {index: parts[specs[index].data_seed][1] for index in members}

    def train(self) -> None:
        while self.members and self.epoch < self.training.max_epochs:
            train_loss, train_accuracy = self._train_epoch()
            validation = torch.stack([self.validation_indices[index] for index in self.members])
            result = evaluate(self.cohort, self.dataset, validation, self.preprocessing)
            rows = torch.stack([train_loss, train_accuracy, result.loss, result.accuracy], dim=1).tolist()
            for row, (index, values) in enumerate(zip(self.members, rows, strict=True)):
                self._judge(row, self.progress[index], dict(zip(checkpoints.CURVES, values, strict=True)))
            self._settle()
            self.on_epoch(self.epoch, sum(one.done for one in self.progress))

    def _batches(self) -> Tensor:
        """The next epoch's indices [N, steps, B]: each network's training images shuffled, less what fills no batch."""
        size = self.training.batch_size
        orders: dict[tuple[int, int], Tensor] = {}
        for index in self.members:
            spec, own = self.specs[index], self.train_indices[index]
            if (spec.order_seed, spec.data_seed) not in orders:
                source = generator(spec.order_seed, "order", self.epoch + 1)
                order = own[torch.randperm(len(own), generator=source).to(own.device)]
                orders[spec.order_seed, spec.data_seed] = order[: len(own) // size * size].view(-1, size)
        seeds = ((self.specs[index].order_seed, self.specs[index].data_seed) for index in self.members)
        return torch.stack([orders[own] for own in seeds])

    def _train_epoch(self) -> tuple[Tensor, Tensor]:
        """The next epoch, or what is left of it; mean batch loss [N] and accuracy [N] over all of it, both float64."""
        batches = self._batches()
        steps = batches.shape[1]
        for number in range(self.step, steps):
            images, labels = gather(self.dataset, batches[:, number], self.preprocessing)
            loss, right = self.optimizer.train(images, labels, self.epoch * steps + number + 1)
            self.losses += loss
            self.correct += right
            self.step = number + 1
            if self.checkpoint_folder and time.monotonic() - self.saved >= self.interval:
                self._save()
        means = self.losses / steps, self.correct.double() / (steps * self.training.batch_size)
        self.epoch, self.step = self.epoch + 1, 0
        return means

    def _judge(self, row: int, one: Progress, values: dict[str, float]) -> None:
        """Add an epoch to one network's curves and decide whether it is done, and which weights it keeps."""
        for name, value in values.items():
            one.curves[name].append(value)
        one.epoch, one.step = self.epoch, 0
        last = self.epoch == self.training.max_epochs
        stopping = self.training.stopping
        if not all(math.isfinite(value) for value in values.values()):
            one.done, one.diverged, one.converged, one.kept, one.kept_epoch = True, True, False, None, 0
            return
        if isinstance(stopping, ValidationMinimum):
            one.done = last
            keeps = values["validation_loss"] <= min(one.curves["validation_loss"])
            one.converged = not keeps  # a minimum in the last epoch may not be one
        else:
            one.converged = (
                values[f"{stopping.split}_loss"] <= stopping.loss if isinstance(stopping, LossTarget) else last
            )
            one.done = keeps = one.converged or last
        if keeps:
            one.kept, one.kept_epoch = self.cohort.state(row), self.epoch

    def _settle(self) -> None:
        """Freeze the networks that are done: save them, and shrink the stack to the rest."""
        rows = [row for row, index in enumerate(self.members) if not self.progress[index].done]
        for index in self.members:
            one = self.progress[index]
            if one.done:
                one.current = one.slots = None
                if self.checkpoint_folder:
                    checkpoints.save(self.checkpoint_folder, self.specs[index].id, one)
        if rows and len(rows) < len(self.members):
            self.optimizer.keep(rows)
        self.members = [self.members[row] for row in rows]
        self.losses = self.losses.new_zeros(len(rows))
        self.correct = self.correct.new_zeros(len(rows))

    def _save(self) -> None:
        assert self.checkpoint_folder is not None
        started = time.monotonic()
        sums = zip(self.losses.tolist(), self.correct.tolist(), strict=True)
        for row, (index, (loss_sum, correct_sum)) in enumerate(zip(self.members, sums, strict=True)):
            one = self.progress[index]
            one.step, one.loss_sum, one.correct_sum = self.step, loss_sum, correct_sum
            one.current, one.slots = self.cohort.state(row), self.optimizer.state(row)
            checkpoints.save(self.checkpoint_folder, self.specs[index].id, one)
            one.current = one.slots = None
        self.saved = time.monotonic()
        if self.interval:
            self.interval = max(self.checkpoint_seconds, (self.saved - started) / CHECKPOINT_SHARE)
