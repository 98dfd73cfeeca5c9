"""Optimisers over stacked parameters, each network with a learning rate of its own.

The rules themselves are in `update_rules.py`. Slots are stacks like the parameters, one dict a slot.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from raydensity import compiled
from raydensity.cohort import Cohort
from raydensity.spec import SGD, NetworkSpec, Training
from raydensity.stack import State
from raydensity.update_rules import initial_slots, update


class StackedOptimizer:
    """Updates a cohort's parameters from its gradients.

    `slots` maps a slot's name to one stacked tensor a parameter, `initial` to the value that it starts at. `decayed`
    are the names of the parameters that weight decay acts on.
    """

    def __init__(self, cohort: Cohort, specs: Sequence[NetworkSpec]) -> None:
        self.cohort = cohort
        self.rule = specs[0].training.optimizer
        self.learning_rates = [spec.training.optimizer.learning_rate for spec in specs]
        self.factors = [1.0] * len(specs)
        self.sparse = specs[0].sparsity is not None
        self.decayed = decayed(cohort, specs[0].training)
        self.initial = initial_slots(self.rule)
        self.slots: dict[str, State] = {name: self._slot(value) for name, value in self.initial.items()}
        self._spread_learning_rates()

    @property
    def descends(self) -> bool:
        """Whether gradient and step are one product."""
        plain = isinstance(self.rule, SGD) and not self.rule.momentum and not self.rule.weight_decay
        cohort, whole = self.cohort, not self.sparse and self.cohort.masks is None
        return cohort.written_out and not cohort.shallow and plain and whole

    def _slot(self, value: float) -> State:
        return {
            name: torch.empty_like(p, requires_grad=False).fill_(value) for name, p in self.cohort.parameters.items()
        }

    def _spread_learning_rates(self) -> None:
        rates = [rate * factor for rate, factor in zip(self.learning_rates, self.factors, strict=True)]
        self._row_rates = torch.tensor((rates * 2)[: self.cohort.rows], device=self.cohort.device)
        self._rates = {
            name: self._row_rates.view(-1, *[1] * (p.ndim - 1)) for name, p in self.cohort.parameters.items()
        }

    def schedule(self, factors: Sequence[float]) -> None:
        """Multiply each network's learning rate by a factor from now on."""
        if list(factors) != self.factors:
            self.factors = list(factors)
            self._spread_learning_rates()

    def reset(self) -> None:
        """Forget all that was accumulated."""
        for name, value in self.initial.items():
            for stacked in self.slots[name].values():
                stacked.fill_(value)

    def forget_masked(self) -> None:
        """Forget what was accumulated for parameters that are masked: should they come back, they start anew."""
        for name, value in self.initial.items():
            for parameter, mask in (self.cohort.masks or {}).items():
                self.slots[name][parameter].masked_fill_(~mask, value)

    def keep(self, indices: Sequence[int]) -> None:
        """Shrink cohort and slots to the networks of `indices`."""
        self.cohort.keep(indices, *self.slots.values())
        self.learning_rates = [self.learning_rates[index] for index in indices]
        self.factors = [self.factors[index] for index in indices]
        self._spread_learning_rates()

    def state(self, index: int) -> State:
        """Copy of one network's slots, named `slot/parameter`, in exact shapes."""
        return {
            f"{slot}/{name}": self.cohort.weights(name, stack[name])[index].clone(memory_format=torch.contiguous_format)
            for slot, stack in self.slots.items()
            for name in stack
        }

    def load(self, index: int, state: State) -> None:
        """Overwrite one network's slots with what `state` gave."""
        for slot, stack in self.slots.items():
            for name, stacked in stack.items():
                self.cohort.weights(name, stacked)[index].copy_(state[f"{slot}/{name}"])
                if index == 0 and self.cohort.rows > self.cohort.size:
                    stacked[1].copy_(stacked[0])

    def train(self, images: Tensor, labels: Tensor, number: int, dropout: State | None = None) -> tuple[Tensor, Tensor]:
        """One step of training on images [N, B, ...] and labels [N, B]; `number` counts the steps from 1.

        `dropout` is as in `Cohort.loss_and_gradients`. Returns mean loss [N] and number correct [N] before the step.
        """
        if self.descends:
            return self.cohort.descend(images, labels, self._row_rates)
        result = self.cohort.loss_and_gradients(images, labels, dropout)
        self.step(number)
        return result

    @torch.no_grad()
    def train_compiled(self, images: Tensor, labels: Tensor, order: Tensor) -> tuple[Tensor, Tensor]:
        """Steps of training in one go, where the cohort is `compiled`: images [G, S, B, ...], labels [G, S, B].

        `order` [N] says which of the G batch orders a network sees. Returns the sums over steps of mean loss [N] and
        number correct [N].
        """
        cohort, rule = self.cohort, self.rule
        assert isinstance(rule, SGD)
        masks = cohort.masks or {n: torch.ones_like(p, dtype=torch.bool) for n, p in cohort.parameters.items()}
        speeds = self.slots.get("momentum") or {n: torch.zeros_like(p) for n, p in cohort.parameters.items()}
        return compiled.descend(
            cohort.compiled_layers(cohort.parameters),
            cohort.compiled_layers(speeds),
            cohort.compiled_layers(masks),
            images=images.flatten(3).transpose(2, 3).contiguous(),
            labels=labels.float().contiguous(),
            order=order,
            rates=self._row_rates,
            momentum=rule.momentum,
            weight_decay=rule.weight_decay,
        )

    @torch.no_grad()
    def step(self, number: int) -> None:
        """Update the parameters from the cohort's gradients; `number` counts the steps of training from 1."""
        for name, parameter in self.cohort.parameters.items():
            gradient = self.cohort.gradients[name]
            if name in self.decayed:
                gradient = gradient.add(parameter, alpha=self.rule.weight_decay)
            mask = None if self.cohort.masks is None else self.cohort.masks[name]
            slots = {slot: stack[name] for slot, stack in self.slots.items()}
            update(self.rule, parameter, gradient, self._rates[name], slots, number=number, mask=mask)


def decayed(cohort: Cohort, training: Training) -> set[str]:
    """Names of the parameters that weight decay acts on, as `Training.decayed` says; none where there is none."""
    if not training.optimizer.weight_decay:
        return set()
    if training.decayed == "all":
        return set(cohort.shapes)
    if training.decayed == "all_but_norms":
        norms = [name for name, module in cohort.model.named_modules() if isinstance(module, nn.BatchNorm2d)]
        return {name for name in cohort.shapes if name.rpartition(".")[0] not in norms}
    *hidden, _ = cohort.prunable()
    return {name for name in hidden if len(cohort.shapes[name]) == 2}
