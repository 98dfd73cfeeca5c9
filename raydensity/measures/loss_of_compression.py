"""Which compression costs nothing: the smallest of several networks that answer validation rows as well as before.

Plain Python: grids and analysis read it without torch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


def score(row: Mapping[str, Any], part: str = "validation") -> float:
    """How good a network is, larger is better: accuracy, or of a regression the squared error with a minus."""
    accuracy = row[f"{part}_accuracy"]
    return -row[f"{part}_loss"] if row["task"] == "regression" else accuracy


def smallest_without_loss(rows: Iterable[Mapping[str, Any]], before: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Of records of compressed networks the one with the fewest parameters whose validation score is no worse than that
    `before`; of several the best. None where there is none."""
    good = [row for row in rows if row["status"] == "finished" and score(row) >= score(before)]
    return min(good, key=lambda row: (row["parameters_after"], -score(row)), default=None)


def best(rows: Iterable[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The one with the best validation score; of several the smallest. None where there is none."""
    finished = [row for row in rows if row["status"] == "finished"]
    return max(finished, key=lambda row: (score(row), -row["parameters_after"]), default=None)
