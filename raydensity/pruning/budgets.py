"""How many weights each layer keeps of a total: exactly that total, and never more than a layer has."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction


def erdos_renyi_kernel(shapes: Sequence[tuple[int, ...]], total: int) -> list[int]:
    """Weights kept by each layer, proportional to the sum of the sizes of its kernel ("ERK").

    For dense layers that is fan-in plus fan-out, so narrow layers stay denser. A layer whose part would be more than it
    has is kept whole, and the others share the rest (Evci et al., "Rigging the Lottery", section 3). Parts are rounded
    by the largest remainder, ties to the earlier layer, so a layer with a small part may keep none. Raises ValueError
    if there are fewer than `total` weights or it is negative.
    """
    return _rounded(quotas(shapes, total, distribution="erk"), total)


def uniform(shapes: Sequence[tuple[int, ...]], total: int) -> list[int]:
    """Weights kept by each layer, the same share of each, rounded by the largest remainder, ties to the earlier layer.

    Raises ValueError if there are fewer than `total` weights or it is negative.
    """
    return _rounded(quotas(shapes, total, distribution="uniform"), total)


def zeros_rounded_down(shapes: Sequence[tuple[int, ...]], total: int, *, distribution: str) -> list[int]:
    """Weights kept by each layer where its zeros are rounded down, as the published code of RigL does: `total` or more.

    Raises ValueError if there are fewer than `total` weights or it is negative.
    """
    sizes = _sizes(shapes, total)
    shares = zip(sizes, quotas(shapes, total, distribution=distribution), strict=True)
    return [size - math.floor(size - share) for size, share in shares]


def quotas(shapes: Sequence[tuple[int, ...]], total: int, *, distribution: str) -> list[Fraction]:
    """The exact part of each layer, before rounding; `distribution` is "erk" or "uniform".

    Raises ValueError if there are fewer than `total` weights or it is negative.
    """
    sizes = _sizes(shapes, total)
    parts = sizes if distribution == "uniform" else [sum(shape) for shape in shapes]
    whole: set[int] = set()
    while True:
        open_layers = [layer for layer in range(len(shapes)) if layer not in whole]
        rest = total - sum(sizes[layer] for layer in whole)
        divisor = sum(parts[layer] for layer in open_layers)
        over = {layer for layer in open_layers if rest * parts[layer] > sizes[layer] * divisor}
        if not over:
            break
        whole |= over
    return [
        Fraction(size) if layer in whole else Fraction(rest * part, max(1, divisor))
        for layer, (size, part) in enumerate(zip(sizes, parts, strict=True))
    ]


def _sizes(shapes: Sequence[tuple[int, ...]], total: int) -> list[int]:
    sizes = [math.prod(shape) for shape in shapes]
    if not 0 <= total <= sum(sizes):
        raise ValueError(f"{total} weights cannot be kept of {sum(sizes)}")
    return sizes


def _rounded(shares: Sequence[Fraction], total: int) -> list[int]:
    """Each share rounded down or up, `total` in all; in fractions, since floats would round where remainders tie."""
    kept = [math.floor(share) for share in shares]
    by_remainder = sorted(range(len(shares)), key=lambda layer: kept[layer] - shares[layer])
    for layer in by_remainder[: total - sum(kept)]:
        kept[layer] += 1
    return kept
