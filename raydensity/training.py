"""Training a cohort: epochs, schedules, masks, compaction, checkpoints.

Shapes: N networks, B images a batch, S steps an epoch, G orders of the images: networks with the same seeds share one.
"""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from raydensity import checkpoints, dropout, models
from raydensity.checkpoints import Progress
from raydensity.cohort import Cohort
from raydensity.data import Dataset, split
from raydensity.data.augmentation import DRAWS, draw
from raydensity.evaluation import evaluate, gather
from raydensity.models.mlp import embedded, extracted
from raydensity.optimizers import StackedOptimizer
from raydensity.pruning.at_initialization import initial_masks
from raydensity.pruning.methods import during_training
from raydensity.published_weights import Weights
from raydensity.randomness import generator
from raydensity.rooms import Hidden, in_room, room_of
from raydensity.schedules import factor
from raydensity.spec import LastEpoch, NetworkSpec
from raydensity.spec.sparsity import LTH
from raydensity.stack import State
from raydensity.stopping import judge

CHECKPOINT_SECONDS = 60.0
CHECKPOINT_SHARE = 0.05  # of the time that saving may take: large cohorts are saved less often
COMPILED_STEPS = 128  # in one go, between which the caller can act


@dataclass(frozen=True)
class Start:
    """Where a network goes on that has been trained and compressed: parameters and masks by name, in the exact shapes
    of the whole network, and for how many epochs. `units` are how many of each hidden layer are left, its first ones;
    None where single weights went."""

    parameters: State
    masks: State
    epochs: int
    units: tuple[int, ...] | None = None


