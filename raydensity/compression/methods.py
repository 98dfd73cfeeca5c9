"""The registry: which function each method of `spec/compression.py` is.

A score gives each unit of a layer a number, [units], and units with small ones go. A merge gives the network with so
many units left by layer, weights that of the kernels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import Tensor

from raydensity.compression import unit_merging, unit_outputs, unit_weights, weights
from raydensity.compression.observation import Observation
from raydensity.compression.output_deviation import output_deviation
from raydensity.models.mlp import DenseNetwork

SCORES: dict[str, Callable[[Observation, str], Tensor]] = {
    "output_deviation": output_deviation,
    "incoming_l1": unit_weights.incoming_l1,
    "incoming_l2": unit_weights.incoming_l2,
    "outgoing_l1": unit_weights.outgoing_l1,
    "outgoing_l2": unit_weights.outgoing_l2,
    "geometric_median": unit_weights.geometric_median,
    "mean_activation": unit_outputs.mean_activation,
    "average_percentage_of_zeros": unit_outputs.average_percentage_of_zeros,
    "taylor": unit_outputs.taylor,
    "activation_gradient": unit_outputs.activation_gradient,
}

UNITS_MERGED: dict[str, Callable[[Observation, Mapping[str, int]], DenseNetwork]] = {
    "correlation": unit_merging.correlation,
    "principal_components": unit_merging.principal_components,
}

WEIGHTS_LEFT: dict[str, Callable[[Observation, Mapping[str, int]], dict[str, Tensor]]] = {
    "magnitude_layerwise": weights.magnitude_layerwise,
    "magnitude_global": weights.magnitude_global,
    "optimal_brain_damage": weights.optimal_brain_damage,
}
