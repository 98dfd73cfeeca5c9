"""Importance of units from what they give, and from what the loss makes of it."""

from __future__ import annotations

from torch import Tensor

from raydensity.compression.observation import Observation


def mean_activation(seen: Observation, layer: str) -> Tensor:
    """Mean output: [U] (Molchanov et al. 2017, section 2.2)."""
    return seen.outputs[layer].double().mean(dim=0)


def average_percentage_of_zeros(seen: Observation, layer: str) -> Tensor:
    """Share of the images on which a unit is not zero: [U], the reverse of APoZ (Hu et al. 2016)."""
    return (seen.outputs[layer] != 0).double().mean(dim=0)


def taylor(seen: Observation, layer: str) -> Tensor:
    """Mean of |output times gradient|, to first order the change of the loss without the unit: [U] (Molchanov et al.
    2017, equation 8)."""
    return (seen.outputs[layer] * seen.gradients[layer]).double().abs().mean(dim=0)


def activation_gradient(seen: Observation, layer: str) -> Tensor:
    """Mean of |gradient| of the loss by the output: [U]."""
    return seen.gradients[layer].double().abs().mean(dim=0)
