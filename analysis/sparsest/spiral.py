"""The Cubist Spiral as a picture needs it, without torch: the corners of its arms in the networks' coordinates.

The construction is that of `raydensity/data/spiral.py`, which makes the points that networks see; a test holds them
together. They are two, since numpy's and torch's evenly spaced numbers differ in their last bits, and what finished
networks were trained on must not move.
"""

from __future__ import annotations

import functools
import math

import numpy as np
from numpy.typing import NDArray

VERTICES = 17  # of an arm
HALF_DISTANCE = 15  # between the arms

Points = NDArray[np.float64]


@functools.cache
def arms(samples: int) -> tuple[Points, Points]:
    """The corners of the outer (class 0) and the inner arm (class 1), [17, 2] each, standardised as the points are."""
    corners = _corners()
    points = np.concatenate([_along(arm, samples // 2) for arm in corners])
    mean, deviation = points.mean(axis=0), points.std(axis=0, ddof=1)
    outer, inner = ((arm - mean) / deviation for arm in corners)
    return outer, inner


def _corners() -> tuple[Points, Points]:
    angle = np.linspace(math.pi, 5 * math.pi, VERTICES) + 1.6 / 8 * 2 * math.pi
    direction = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    middle = (10 * angle + math.pi)[:, None] * direction
    return middle + HALF_DISTANCE * direction, middle - HALF_DISTANCE * direction


def _along(corners: Points, points: int) -> Points:
    """The points of an arm: each segment gets its share by length, rounded down, evenly spaced with both ends."""
    lengths = np.linalg.norm(np.diff(corners, axis=0), axis=1)
    parts = []
    for start, end, share in zip(corners, corners[1:], lengths / lengths.sum(), strict=False):
        position = np.linspace(0, 1, int(share * points))[:, None]
        parts.append(start + position * (end - start))
    return np.concatenate(parts)
