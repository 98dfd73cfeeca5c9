"""Prunability: how many answers stay as they are while units are ablated ("Frivolous Units", specification b.5).

A unit is ablated by setting its output after the nonlinearity to 0. What does not change is computed once: an ablation
begins at its first layer's output, and where all units of a layer are ablated all images are answered alike.

Shapes: B images, C classes, U units of a layer, A ablations.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from raydensity.losses import answers
from raydensity.measures.outputs import outputs
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


@torch.no_grad()
def prunability(network: Chain, images: Iterable[Tensor], *, seed: int, by_position: bool = False) -> list[Curve]:
    """The curves of a network in evaluation mode, over `images` [B, ...] as it sees them, some at a time.

    The first floor(p * U) units of a random order are ablated, so that the sets are nested in p: in all layers that
    the network names as ablated, and in each of them alone; with three orders of each layer's units, drawn by `seed`.
    Units are feature maps, or with `by_position` each position of each map. Raises ValueError if there are no images.
    """
    steps, layers = network.steps(), network.ablated_layers()
    targets = {"all": tuple(layers)} | {layer: (layer,) for layer in layers}
    ablations = list(dict.fromkeys(targets.values()))  # one where a network has but one layer
    kept: dict[str, Tensor] = {}
    unchanged = torch.zeros(len(ablations), REPEATS, len(SHARES), dtype=torch.int64)
    total = 0
    for part in images:
        whole = outputs(network, part)
        if not kept:
            kept = {name: _kept(name, whole[name][0], seed, by_position=by_position) for name in layers}
        unchanged += torch.stack([_unchanged(steps, whole, each, kept) for each in ablations]).cpu()
        total += len(part)
    if not total:
        raise ValueError("prunability needs images to answer")
    removed = [float(share) for share in SHARES]
    return [
        Curve(name, repeat, by_position, removed, (unchanged[ablations.index(own), repeat].double() / total).tolist())
        for name, own in targets.items()
        for repeat in range(REPEATS)
    ]


def _kept(layer: str, output: Tensor, seed: int, *, by_position: bool) -> Tensor:
    """What one image's output [U] or [U, height, width] is multiplied by, 1 or 0: [REPEATS, PARTS, ...]."""
    shape = tuple(output.shape) if by_position else (len(output), *[1] * (output.ndim - 1))
    units = math.prod(shape)
    numbers = torch.tensor([int(share * units) for share in PARTS])
    orders = [
        torch.randperm(units, generator=generator(seed, "prunability", repeat, layer)) for repeat in range(REPEATS)
    ]
    kept = torch.stack([order.argsort() >= numbers[:, None] for order in orders])
    return kept.view(REPEATS, len(PARTS), *shape).to(output)


def _unchanged(
    steps: Mapping[str, Step], whole: Mapping[str, Tensor], ablated: tuple[str, ...], kept: Mapping[str, Tensor]
) -> Tensor:
    """How many of the answers of the whole network stay as they are while these layers are ablated: [REPEATS, SHARES].

    `whole` has the outputs of its steps.
    """
    first = ablated[0]
    start, given, names = whole[first], answers(whole["logits"]), list(steps)
    rest = {name: steps[name] for name in names[names.index(first) + 1 :]}

    def ablated_answers(x: Tensor, factors: Mapping[str, Tensor]) -> Tensor:
        x = x * factors[first]
        for name, step in rest.items():
            x = step(x)
            if name in ablated:
                x = x * factors[name]
        return answers(x)

    counts = torch.full((REPEATS, len(SHARES)), len(given), device=given.device)
    nothing = {name: torch.zeros_like(kept[name][0, 0]) for name in ablated}
    counts[:, -1] = (ablated_answers(start[:1], nothing) == given).sum()
    if list(rest) == ["logits"] and isinstance(last := rest["logits"], nn.Linear):
        found = _dense_answers(last, start, kept[first].flatten(0, 1))
        counts[:, 1:-1] = (found == given[:, None]).sum(0).view(REPEATS, -1)
        return counts
    with _WithoutZeroChannels():
        for repeat in range(REPEATS):
            for part in range(len(PARTS)):
                factors = {name: kept[name][repeat, part] for name in ablated}
                counts[repeat, 1 + part] = (ablated_answers(start, factors) == given).sum()
    return counts


def _dense_answers(last: nn.Linear, x: Tensor, kept: Tensor) -> Tensor:
    """Answers [B, A] from a last hidden layer x [B, U], of which each ablation keeps some units [A, U].

    To ablate a unit is to take its outgoing weights away: all ablations are one product.
    """
    weights = kept[:, None] * last.weight  # [A, C, U]
    logits = (weights.flatten(0, 1) @ x.T).T.contiguous().view(len(x), *weights.shape[:2])  # few rows: faster so
    return answers(logits if last.bias is None else logits + last.bias)


class _WithoutZeroChannels(TorchFunctionMode):
    """Convolutions leave out channels that are zero in all images: whatever made them so, they contribute nothing."""

    def __torch_function__(self, func: Any, types: Any, args: tuple = (), kwargs: dict[str, Any] | None = None) -> Any:
        if func is torch.conv2d:
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
