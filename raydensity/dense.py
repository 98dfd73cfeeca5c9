"""Forward and backward pass of stacked dense ReLU networks, written out: a few batched products a step.

vmap and autograd give the same numbers to rounding (tests hold them to it), but spend more time between the products of
small networks than in them; and plain gradient descent can then go into the product that makes the gradient, which
would otherwise be written to memory and read again. On a CPU a stack is worked off in blocks of networks whose outputs
stay in the cache: of wide layers with few inputs the memory would else take most of the time. With one hidden layer the
products themselves are then what takes long, and the passes of `compiled_shallow.py` are taken.

Shapes: R networks (rows of a stack), B images, I inputs and O outputs of a layer, C classes. Inputs may have more rows
than there are labels, B' >= B: those count for nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from raydensity import compiled_shallow
from raydensity.losses import example_losses, in_vectors, is_regression, is_right

BLOCK_NUMBERS = 2**18  # of the largest inputs or outputs of a block
WIDE = 4096  # inputs from which on products of one network at a time are as fast


class Layer(NamedTuple):
    """One dense layer of all networks: weight [R, O, I], bias [R, O]."""

    weight: Tensor
    bias: Tensor


def _blocks(layers: Sequence[Layer], x: Tensor) -> list[slice]:
    """The rows in blocks: one network each, or two at least, as the product of a single one sums in another order."""
    rows = len(x)
    if x.device.type != "cpu":
        return [slice(rows)]
    if is_wide(x.shape[2], x.device):
        return [slice(row, row + 1) for row in range(rows)]
    inputs = 0 if x.stride(0) == 0 else x.shape[2]  # what all see is in the cache once
    largest = x.shape[1] * max(inputs, *(layer.weight.shape[1] for layer in layers))
    count = max(1, rows // max(2, BLOCK_NUMBERS // largest))
    bounds = [rows * number // count for number in range(count + 1)]
    return [slice(*pair) for pair in pairwise(bounds)]


def is_wide(inputs: int, device: torch.device) -> bool:
    """Whether networks see so many inputs that each is worked off by itself: they may then share images in memory."""
    return device.type == "cpu" and inputs >= WIDE


def is_shallow(layers: Sequence[Layer]) -> bool:
    """Whether the compiled passes are faster, which have the gradient in memory before a step is made of it."""
    hidden = layers[0].weight
    few = len(layers) == 2 and hidden.shape[2] <= compiled_shallow.MOST_INPUTS and hidden.dtype == torch.float32
    return few and hidden.device.type == "cpu" and layers[1].weight.shape[1] > 1


def _shallow(layers: Sequence[Layer]) -> compiled_shallow.Shallow:
    hidden, output = layers
    return compiled_shallow.Shallow(
        hidden.weight.transpose(1, 2), hidden.bias, output.weight.transpose(1, 2), output.bias
    )


def _of(layers: Sequence[Layer], rows: slice) -> list[Layer]:
    return [Layer(layer.weight[rows], layer.bias[rows]) for layer in layers]


class Pass(NamedTuple):
    """Mean loss [R] and number of correct answers [R]."""

    loss: Tensor
    correct: Tensor


def forward(layers: Sequence[Layer], x: Tensor) -> list[Tensor]:
    """Inputs [R, B, I] -> outputs of each layer [R, B, O], after ReLU but for the last, the logits."""
    outputs = []
    for number, (weight, bias) in enumerate(layers, start=1):
        x = torch.baddbmm(bias.unsqueeze(1), x, weight.transpose(1, 2))
        if number < len(layers):
            x.relu_()
        outputs.append(x)
    return outputs


def _start(layers: Sequence[Layer], x: Tensor, labels: Tensor) -> tuple[Pass, list[Tensor], Tensor]:
    """Forward pass; results, the inputs of each layer, and the gradient of each mean loss by the logits [R, B', C]."""
    *hidden, outputs = forward(layers, x)
    count = labels.shape[1]
    logits = outputs[:, :count]
    correct = is_right(logits, labels).sum(1)
    if is_regression(labels):
        apart = logits.squeeze(2) - labels
        loss = apart.square().mean(1)
        delta = apart.mul_(2 / count).unsqueeze(2)
    elif logits.shape[2] == 1:
        loss = example_losses(logits, labels).mean(1)
        delta = in_vectors(logits.squeeze(2)).sigmoid()[:, :count].sub_(labels).div_(count).unsqueeze(2)
    else:
        log_probabilities = logits.log_softmax(2)
        picked = labels.unsqueeze(2)
        loss = log_probabilities.gather(2, picked).squeeze(2).mean(1).neg_()
        delta = log_probabilities.exp_()
        delta.scatter_add_(2, picked, torch.full_like(picked, -1, dtype=delta.dtype)).div_(count)
    if count < x.shape[1]:
        delta = torch.cat([delta, delta.new_zeros(len(delta), x.shape[1] - count, delta.shape[2])], dim=1)
    return Pass(loss, correct), [x, *hidden], delta


def _back(delta: Tensor, weight: Tensor, outputs: Tensor) -> Tensor:
    """Gradient by the inputs of a layer, through the ReLU that made them."""
    below = torch.bmm(delta, weight)
    return torch.ops.aten.threshold_backward(below, outputs, 0)


def logits(layers: Sequence[Layer], x: Tensor) -> Tensor:
    """Inputs [R, B, I] -> logits [R, B, C]."""
    if is_shallow(layers):
        return compiled_shallow.logits(_shallow(layers), x)
    return torch.cat([forward(_of(layers, rows), x[rows])[-1] for rows in _blocks(layers, x)])


def gradients(layers: Sequence[Layer], x: Tensor, labels: Tensor, into: Sequence[Layer]) -> Pass:
    """One pass over x [R, B', I], labels [R, B]; the gradient of each network's mean loss is written into `into`."""
    if is_shallow(layers):
        return Pass(*compiled_shallow.gradients(_shallow(layers), x, labels, _shallow(into)))
    blocks = _blocks(layers, x)
    return _joined([_gradients(_of(layers, rows), x[rows], labels[rows], _of(into, rows)) for rows in blocks])


def _joined(passes: Sequence[Pass]) -> Pass:
    return Pass(torch.cat([one.loss for one in passes]), torch.cat([one.correct for one in passes]))


def _gradients(layers: Sequence[Layer], x: Tensor, labels: Tensor, into: Sequence[Layer]) -> Pass:
    result, inputs, delta = _start(layers, x, labels)
    for number in reversed(range(len(layers))):
        torch.bmm(inputs[number].transpose(1, 2), delta, out=into[number].weight.transpose(1, 2))
        torch.sum(delta, 1, out=into[number].bias)
        if number:
            delta = _back(delta, layers[number].weight, inputs[number])
    return result


def descend(layers: Sequence[Layer], x: Tensor, labels: Tensor, rates: Tensor) -> Pass:
    """One step of plain gradient descent in place, with learning rates [R, 1, 1]."""
    blocks = _blocks(layers, x)
    return _joined([_descend(_of(layers, rows), x[rows], labels[rows], rates[rows]) for rows in blocks])


def _descend(layers: Sequence[Layer], x: Tensor, labels: Tensor, rates: Tensor) -> Pass:
    result, inputs, delta = _start(layers, x, labels)
    delta.mul_(-rates)  # the rate passes through the whole backward pass, which is linear
    for number in reversed(range(len(layers))):
        weight, bias = layers[number]
        below = _back(delta, weight, inputs[number]) if number else None
        weight.transpose(1, 2).baddbmm_(inputs[number].transpose(1, 2), delta)
        bias.add_(delta.sum(1))
        if below is not None:
            delta = below
    return result
