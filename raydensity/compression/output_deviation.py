"""The importance of ODF2NNA: how much a unit's output varies over data (specification c.1)."""

from __future__ import annotations

from torch import Tensor

from raydensity.compression.observation import Observation


def output_deviation(seen: Observation, layer: str) -> Tensor:
    """Standard deviation over images of each unit's output after the nonlinearity, of populations (n): [U]."""
    return seen.outputs[layer].double().std(dim=0, correction=0)
