"""Which units a study calls prunable or redundant, in the form in which they are removed (specification b.5, b.6)."""

from __future__ import annotations

import torch
from torch import Tensor

from raydensity.measures.chunks import in_chunks
from raydensity.measures.covariance import covariances
from raydensity.measures.evaluation_mode import evaluation_mode
from raydensity.measures.prunability import order_of_removal, prunability
from raydensity.measures.redundancy import redundancy
from raydensity.measures.tolerances import CHANGED, UNEXPLAINED, redundant_units, threshold
from raydensity.models.chain import Chain


@torch.no_grad()
def prunable(network: Chain, images: Tensor, *, seed: int = 0, tolerance: float = CHANGED) -> dict[str, Tensor]:
    """The units that stay [units], as masks by layer for `excise`: the others can go from all layers at once.

    They are the first ones of the random order, out of three, of which most can be ablated until a share `tolerance` of
    the answers to images [batch, ...] changes, interpolated between seven levels: a little more may change. One unit of
    a layer stays. With `seed` from a spec's `prune_seed` and the test images they are those that its record counts.
    Raises ValueError without images. Of networks whose blocks add to what they see (`Wiring.accumulates`) they are what
    may be ablated where a layer ends, and no more: `excise` removes a unit from all blocks, which changes other
    answers, and refuses layers of one stream that lose different units.
    """
    curves = [curve for curve in prunability(network, in_chunks(network, images), seed=seed) if curve.layer == "all"]
    shares = [threshold(curve.removed, curve.unchanged, tolerance) for curve in curves]
    best = max(range(len(curves)), key=shares.__getitem__)
    kept = {}
    with evaluation_mode(network):
        first = network.activations(images[:1])
    for layer, output in first.items():
        if layer in network.ablated_layers():
            units = output.shape[1]
            number = min(int(shares[best] * units), units - 1)
            kept[layer] = order_of_removal(units, seed=seed, repeat=curves[best].repeat, layer=layer) >= number
    return kept


@torch.no_grad()
def redundant(network: Chain, images: Tensor, *, seed: int = 0, tolerance: float = UNEXPLAINED) -> dict[str, int]:
    """How many units of each hidden layer are redundant, for `refactor`; one unit of a layer stays.

    They are as many as principal components make up the last share `tolerance` of the variance on images [batch, ...],
    or on a sample of their positions, drawn by `seed`; the units that stay may leave twice as much of it unexplained.
    Layers of a residual stream lose as many as that of them with the fewest. Raises ValueError for fewer than two
    images.
    """
    found = redundancy(covariances(network, in_chunks(network, images), count=len(images), seed=seed))
    own = {
        spectrum.layer: min(redundant_units(spectrum.eigenvalues, tolerance), len(spectrum.eigenvalues) - 1)
        for spectrum in found
        if spectrum.repeat == 0
    }
    return {layer: min(own[each] for each in wiring.layers) for wiring in network.wiring() for layer in wiring.layers}
