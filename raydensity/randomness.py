"""Random generators by name: each use of randomness has its own, derived from a seed and what it is for."""

from __future__ import annotations

import hashlib

import numpy as np
import torch


def generator(seed: int, *purpose: str | int) -> torch.Generator:
    """CPU generator for one purpose, such as `generator(init_seed, "init", "fc1.weight")`.

    Stateless: the same seed and purpose give the same stream wherever and in whatever order they are asked for, so
    nothing random has to be saved to go on bit-identically. Never touches the global generator.
    """
    return torch.Generator().manual_seed(_derived(seed, *purpose))


def sampler(seed: int, *purpose: str | int) -> np.random.Generator:
    """As `generator`, for drawing a few of many: torch would permute them all."""
    return np.random.default_rng(_derived(seed, *purpose))


def _derived(seed: int, *purpose: str | int) -> int:
    digest = hashlib.sha256(repr((seed, *purpose)).encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1
