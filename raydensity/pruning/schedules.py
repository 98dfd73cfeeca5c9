"""How many weights are left while a method prunes in steps."""

from __future__ import annotations

from collections.abc import Sequence

from raydensity.pruning.published_counts import COUNTS
from raydensity.spec.sparsity import AnyMethod


def counts_left(method: AnyMethod, total: int, finals: Sequence[int], step: int = 1, steps: int = 1) -> list[int]:
    """Of networks with `total` weights that end with `finals`, how many each keeps after `step` of `steps`, from 1.

    They fall by the same factor in each step, or as the published code's do.
    """
    if method.published:
        return [COUNTS[method.name](total, final, step, steps) for final in finals]
    return [exponential(total, final, step / steps) for final in finals]


def exponential(total: int, final: int, progress: float) -> int:
    """From `total` to `final`, by the same factor in equal steps of `progress` from 0 to 1."""
    return max(final, round(total * (final / total) ** progress))


def cubic(total: int, final: int, progress: float, *, published: bool = False) -> int:
    """From `total` to `final`, fast at first: final + (total - final) (1 - progress)^3 (Zhu and Gupta 2018).

    The published code cuts the fraction off, and goes on beyond a progress of 1, which makes one fewer.
    """
    if published:
        return int(final + (total - final) * (1 - progress) ** 3)
    return round(final + (total - final) * (1 - min(1.0, progress)) ** 3)