def train(
    specs: Sequence[NetworkSpec],
    dataset: Dataset,
    *,
    device: torch.device,
    checkpoint_folder: Path | None = None,
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
    on_epoch: Callable[[int, int], None] = lambda epoch, done: None,
    published: Mapping[str, Weights] | None = None,
    starts: Sequence[Start] | None = None,
) -> list[Progress]:
    """Train the networks of one cohort to their stopping rules: one finished Progress each, in the order of `specs`.

    With a checkpoint folder a network that is done before others is saved at once, those others about every
    `checkpoint_seconds` (0: each step), less often where that would take more than CHECKPOINT_SHARE of the time; a
    later call goes on from there, in whatever packing, to bit-identical results. `on_epoch` gets the epoch and how many
    networks are done. `published` has the weights that specs name by digest. With `starts`, one a spec, networks go on
    from there, with an optimiser that starts anew and with other batches.
    """
    progress = [
        checkpoints.load(checkpoint_folder, spec.id, device) if checkpoint_folder else Progress() for spec in specs
    ]
    behind = defaultdict(list)  # networks at the same step train in one stack, each in a room that it fills
    for index, (spec, one) in enumerate(zip(specs, progress, strict=True)):
        if not one.done:
            behind[one.epoch, one.step, room_of(spec, starts[index].units if starts else None)].append(index)
    epochs = [starts[index].epochs if starts else spec.total_epochs for index, spec in enumerate(specs)]
    lengths = [max(epochs[index] for index in members) for members in behind.values()]
    before = 0
    for ((*_, room), members), length in zip(behind.items(), lengths, strict=True):

        def report(epoch: int, done: int, before: int = before) -> None:
            on_epoch((before + epoch) * max(lengths) // sum(lengths), done)  # as if all were one stack

        settings = device, checkpoint_folder, checkpoint_seconds, report, published, starts
        _Run(specs, dataset, progress, members, room, *settings).train()
        before += length
    return progress


class _Run:
    """One stack of networks that start from the same step. `members` are the indices of those still in training."""

    def __init__(
        self,
        specs: Sequence[NetworkSpec],
        dataset: Dataset,
        progress: list[Progress],
        members: list[int],
        room: Hidden | None,
        device: torch.device,
        checkpoint_folder: Path | None,
        checkpoint_seconds: float,
        on_epoch: Callable[[int, int], None],
        published: Mapping[str, Weights] | None,
        starts: Sequence[Start] | None,
    ) -> None:
        self.specs, self.dataset, self.progress, self.members = specs, dataset, progress, list(members)
        self.checkpoint_folder, self.checkpoint_seconds, self.on_epoch = checkpoint_folder, checkpoint_seconds, on_epoch
        self.training = specs[0].training
        self.preprocessing = specs[0].preprocessing
        self.epoch, self.step = progress[members[0]].epoch, progress[members[0]].step
        self.losses = torch.tensor([progress[i].loss_sum for i in members], dtype=torch.float64, device=device)
        self.correct = torch.tensor([progress[i].correct_sum for i in members], device=device)
        self.saved, self.interval = time.monotonic(), checkpoint_seconds
        # Epochs of each network, and those before the first: their batches have been seen.
        self.epochs = [start.epochs for start in starts] if starts else [spec.total_epochs for spec in specs]
        self.before = specs[0].total_epochs if starts else 0
        description = dataset.description
        own = [specs[index] for index in members]
        self.room = room
        if room:
            own = [in_room(spec, room) for spec in own]
        self.cohort = Cohort(
            own,
            input_shape=description.input_shape,
            classes=description.logits,
            device=device,
            published=published,
        )
        self.optimizer = StackedOptimizer(self.cohort, own)
        self.steps = description.fitted_size // self.training.batch_size
        self.method = during_training(own, self.optimizer, steps=self.steps * self.training.max_epochs)
        self._make_sparse(own, [progress[index] for index in members], published or {}, starts)
        for row, index in enumerate(members):
            one = progress[index]
            if one.current is not None:
                self.cohort.load(row, one.current)
            elif starts:
                self.cohort.load(row, self._moved_in(starts[index].parameters))
            if one.slots is not None:  # an optimiser without slots stores none
                self.optimizer.load(row, one.slots)
            if one.rewind is not None:
                self.cohort.load_rewind_point(row, one.rewind)
            one.current = one.slots = one.rewind = None
        parts = {seed: split(dataset, seed) for seed in {spec.data_seed for spec in own}}
        self.train_indices = {index: parts[specs[index].data_seed][0] for index in members}
        self.validation_indices = {index: parts[specs[index].data_seed][1] for index in members}

    def _make_sparse(
        self,
        specs: Sequence[NetworkSpec],
        progress: Sequence[Progress],
        published: Mapping[str, Weights],
        starts: Sequence[Start] | None,
    ) -> None:
        """Set the masks that the networks had when they were saved, or those that they start with."""
        masks: State | None = None
        saved = [one.masks for one in progress if one.masks is not None]
        if saved:
            masks = {name: torch.stack([each[name] for each in saved]) for name in saved[0]}
        elif starts:
            given = [self._moved_in(starts[index].masks) for index in self.members]
            masks = {name: torch.stack([each[name] for each in given]) for name in given[0]}
        elif not self.epoch and not self.step:
            masks = initial_masks(specs, self.dataset, device=self.cohort.device, published=published)
        for one in progress:
            one.masks = None
        if masks is not None:
            self.cohort.set_masks(masks)

    def _moved_in(self, state: State) -> State:
        """Of the whole network what fits into the room: the rest is zero."""
        return extracted(state, self.room) if self.room else state

    def _moved_out(self, state: State | None) -> State | None:
        """The other way round."""
        if not self.room or state is None:
            return state
        whole = models.outline(self.specs[0].architecture, self.dataset.description)
        return embedded(state, {name: tuple(parameter.shape) for name, parameter in whole.named_parameters()})

    def train(self) -> None:
        while self.members:
            self._start_epoch()
            train_loss, train_accuracy = self._train_epoch()
            cycle, _ = self.specs[0].place(self.epoch)
            if self.method and cycle > self.specs[0].place(self.epoch - 1)[0]:
                self.method.end_of_cycle(cycle)
            if self.specs[0].evaluates_training_images:
                seen = self._own(self.train_indices)
                train_loss, train_accuracy = evaluate(self.cohort, self.dataset, seen, self.preprocessing)
            curves = [train_loss, train_accuracy]
            if self._is_last() or not isinstance(self.training.stopping, LastEpoch):
                curves += [*evaluate(self.cohort, self.dataset, self._own(self.validation_indices), self.preprocessing)]
            names = list(checkpoints.CURVES[: len(curves)])
            if self.dataset.description.regression:  # which is neither right nor wrong
                names, curves = names[::2], curves[::2]
            rows = torch.stack(curves, dim=1).tolist()
            for row, (index, values) in enumerate(zip(self.members, rows, strict=True)):
                self._judge(row, index, dict(zip(names, values, strict=True)))
            self._settle()
            self.on_epoch(self.epoch, sum(one.done for one in self.progress))

    def _is_last(self) -> bool:
        """Whether the epoch is the last one of any network: what is done is dropped after it."""
        return any(self.epoch == self.epochs[index] for index in self.members)

    def _own(self, indices: Mapping[int, Tensor]) -> Tensor:
        """Of these indices of images those of each network in training [N, V], the same memory where all share them."""
        return stack_shared([indices[index] for index in self.members])

    def _start_epoch(self) -> None:
        """Learning rates of the epoch that begins or goes on; the point to rewind to, where it is one."""
        _, epoch = self.specs[0].place(self.epoch)
        total = self.training.max_epochs
        lengths = [min(total, self.epochs[index]) for index in self.members]
        schedules = [self.specs[index].training.schedule for index in self.members]
        self.optimizer.schedule([factor(own, epoch, length) for own, length in zip(schedules, lengths, strict=True)])
        sparsity = self.specs[0].sparsity
        if isinstance(sparsity, LTH) and self.epoch == sparsity.rewind_epoch and not self.step:
            self.cohort.mark_rewind_point()

    def _batches(self) -> tuple[Tensor, Tensor]:
        """The next epoch's indices [G, S, B], and which of the G each network sees [N].

        The training images shuffled, less what fills no batch; `draws` [G, S, B, DRAWS] vary them where that is asked.
        """
        size = self.training.batch_size
        orders: dict[tuple[int, int], Tensor] = {}
        draws: list[Tensor] = []
        for index in self.members:
            spec, own = self.specs[index], self.train_indices[index]
            if (spec.order_seed, spec.data_seed) not in orders:
                source = generator(spec.order_seed, "order", self.before + self.epoch + 1)
                order = own[torch.randperm(len(own), generator=source).to(own.device)]
                orders[spec.order_seed, spec.data_seed] = order[: len(own) // size * size].view(-1, size)
                if spec.augmentation:
                    drawn = draw(spec.order_seed, self.before + self.epoch + 1, self.steps * size)
                    draws.append(drawn.view(self.steps, size, DRAWS).to(own.device))
        self.draws = torch.stack(draws) if draws else None
        number = {key: place for place, key in enumerate(orders)}
        seeds = [(self.specs[index].order_seed, self.specs[index].data_seed) for index in self.members]
        return torch.stack(list(orders.values())), torch.tensor([number[key] for key in seeds])

    def _batch(self, orders: Tensor, order: Tensor) -> tuple[Tensor, Tensor]:
        """Images [N, B, ...] and labels [N, B] of the next step; what networks share is made once."""
        draws = None if self.draws is None else self.draws[:, self.step]
        images, labels = gather(self.dataset, orders[:, self.step], self.preprocessing, draws=draws)
        if len(images) == 1 and self.cohort.shares_images:
            return images.expand(len(order), *images.shape[1:]), labels.expand(len(order), -1)
        return (images, labels) if len(images) == len(order) else (images[order], labels[order])

    def _train_epoch(self) -> tuple[Tensor, Tensor]:
        """The next epoch, or what is left of it; mean batch loss [N] and accuracy [N] over all of it, both float64."""
        orders, order = self._batches()
        before = self.specs[0].place(self.epoch)[1] * self.steps  # steps of this training that are done
        while self.step < self.steps:
            stop = self._next_stop(before)
            if self.method and self.method.replaces_steps and self.method.is_event(before + stop):
                images, labels = self._batch(orders, order)
                loss, right = self.cohort.loss_and_gradients(images, labels, self._dropout())
                self.method.act(before + stop)
            else:
                loss, right = self._train_steps(orders, order, stop)
                if self.method and self.method.is_event(before + stop):
                    self.method.act(before + stop)
            self.losses += loss
            self.correct += right
            self.step = stop
            if self.checkpoint_folder and time.monotonic() - self.saved >= self.interval:
                self._save()
        means = self.losses / self.steps, self.correct.double() / (self.steps * self.training.batch_size)
        self.epoch, self.step = self.epoch + 1, 0
        return means

    def _next_stop(self, before: int) -> int:
        """The step of the epoch to train to in one go; a step that an event replaces stands alone."""
        longest = COMPILED_STEPS if self.cohort.compiled else 1
        for stop in range(self.step + 1, min(self.step + longest, self.steps) + 1):
            if self.method and self.method.is_event(before + stop):
                return stop - 1 if self.method.replaces_steps and stop - 1 > self.step else stop
        return stop

    def _train_steps(self, orders: Tensor, order: Tensor, stop: int) -> tuple[Tensor, Tensor]:
        """Train from `self.step` to `stop`; sums over these steps of mean loss [N] and number correct [N]."""
        if not self.cohort.compiled:
            images, labels = self._batch(orders, order)
            number = self.specs[0].place(self.epoch)[1] * self.steps + stop
            return self.optimizer.train(images, labels, number, self._dropout())
        part = orders[:, self.step : stop]
        images, labels = gather(self.dataset, part.flatten(1), self.preprocessing)
        return self.optimizer.train_compiled(
            images.view(*part.shape, *images.shape[2:]), labels.view(part.shape), order
        )

    def _dropout(self) -> State:
        """What the units of layers with dropout are multiplied by in the next step, [N, B, units] by layer."""
        seeds = [self.specs[index].order_seed for index in self.members]
        drawn = dropout.factors(
            self.cohort.model.dropped,
            seeds,
            epoch=self.before + self.epoch + 1,
            step=self.step,
            batch_size=self.training.batch_size,
        )
        return {layer: factors.to(self.cohort.device) for layer, factors in drawn.items()}

    def _judge(self, row: int, index: int, values: dict[str, float]) -> None:
        """Add an epoch to one network's curves and decide whether it is done, and which weights it keeps."""
        one, last = self.progress[index], self.epoch == self.epochs[index]
        if isinstance(self.training.stopping, LastEpoch) and not last:  # another's last epoch tells nothing of this one
            values = {name: value for name, value in values.items() if name.startswith("train")}
        for name in checkpoints.CURVES:
            one.curves[name].append(values.get(name))  # what was not evaluated stays empty
        one.epoch, one.step = self.epoch, 0
        if not all(math.isfinite(value) for value in values.values()):
            one.done, one.diverged, one.converged, one.kept, one.kept_epoch = True, True, False, None, 0
            return
        settled = 0 if self.before else self.specs[index].settled_epoch
        if self.epoch <= settled:
            return
        verdict = judge(self.training.stopping, one.curves, kept=one.kept_epoch, last=last)
        one.done, one.converged = verdict.done, verdict.converged
        if verdict.keeps:
            one.kept, one.kept_epoch = self.cohort.state(row), self.epoch
        if verdict.done:  # since it is settled they are those of the kept weights, whichever epoch that was
            one.masks = self.cohort.mask(row)

    def _settle(self) -> None:
        """Freeze the networks that are done: save them, and shrink the stack to the rest."""
        rows = [row for row, index in enumerate(self.members) if not self.progress[index].done]
        # Where all are done at once and soon, what follows is near: thousands of files would take longer.
        worthwhile = rows or time.monotonic() - self.saved >= self.interval
        for index in self.members:
            one = self.progress[index]
            if one.done:
                one.current = one.slots = one.rewind = None
                one.kept, one.masks = self._moved_out(one.kept), self._moved_out(one.masks)
                if self.checkpoint_folder and worthwhile:
                    checkpoints.save(self.checkpoint_folder, self.specs[index].id, one)
        if rows and len(rows) < len(self.members):
            self.optimizer.keep(rows)
            if self.method:
                self.method.keep(rows)
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
            one.masks, one.rewind = self.cohort.mask(row), self.cohort.rewind_state(row)
            checkpoints.save(self.checkpoint_folder, self.specs[index].id, one)
            one.current = one.slots = one.masks = one.rewind = None
        self.saved = time.monotonic()
        if self.interval:
            self.interval = max(self.checkpoint_seconds, (self.saved - started) / CHECKPOINT_SHARE)


def validation_images(specs: Sequence[NetworkSpec], dataset: Dataset) -> Tensor:
    """Each network's validation images, as indices of the training file [N, V]."""
    parts = {seed: split(dataset, seed)[1] for seed in {spec.data_seed for spec in specs}}
    return stack_shared([parts[spec.data_seed] for spec in specs])


def stack_shared(indices: Sequence[Tensor]) -> Tensor:
    """[V] each -> [N, V]: the same memory N times where all are one tensor."""
    if all(each is indices[0] for each in indices):
        return indices[0].expand(len(indices), -1)
    return torch.stack(list(indices))
