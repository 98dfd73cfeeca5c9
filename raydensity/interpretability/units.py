"""How interpretable the units of a network are, by the images that excite them most."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from raydensity.interpretability.maximization import Ascent, maximizing_images
from raydensity.interpretability.total_variation import spectral_total_variation, total_variation
from raydensity.measures.evaluation_mode import evaluation_mode
from raydensity.models.chain import Chain
from raydensity.randomness import generator

MOST_UNITS = 32  # of a layer, where a sweep measures them
SHOWN = 8  # of these, whose images are kept: as in the paper's Figure 5


class UnitImage(NamedTuple):
    """One unit of a hidden layer (the paper's blocks), and the image that excites it.

    `activation` is 0 where no image does: then there is nothing to interpret. The total variations of the image and of
    its spectrum are lower the easier it is. `image` is [C, H, W] as bytes (uint8), None where it was not kept.
    """

    layer: str
    unit: int
    activation: float
    image_variation: float
    spectral_variation: float
    image: bytes | None


def unit_images(
    network: Chain,
    *,
    input_shape: tuple[int, ...],
    seed: int,
    most_units: int | None = None,
    shown: int = 0,
    preprocess: Callable[[Tensor], Tensor] = lambda images: images,
    ascent: Ascent | None = None,
) -> list[UnitImage]:
    """The units of all hidden layers; of layers with more units than `most_units` so many, drawn.

    The images of the first `shown` units that are excited are kept. The other options are those of `maximizing_images`,
    as is what it raises.
    """
    found = []
    for layer, count in _counts(network, input_shape, preprocess).items():
        units = _drawn(layer, count, most_units, seed)
        images, activations = maximizing_images(
            network, layer, units, input_shape=input_shape, seed=seed, preprocess=preprocess, ascent=ascent
        )
        variations = zip(total_variation(images).tolist(), spectral_total_variation(images).tolist(), strict=True)
        pixels = images.mul(255).round().byte().cpu().numpy()
        left = shown
        for unit, activation, (own, spectral), image in zip(
            units, activations.tolist(), variations, pixels, strict=True
        ):
            keep = left > 0 and activation != 0
            left -= keep
            found.append(UnitImage(layer, unit, activation, own, spectral, image.tobytes() if keep else None))
    return found


@torch.no_grad()
def _counts(network: Chain, input_shape: tuple[int, ...], preprocess: Callable[[Tensor], Tensor]) -> dict[str, int]:
    """How many units each hidden layer has."""
    seen = preprocess(torch.zeros(1, *input_shape, device=next(network.parameters()).device))
    with evaluation_mode(network):
        return {layer: output.shape[1] for layer, output in network.activations(seen).items()}


def _drawn(layer: str, count: int, most: int | None, seed: int) -> list[int]:
    """All units of a layer, or as many as are wanted of them, drawn without replacement."""
    if most is None or most >= count:
        return list(range(count))
    return torch.randperm(count, generator=generator(seed, "units", layer))[:most].sort().values.tolist()
