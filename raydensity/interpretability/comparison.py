"""Whether the units of narrow and of wide networks differ in how interpretable they are, block by block."""

from __future__ import annotations

import pandas as pd

from raydensity.interpretability.permutation_test import PERMUTATIONS, rank_permutation_test

MEASURES = {"image": "image_variation", "spectrum": "spectral_variation"}


def compare(
    narrow: pd.DataFrame, wide: pd.DataFrame, *, seed: int = 0, permutations: int = PERMUTATIONS
) -> pd.DataFrame:
    """Total variation of the images that excite units, tested between networks of one architecture and two widths.

    `narrow` and `wide` have a row a unit with the columns of `UnitImage`, of one or more networks. A row for each
    hidden layer (the paper's blocks) and each of the measures `image` and `spectrum`: layer, measure; units_narrow and
    units_wide, how many are compared, and silent_narrow and silent_wide, how many more were tried that no image
    excites, so that there is none to measure; mean_narrow and mean_wide of the measure; statistic (mean rank of the
    narrow networks' units minus that of the wide ones': below 0 the narrow ones are easier to interpret) and its
    two-sided p, both NaN where a layer has fewer than two units to compare. p are not corrected for the number of rows.
    Raises ValueError where the networks differ in their layers.
    """
    layers = [list(units["layer"].unique()) for units in (narrow, wide)]
    if layers[0] != layers[1]:
        raise ValueError(f"networks of one architecture are compared, not {' and '.join('-'.join(n) for n in layers)}")
    rows = []
    for layer in layers[0]:
        own = {name: units[units["layer"] == layer] for name, units in (("narrow", narrow), ("wide", wide))}
        silent = {f"silent_{name}": int((units["activation"] == 0).sum()) for name, units in own.items()}
        for measure, column in MEASURES.items():
            values = {name: units.loc[units["activation"] != 0, column].to_numpy() for name, units in own.items()}
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
