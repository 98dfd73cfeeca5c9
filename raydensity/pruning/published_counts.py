"""How many weights the code of "Sparsest Models Elude Pruning" means to keep, where floating point decides.

Each formula is computed in the order of operations of that code (github.com/stephenqz/sparsest), which cuts fractions
off: where one stands for a whole number, that is one less whenever the last bit falls short. `total` weights, of which
`final` are asked for; of methods in steps, `step` of `steps`, counted from 1.
"""

from __future__ import annotations

import math

import numpy as np


def snip(total: int, final: int, step: int = 1, steps: int = 1) -> int:
    return int(total * (final / total))


def grasp(total: int, final: int, step: int = 1, steps: int = 1) -> int:
    removed = 1.0 - final / total
    return total - int(total * (1 - (1 - removed)))


def prospr(total: int, final: int, step: int = 1, steps: int = 1) -> int:
    removed = 1.0 - final / total
    return math.ceil(total * (1 - removed))


def force(total: int, final: int, step: int, steps: int) -> int:
    """Also Iter-SNIP's. The comparison that follows drops one more."""
    return int(total * np.exp(0 - (step * (0 - np.log(final / total)) / steps)))


def synflow(total: int, final: int, step: int, steps: int) -> int:
    """The comparison that follows drops one more, but where nothing is removed."""
    ratio = float(step) / steps
    return total - int(total - final**ratio / total ** (ratio - 1.0))


def lottery(total: int, final: int, step: int, steps: int) -> int:
    """The comparison that follows drops one more."""
    return int(total * (final / total) ** (step / steps))


COUNTS = {  # by method
    "snip": snip,
    "grasp": grasp,
    "prospr": prospr,
    "iter_snip": force,
    "force": force,
    "synflow": synflow,
    "lth": lottery,
}
