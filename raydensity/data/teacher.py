"""Gaussian inputs, labelled by a random network, the teacher (Frivolous Units, specification b.3).

Computed, nothing is downloaded. Inputs are drawn in blocks of 1,000, each by a generator of its own: data sets of the
same seed and number of inputs have teacher, validation and test part in common, and the smaller one's training inputs
are the first of the larger one's. The teacher answers in float64, so that no label hangs on the last bit of a sum.
"""

from __future__ import annotations

import math
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from raydensity.data.dataset import Arrays, Description, Source
from raydensity.randomness import generator
from raydensity.spec import Teacher

HIDDEN = 32  # units: a quarter of the network at width 1
DEVIATION = 1e-2  # of the weights, before they are cut at two deviations
BLOCK = 1_000
LEAST_SHARE, LARGEST_SHARE = 0.4, 0.6  # of the inputs that may have one label


class Weights(NamedTuple):
    """A teacher: kernels of its hidden layer [HIDDEN, inputs] and of its output layer [2, HIDDEN]; biases are zero."""

    hidden: Tensor
    output: Tensor

    def labels(self, inputs: Tensor) -> Tensor:
        """The larger output's number: float32 [n, inputs] -> int64 [n]."""
        hidden = (inputs.double() @ self.hidden.double().T).relu()
        return (hidden @ self.output.double().T).argmax(1)


def block(options: Teacher, purpose: str | int) -> Tensor:
    """Inputs of the validation or of the test part, or the training inputs' block of that number: [BLOCK, inputs]."""
    source = generator(options.seed, "teacher", options.inputs, "inputs", purpose)
    return torch.randn(BLOCK, options.inputs, generator=source)


@cache
def teacher(inputs: int, seed: int) -> Weights:
    """The first teacher of a seed whose labels are both frequent.

    It is judged by the inputs that data sets of all sizes have: the first block to train on, validation and test part.
    """
    options = Teacher(inputs=inputs, seed=seed)
    judged = [block(options, purpose) for purpose in (0, "validation", "test")]
    source = generator(seed, "teacher", inputs, "weights")
    while True:
        drawn = Weights(_kernel((HIDDEN, inputs), source), _kernel((2, HIDDEN), source))
        share = torch.cat([drawn.labels(each) for each in judged]).double().mean().item()
        if LEAST_SHARE <= share <= LARGEST_SHARE:
            return drawn


def _kernel(shape: tuple[int, int], source: torch.Generator) -> Tensor:
    """TensorFlow's truncated normal: cut at two deviations, which takes 12 % off the deviation."""
    cut = 2 * DEVIATION
    return torch.nn.init.trunc_normal_(torch.empty(shape), std=DEVIATION, a=-cut, b=cut, generator=source)


def read(options: Teacher, root: Path) -> Arrays:
    """The data set, validation part last in the training file; the data folder plays no part."""
    samples, answers = options.samples, teacher(options.inputs, options.seed).labels
    images = torch.empty(samples + BLOCK, options.inputs)
    labels = torch.empty(samples + BLOCK, dtype=torch.int64)
    purposes: list[str | int] = [*range(math.ceil(samples / BLOCK)), "validation"]
    starts = [*range(0, samples, BLOCK), samples]
    for purpose, start, end in zip(purposes, starts, [*starts[1:], samples + BLOCK], strict=True):
        made = block(options, purpose)
        images[start:end], labels[start:end] = made[: end - start], answers(made)[: end - start]
    test = block(options, "test")
    return Arrays(images, labels, test, answers(test))


@cache
def source(options: Teacher) -> Source:
    """The data set with its options."""
    description = Description(
        name="teacher",
        input_shape=(options.inputs,),
        classes=2,
        train_size=options.samples + BLOCK,
        validation_size=BLOCK,
        test_size=BLOCK,
        held_out="last",
        pixels=False,
    )
    return Source(description, partial(read, options), verify=lambda root: None)
