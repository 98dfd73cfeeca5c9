"""Masks that are found before training: which method, on which batches, for how many networks at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from raydensity import models
from raydensity.cohort import Cohort
from raydensity.data import Dataset, split
from raydensity.evaluation import gather
from raydensity.losses import example_losses
from raydensity.models.counts import parameter_count
from raydensity.pruning import masks
from raydensity.published_weights import Weights
from raydensity.randomness import generator, sampler
from raydensity.spec import NetworkSpec
from raydensity.spec.sparsity import GMP, LTH, AtInitialization, Explicit, Method, ProsPr, Units
from raydensity.stack import State

PART = 256  # networks whose scores are computed at a time, at most
PART_PARAMETERS = 2**21  # that these should have together: scores take some twenty times the memory


@dataclass(frozen=True)
class Start:
    """The networks of one cohort before training, as the methods see them."""

    cohort: Cohort
    specs: Sequence[NetworkSpec]
    dataset: Dataset

    @property
    def counts(self) -> list[int]:
        """How many weights each network keeps."""
        return [spec.sparsity.nonzeros for spec in self.specs if isinstance(spec.sparsity, Method)]

    @property
    def total(self) -> int:
        """Weights of one network."""
        return sum(self.cohort.weights(name)[0].numel() for name in self.cohort.prunable())

    def generators(self, purpose: str) -> list[torch.Generator]:
        """One for each network, from its `prune_seed`."""
        return [generator(spec.prune_seed, "prune", purpose) for spec in self.specs]

    def batch(self, number: int) -> tuple[Tensor, Tensor]:
        """The batch of that number for pruning, images [N, B, ...] and labels [N, B]: drawn anew for every number."""
        return self.images(lambda own: [own], self.specs[0].training.batch_size, f"batch {number}")

    def images(self, groups: Callable[[Tensor], Sequence[Tensor]], count: int, purpose: str) -> tuple[Tensor, Tensor]:
        """`count` images, or all, of each of the groups into which `groups` splits each network's training set.

        Drawn at random without repeats, group after group.
        """
        split_up = {seed: groups(split(self.dataset, seed)[0]) for seed in {spec.data_seed for spec in self.specs}}
        chosen: dict[tuple[int, int], Tensor] = {}
        for spec in self.specs:
            key = spec.prune_seed, spec.data_seed
            if key not in chosen:
                # A permutation of the whole training set takes longer than the score.
                source = sampler(spec.prune_seed, "prune", purpose)
                own = split_up[spec.data_seed]
                places = [source.choice(len(group), min(count, len(group)), replace=False) for group in own]
                chosen[key] = torch.cat(
                    [group[torch.from_numpy(place).to(group.device)] for group, place in zip(own, places, strict=True)]
                )
        indices = torch.stack([chosen[spec.prune_seed, spec.data_seed] for spec in self.specs])
        return gather(self.dataset, indices, self.specs[0].preprocessing)

    def losses(self, parameters: State, images: Tensor, labels: Tensor, *, temperature: float = 1.0) -> Tensor:
        """Sum of the networks' mean losses: each network's gradient is then its own."""
        logits = self.cohort.differentiable_logits(parameters, images) / temperature
        return example_losses(logits, labels).mean(1).sum()

    def stacked(self, kernels: State, *, fill: float = 1.0) -> State:
        """Kernels' tensors [N, ...] as float tensors stacked like the parameters, `fill` in all others."""
        result = {name: torch.full_like(p.detach(), fill) for name, p in self.cohort.parameters.items()}
        for name, kernel in kernels.items():
            self.cohort.weights(name, result[name])[:] = kernel
            if self.cohort.rows > self.cohort.size:
                result[name][1].copy_(result[name][0])
        return result

    def kernels(self, stack: Mapping[str, Tensor]) -> State:
        """The kernels of a stack, [N, ...] in exact shapes."""
        return {name: self.cohort.weights(name, stack[name]) for name in self.cohort.prunable()}


def initial_masks(
    specs: Sequence[NetworkSpec],
    dataset: Dataset,
    *,
    device: torch.device,
    published: Mapping[str, Weights],
) -> State | None:
    """The masks that the networks of one cohort train with from the start, [N, ...] by name; None: they are whole."""
    first = specs[0].sparsity
    if first is None or isinstance(first, GMP | LTH):
        return None
    parts = []
    stacked = _is_stacked(specs[0], device)
    # In a loop one network after the other: its activations alone are in memory, and its kernels start at 64 bytes.
    parameters = parameter_count(models.outline(specs[0].architecture, dataset.description))
    size = scored_together(parameters) if stacked else 1
    for begin in range(0, len(specs), size):
        own = specs[begin : begin + size]
        description = dataset.description
        # Scores are computed in batched products whatever the way of training: autograd must follow them.
        cohort = Cohort(
            own,
            input_shape=description.input_shape,
            classes=description.logits,
            device=device,
            stacked=stacked,
            published=published,
        )
        parts.append(_masks(Start(cohort, own, dataset)))
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def scored_together(parameters: int) -> int:
    """Of how many networks, of so many parameters each, scores are computed at a time."""
    return max(1, min(PART, PART_PARAMETERS // parameters))


def _is_stacked(spec: NetworkSpec, device: torch.device) -> bool:
    return spec.architecture.name == "mlp" or device.type != "cpu"


def _masks(start: Start) -> State:
    from raydensity.pruning.methods import AT_INITIALIZATION  # the methods are written in terms of Start

    method = start.specs[0].sparsity
    if isinstance(method, Explicit):
        rows = [spec.sparsity.rows for spec in start.specs if isinstance(spec.sparsity, Explicit)]
        return masks.with_biases(start.cohort, masks.explicit(start.cohort, rows))
    if isinstance(method, Units):
        kept = [spec.sparsity.kept for spec in start.specs if isinstance(spec.sparsity, Units)]
        return masks.of_units(start.cohort, kept)
    assert isinstance(method, Method)
    kernels = AT_INITIALIZATION[method.name](start, method)
    if isinstance(method, AtInitialization) and method.shuffled:
        kernels = masks.shuffled(kernels, start.generators("shuffle"))
    found = masks.with_biases(start.cohort, kernels)
    if isinstance(method, ProsPr) and method.published:
        masks.spare_biases(start.cohort, found)
    return found
