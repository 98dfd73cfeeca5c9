"""Initial weights: Glorot, He and LeCun, uniform and (truncated) normal; biases zero, batch norm the identity."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from raydensity.models import is_prunable
from raydensity.randomness import generator
from raydensity.spec import InitializerName

# Deviation of a standard normal cut at two deviations: Keras and JAX divide by it to keep the variance.
TRUNCATED_DEVIATION = 0.87962566103423978


def fans(shape: tuple[int, ...]) -> tuple[int, int]:
    """(n_in, n_out) of a kernel: [out, in], [out, in, height, width], or unshared [positions, out, in * taps]."""
    if len(shape) == 3:  # each position has a kernel of its own; 3x3 taps
        return shape[2], shape[1] * 9
    taps = math.prod(shape[2:])
    return shape[1] * taps, shape[0] * taps


def draw(shape: tuple[int, ...], initializer: InitializerName, source: torch.Generator) -> Tensor:
    """One kernel. Glorot: variance 2 / (n_in + n_out); He: 2 / n_in; LeCun: 1 / n_in (density paper, section 4.4).

    Uniform draws are U[-a, a] with a = sqrt(3 * variance); normal ones are cut at two deviations, as Keras does.
    """
    fan_in, fan_out = fans(shape)
    family, distribution = initializer.split("_")
    variance = {"glorot": 2 / (fan_in + fan_out), "he": 2 / fan_in, "lecun": 1 / fan_in}[family]
    if distribution == "uniform":
        bound = math.sqrt(3 * variance)
        return torch.empty(shape).uniform_(-bound, bound, generator=source)
    deviation = math.sqrt(variance) / TRUNCATED_DEVIATION
    kernel = torch.empty(shape)
    return torch.nn.init.trunc_normal_(kernel, std=deviation, a=-2 * deviation, b=2 * deviation, generator=source)


def initial_parameters(
    shapes: dict[str, tuple[int, ...]], initializer: InitializerName, init_seed: int
) -> dict[str, Tensor]:
    """All parameters of one network on the CPU, by name; each kernel is drawn from a generator of its own."""
    parameters = {}
    for name, shape in shapes.items():
        if is_prunable(name, shape):
            parameters[name] = draw(shape, initializer, generator(init_seed, "init", name))
        else:  # biases are zero, the scale of a batch norm is one
            parameters[name] = torch.ones(shape) if name.endswith("weight") else torch.zeros(shape)
    return parameters
