"""Which compression costs nothing, or little: the smallest of several networks that answer validation rows as well.

Plain Python: grids and analysis read it without torch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

TOLERANCE = 1.0  # points of accuracy, or percent of the squared error, that are no loss to speak of
ROUNDING = 1e-9  # share of a tolerance: 0.91 - 0.90 is more than 0.01


def score(row: Mapping[str, Any], part: str = "validation") -> float:
    """How good a network is, larger is better: accuracy, or of a regression the squared error with a minus."""
    accuracy = row[f"{part}_accuracy"]
    return -row[f"{part}_loss"] if row["task"] == "regression" else accuracy


def smallest_without_loss(
    rows: Iterable[Mapping[str, Any]], before: Mapping[str, Any], *, tolerance: float = 0.0
) -> Mapping[str, Any] | None:
    """Of records of compressed networks the one with the fewest parameters whose validation score is no worse than that
    `before`, or worse by at most `tolerance` points of accuracy, of a regression percent of its squared error.

    Of several the best; None where there is none.
    """
    allowed = tolerance / 100 * (before["validation_loss"] if before["task"] == "regression" else 1)
    most = allowed * (1 + ROUNDING)
    good = [row for row in rows if row["status"] == "finished" and score(before) - score(row) <= most]
    return min(good, key=lambda row: (row["parameters_after"], -score(row)), default=None)


def best(rows: Iterable[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The one with the best validation score; of several the smallest. None where there is none."""
    finished = [row for row in rows if row["status"] == "finished"]
    return max(finished, key=lambda row: (score(row), -row["parameters_after"]), default=None)
