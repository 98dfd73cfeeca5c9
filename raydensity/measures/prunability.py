"""Prunability: how many answers stay as they are while units are ablated ("Frivolous Units", specification b.5).

A unit is ablated by setting its output after the nonlinearity to 0. What does not change is computed once: an ablation
begins at its first layer's output, and that of all layers has what follows the first in common with that of the first.

Shapes: B images, C classes, U units of a layer, A ablations.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from fractions import Fraction
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from raydensity.losses import answers
from raydensity.measures.outputs import passes
from raydensity.models.chain import Chain, Step
from raydensity.randomness import generator

REPEATS = 3
SHARES = tuple(Fraction(part, 6) for part in range(7))
PARTS = SHARES[1:-1]  # of these neither none nor all

# Beyond this share of channels that are not zero, taking them out costs a convolution more than it saves.
WORTHWHILE = 0.9


class Curve(NamedTuple):
    """The share of images whose answer is `unchanged` by the share of units that are `removed`, from 0 to 1.

    Of one `layer`, or of "all" at once; `repeat` counts the random orders of the units; `by_position` counts each
    position of a feature map as a unit.
    """

    layer: str
    repeat: int
    by_position: bool
    removed: list[float]
    unchanged: list[float]


class Prunability:
    """The curves of a network in evaluation mode, whose `outputs` for some images come at a time.

    The first floor(p * U) units of a random order are ablated, so that the sets are nested in p: in all layers that
    the network names as ablated, and in each of them alone; with three orders of each layer's units, drawn by `seed`.
    Units are feature maps, or with `by_position` each position of each map.
    """

    def __init__(self, network: Chain, *, seed: int, by_position: bool = False) -> None:
        self.steps, self.layers = network.steps(), network.ablated_layers()
        self.seed, self.by_position = seed, by_position
        self._kept: dict[str, Tensor] = {}
        self._unchanged = torch.zeros(1 + len(self.layers), REPEATS, len(SHARES), dtype=torch.int64)
        self._images = 0

    @torch.no_grad()
    def add(self, outputs: Mapping[str, Tensor]) -> None:
        """The outputs of all steps, in the order in memory that `outputs` gives them."""
        if not self._kept:
            self._kept = {name: _kept(name, outputs[name][0], self.seed, self.by_position) for name in self.layers}
        answered = _Ablations(self.steps, outputs, self._kept)
        counts = [*answered.of_all_and_the_first(), *map(answered.of_one, self.layers[1:])]
        self._unchanged += torch.stack(counts).cpu()
        self._images += len(outputs["logits"])

    def curves(self) -> list[Curve]:
        """A curve for each target of ablation and repeat. Raises ValueError if there were no images."""
        if not self._images:
            raise ValueError("prunability needs images to answer")
        removed = [float(share) for share in SHARES]
        return [
            Curve(target, repeat, self.by_position, removed, (counts[repeat].double() / self._images).tolist())
            for target, counts in zip(["all", *self.layers], self._unchanged, strict=True)
            for repeat in range(REPEATS)
        ]


def prunability(network: Chain, images: Iterable[Tensor], *, seed: int, by_position: bool = False) -> list[Curve]:
    """The curves of `Prunability` alone, over `images` [B, ...] as the network sees them, some at a time.

    Raises ValueError if there are no images, and for a single tensor in place of some.
    """
    found = Prunability(network, seed=seed, by_position=by_position)
    for outputs in passes(network, images):
        found.add(outputs)
    return found.curves()


def order_of_removal(units: int, *, seed: int, repeat: int, layer: str) -> Tensor:
    """When each unit of a layer is ablated, from 0: [units]."""
    return torch.randperm(units, generator=generator(seed, "prunability", repeat, layer)).argsort()


def _kept(layer: str, output: Tensor, seed: int, by_position: bool) -> Tensor:
    """What one image's output [U] or [U, height, width] is multiplied by, 1 or 0: [REPEATS, PARTS, ...]."""
    shape = tuple(output.shape) if by_position else (len(output), *[1] * (output.ndim - 1))
    units = math.prod(shape)
    numbers = torch.tensor([int(share * units) for share in PARTS])
    orders = [order_of_removal(units, seed=seed, repeat=repeat, layer=layer) for repeat in range(REPEATS)]
    kept = torch.stack([order >= numbers[:, None] for order in orders])
    return kept.view(REPEATS, len(PARTS), *shape).to(output)


