"""Initial weights: Glorot, He and LeCun, uniform and (truncated) normal; biases zero, or as the architecture says;
batch norm the identity.

`small_normal` is that of the dense networks of Frivolous Units (specification b.2). Two more are PyTorch's, and draw
biases as it does: its default, and Xavier normal (Glorot's, not cut) for the kernels of a network that PyTorch has
made.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from raydensity import published_weights
from raydensity.models import initial_biases, is_prunable
from raydensity.models.mlp import embedded, narrow_shapes
from raydensity.published_weights import Weights
from raydensity.randomness import generator
from raydensity.spec import InitializerName, NetworkSpec
from raydensity.spec.sparsity import Units

# Deviation of a standard normal cut at two deviations: Keras and JAX divide by it to keep the variance.
TRUNCATED_DEVIATION = 0.87962566103423978
PYTORCHS = ("torch_default", "xavier_normal")
SMALL_DEVIATIONS = {"hidden": 1e-3, "last": 1e-2}  # of `small_normal`, before it is cut


def fans(shape: tuple[int, ...]) -> tuple[int, int]:
    """(n_in, n_out) of a kernel: [out, in], [out, in, height, width], or unshared [positions, out, in * taps]."""
    if len(shape) == 3:  # each position has a kernel of its own; 3x3 taps
        return shape[2], shape[1] * 9
    taps = math.prod(shape[2:])
    return shape[1] * taps, shape[0] * taps


def draw(
    shape: tuple[int, ...], initializer: InitializerName, source: torch.Generator, *, last: bool = False
) -> Tensor:
    """One kernel. Glorot: variance 2 / (n_in + n_out); He: 2 / n_in; LeCun: 1 / n_in (density paper, section 4.4).

    Uniform draws are U[-a, a] with a = sqrt(3 * variance); normal ones are cut at two deviations, as Keras does.
    PyTorch's default is U[-a, a] with a = 1 / sqrt(n_in), its `xavier_normal` has Glorot's variance and is not cut.
    `small_normal` is cut at two deviations, of 1e-3 in hidden layers and 1e-2 in the last one; as in TensorFlow its
    variance is then smaller.
    """
    fan_in, fan_out = fans(shape)
    if initializer == "torch_default":
        return torch.empty(shape).uniform_(-1 / math.sqrt(fan_in), 1 / math.sqrt(fan_in), generator=source)
    if initializer == "xavier_normal":
        return torch.empty(shape).normal_(0, math.sqrt(2 / (fan_in + fan_out)), generator=source)
    if initializer == "small_normal":
        return _truncated(shape, SMALL_DEVIATIONS["last" if last else "hidden"], source)
    family, distribution = initializer.split("_")
    variance = {"glorot": 2 / (fan_in + fan_out), "he": 2 / fan_in, "lecun": 1 / fan_in}[family]
    if distribution == "uniform":
        bound = math.sqrt(3 * variance)
        return torch.empty(shape).uniform_(-bound, bound, generator=source)
    return _truncated(shape, math.sqrt(variance) / TRUNCATED_DEVIATION, source)


def _truncated(shape: tuple[int, ...], deviation: float, source: torch.Generator) -> Tensor:
    kernel = torch.empty(shape)
    return torch.nn.init.trunc_normal_(kernel, std=deviation, a=-2 * deviation, b=2 * deviation, generator=source)


def initial_parameters(
    shapes: dict[str, tuple[int, ...]],
    initializer: InitializerName,
    init_seed: int,
    *,
    factor: float = 1.0,
    biases: Mapping[str, float] | None = None,
) -> dict[str, Tensor]:
    """All parameters of one network on the CPU, by name; each kernel is drawn from a generator of its own.

    `factor` multiplies the kernels; `biases` are those that do not start at zero, unless PyTorch's way draws them.
    """
    parameters = {}
    last = [name for name, shape in shapes.items() if is_prunable(name, shape)][-1:]
    for name, shape in shapes.items():
        kernel = shapes.get(name.removesuffix("bias") + "weight", ())
        if is_prunable(name, shape):
            source = generator(init_seed, "init", name)
            parameters[name] = draw(shape, initializer, source, last=name in last).mul_(factor)
        elif initializer in PYTORCHS and name.endswith("bias") and len(kernel) >= 2:
            bound = 1 / math.sqrt(fans(kernel)[0])
            parameters[name] = torch.empty(shape).uniform_(-bound, bound, generator=generator(init_seed, "init", name))
        elif name.endswith("weight"):  # the scale of a batch norm
            parameters[name] = torch.ones(shape)
        else:
            parameters[name] = torch.full(shape, (biases or {}).get(name, 0.0))
    return parameters


def starting_parameters(
    shapes: dict[str, tuple[int, ...]], spec: NetworkSpec, published: Mapping[str, Weights]
) -> dict[str, Tensor]:
    """The parameters that a network starts from, on the CPU: drawn, or those in `published` that its spec names."""
    if spec.initial_weights:
        return published_weights.fitted(published[spec.initial_weights], shapes)
    own = narrow_shapes(shapes, spec.sparsity.kept) if isinstance(spec.sparsity, Units) else shapes
    drawn = initial_parameters(
        own,
        spec.initializer,
        spec.init_seed,
        factor=spec.initializer_factor,
        biases=initial_biases(spec.architecture),
    )
    return drawn if own is shapes else embedded(drawn, shapes)
