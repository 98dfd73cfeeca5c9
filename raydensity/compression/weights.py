"""Single weights by their importance: which of the kernels [outputs, inputs] stay, by parameter name."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from raydensity.compression.observation import Observation
from raydensity.losses import is_regression
from raydensity.models import prunable
from raydensity.pruning.selection import keep_largest


def magnitude_layerwise(seen: Observation, left: Mapping[str, int]) -> dict[str, Tensor]:
    """The largest weights of each layer, as many as are `left` of it."""
    kernels = prunable(seen.network)
    return {name: _largest({name: kernel.detach().abs()}, left[name])[name] for name, kernel in kernels.items()}


def magnitude_global(seen: Observation, left: Mapping[str, int]) -> dict[str, Tensor]:
    """The largest weights of the whole network, as many as are `left` of all layers."""
    return _largest(
        {name: kernel.detach().abs() for name, kernel in prunable(seen.network).items()}, sum(left.values())
    )


def optimal_brain_damage(seen: Observation, left: Mapping[str, int]) -> dict[str, Tensor]:
    """The weights of the whole network with the largest saliency, h w^2 / 2 (LeCun et al. 1990, section 2.1).

    h is the diagonal of the Hessian of the mean loss, propagated back layer by layer without its other terms, in the
    Levenberg-Marquardt approximation, which leaves out the second derivative of the nonlinearity.
    """
    curvature = hessian_diagonal(seen)
    kernels = prunable(seen.network)
    return _largest(
        {name: curvature[name] * kernel.detach().double() ** 2 / 2 for name, kernel in kernels.items()},
        sum(left.values()),
    )


@torch.no_grad()
def hessian_diagonal(seen: Observation) -> dict[str, Tensor]:
    """Of the kernels, [outputs, inputs] in float64 by parameter name (LeCun et al. 1990, section 2.2)."""
    layers = {name: module for name, module in seen.network.named_children() if isinstance(module, nn.Linear)}
    inputs = [seen.images.flatten(1), *seen.outputs.values()]
    curved = _of_logits(seen.network(seen.images).double(), seen.labels)
    found = {}
    for (name, layer), x in reversed(list(zip(layers.items(), inputs, strict=True))):
        found[f"{name}.weight"] = curved.T @ x.double().square() / len(x)
        curved = curved @ layer.weight.double().square() * (x > 0)
    return {name: found[name] for name in prunable(seen.network)}


def _of_logits(logits: Tensor, labels: Tensor) -> Tensor:
    """Second derivatives of each image's loss by each logit, [B, C]."""
    if is_regression(labels):
        return torch.full_like(logits, 2.0)
    shares = logits.sigmoid() if logits.shape[1] == 1 else logits.softmax(1)
    return shares * (1 - shares)


def _largest(scores: dict[str, Tensor], count: int) -> dict[str, Tensor]:
    kept = keep_largest({name: score.unsqueeze(0) for name, score in scores.items()}, [count])
    return {name: mask[0] for name, mask in kept.items()}
