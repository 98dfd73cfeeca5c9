"""Redundancy: the spectrum of a hidden layer's covariance ("Frivolous Units", specification b.6). Shapes: U units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch

from raydensity.measures.covariance import Covariance


class Spectrum(NamedTuple):
    """The eigenvalues [U] of a layer's covariance, ascending, over `rows` examples; `repeat` counts the samples."""

    layer: str
    repeat: int
    rows: int
    eigenvalues: list[float]


def redundancy(found: Mapping[str, Sequence[Covariance]]) -> list[Spectrum]:
    """The spectra of all layers and repeats. Those below 0, which a covariance has only by rounding, are 0."""
    spectra = []
    for layer, repeats in found.items():
        for repeat, covariance in enumerate(repeats):
            eigenvalues = torch.linalg.eigvalsh(covariance.matrix().cpu()).clamp(min=0)
            spectra.append(Spectrum(layer, repeat, covariance.examples, eigenvalues.tolist()))
    return spectra
