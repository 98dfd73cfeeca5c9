"""Whether the units of a narrow and of a wide network differ in how interpretable they are, block by block."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import torch
from torch import Tensor

from raydensity.interpretability.maximization import Ascent, maximizing_images
from raydensity.interpretability.permutation_test import PERMUTATIONS, rank_permutation_test
from raydensity.interpretability.total_variation import spectral_total_variation, total_variation
from raydensity.models.chain import Chain
from raydensity.randomness import generator

MEASURES = {"image": total_variation, "spectrum": spectral_total_variation}


def compare(
    narrow: Chain,
    wide: Chain,
    *,
    input_shape: tuple[int, ...],
    seed: int = 0,
    most_units: int | None = None,
    preprocess: Callable[[Tensor], Tensor] = lambda images: images,
    ascent: Ascent | None = None,
    permutations: int = PERMUTATIONS,
) -> pd.DataFrame:
    """Total variation of the images that maximise units, tested between two networks of one architecture.

    A row for each hidden layer (the paper's blocks) and each of the measures `image` and `spectrum`: layer, measure;
    units_narrow and units_wide, how many are compared, and silent_narrow and silent_wide, how many more were tried that
    no image excites, so that there is none to measure; mean_narrow and mean_wide of the measure; statistic (mean rank
    of the narrow network's units minus that of the wide one's: below 0 the narrow one is easier to interpret) and its
    two-sided p, both NaN where a layer has fewer than two units to compare. p are not corrected for the number of rows.

    Of layers with more units than `most_units` so many are drawn. The other options are those of `maximizing_images`.
    Raises ValueError where the networks differ in their layers, and as that does.
    """
    layers = [[name for name in network.steps() if name != "logits"] for network in (narrow, wide)]
    if layers[0] != layers[1]:
        raise ValueError(f"networks of one architecture are compared, not {' and '.join('-'.join(n) for n in layers)}")
    rows = []
    for layer in layers[0]:
        images, silent = {}, {}
        for name, network in (("narrow", narrow), ("wide", wide)):
            units = _units(network, layer, input_shape, most_units, seed, preprocess)
            found = maximizing_images(
                network, layer, units, input_shape=input_shape, seed=seed, preprocess=preprocess, ascent=ascent
            )
            excited = found.activations != 0
            images[name], silent[f"silent_{name}"] = found.images[excited], int((~excited).sum())
        for measure, of in MEASURES.items():
            values = {name: of(each).cpu().numpy() for name, each in images.items()}
            row: dict[str, object] = {"layer": layer, "measure": measure}
            row |= {f"units_{name}": len(each) for name, each in values.items()} | silent
            row |= {f"mean_{name}": each.mean() if len(each) else float("nan") for name, each in values.items()}
            if min(map(len, values.values())) > 1:
                test = rank_permutation_test(*values.values(), seed=seed, permutations=permutations)
                row |= {"statistic": test.statistic, "p": test.p}
            else:
                row |= {"statistic": float("nan"), "p": float("nan")}
            rows.append(row)
    return pd.DataFrame(rows)


@torch.no_grad()
def _units(
    network: Chain,
    layer: str,
    input_shape: tuple[int, ...],
    most: int | None,
    seed: int,
    preprocess: Callable[[Tensor], Tensor],
) -> list[int]:
    """All units of a layer, or as many as are wanted of them, drawn without replacement."""
    device = next(network.parameters()).device
    seen = preprocess(torch.zeros(1, *input_shape, device=device))
    count = network.eval().activations(seen)[layer].shape[1]
    if most is None or most >= count:
        return list(range(count))
    return torch.randperm(count, generator=generator(seed, "units", layer))[:most].sort().values.tolist()