class _Ablations:
    """How many answers of some images stay as they are, [REPEATS, SHARES] for each target of ablation.

    `whole` has the outputs of the steps, `kept` what those of the ablated layers are multiplied by. Where all units are
    ablated all images are answered alike: one passes.
    """

    def __init__(self, steps: Mapping[str, Step], whole: Mapping[str, Tensor], kept: Mapping[str, Tensor]) -> None:
        self.steps, self.whole, self.kept = steps, whole, kept
        self.layers, self.names = list(kept), list(steps)
        self.given = answers(whole["logits"])
        self.parts = [(repeat, part) for repeat in range(REPEATS) for part in range(len(PARTS))]

    def of_one(self, layer: str) -> Tensor:
        """While one layer is ablated."""
        counts, start = self._counts(), self.whole[layer]
        rest = self.names[self.names.index(layer) + 1 :]
        counts[:, -1] = self._same(self._pass(torch.zeros_like(start[:1]), rest))
        if rest == ["logits"] and isinstance(last := self.steps["logits"], nn.Linear):
            found = _dense_answers(last, start, self.kept[layer].flatten(0, 1))
            counts[:, 1:-1] = (found == self.given[:, None]).sum(0).view(REPEATS, -1)
            return counts
        for repeat, part in self.parts:
            logits = self._pass(start * self.kept[layer][repeat, part], rest)
            counts[repeat, 1 + part] = self._same(logits)
        return counts

    def of_all_and_the_first(self) -> tuple[Tensor, Tensor]:
        """While all layers are ablated, and the first alone: what follows it is the same for both, up to the second."""
        first, *others = self.layers
        if not others:
            counts = self.of_one(first)
            return counts, counts
        position = self.names.index(others[0]) + 1
        between, rest = self.names[self.names.index(first) + 1 : position], self.names[position:]
        of_all, of_first = self._counts(), self._counts()
        for repeat, part in self.parts:
            x = self._pass(self.whole[first] * self.kept[first][repeat, part], between)
            factors = {name: self.kept[name][repeat, part] for name in others}
            of_all[repeat, 1 + part] = self._same(self._pass(x * factors[others[0]], rest, factors))
            of_first[repeat, 1 + part] = self._same(self._pass(x, rest, masked=False))
        x = self._pass(torch.zeros_like(self.whole[first][:1]), between)
        nothing = {name: torch.zeros_like(self.kept[name][0, 0]) for name in others}
        of_all[:, -1] = self._same(self._pass(torch.zeros_like(x), rest, nothing))
        of_first[:, -1] = self._same(self._pass(x, rest))
        return of_all, of_first

    def _counts(self) -> Tensor:
        return torch.full((REPEATS, len(SHARES)), len(self.given), device=self.given.device)

    def _same(self, logits: Tensor) -> Tensor:
        return (answers(logits) == self.given).sum()

    def _pass(
        self, x: Tensor, names: Sequence[str], factors: Mapping[str, Tensor] | None = None, *, masked: bool = True
    ) -> Tensor:
        """The output of the last of some steps, outputs multiplied by `factors`; `masked` says whether x was."""
        factors = factors or {}
        for name in names:
            with _WithoutZeroChannels() if masked else nullcontext():
                x = self.steps[name](x)
            masked = name in factors
            x = x * factors[name] if masked else x
        return x


def _dense_answers(last: nn.Linear, x: Tensor, kept: Tensor) -> Tensor:
    """Answers [B, A] from a last hidden layer x [B, U], of which each ablation keeps some units [A, U].

    To ablate a unit is to take its outgoing weights away: all ablations are one product.
    """
    weights = kept[:, None] * last.weight  # [A, C, U]
    logits = (weights.flatten(0, 1) @ x.T).T.contiguous().view(len(x), *weights.shape[:2])  # few rows: faster so
    return answers(logits if last.bias is None else logits + last.bias)


class _WithoutZeroChannels(TorchFunctionMode):
    """The first convolution of a step, and all of the same input, leave out channels that are zero in all images."""

    def __init__(self) -> None:
        super().__init__()
        self.input: Tensor | None = None

    def __torch_function__(self, func: Any, types: Any, args: tuple = (), kwargs: dict[str, Any] | None = None) -> Any:
        if func is torch.conv2d and (self.input is None or args[0] is self.input):
            self.input = args[0]
            args, kwargs = _narrowed(*args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))


def _narrowed(x: Tensor, weight: Tensor, *args: Any, **kwargs: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments of a convolution without channels that are zero; at least one stays."""
    if x.shape[1] == weight.shape[1]:  # not in groups
        channels = x.abs().amax((0, 2, 3)).nonzero().flatten()
        if len(channels) <= WORTHWHILE * x.shape[1]:
            channels = channels if len(channels) else channels.new_zeros(1)
            x, weight = x[:, channels].contiguous(memory_format=_memory_format(x)), weight[:, channels]
    return (x, weight, *args), kwargs


def _memory_format(x: Tensor) -> torch.memory_format:
    last = x.is_contiguous(memory_format=torch.channels_last)
    return torch.channels_last if last else torch.contiguous_format
