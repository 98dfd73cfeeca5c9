"""Stopping rules: whether a network is done, and which weights it keeps, from nothing but its curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from raydensity.spec import BestAccuracy, LossTarget, StoppingRule, ValidationMinimum

Curves = Mapping[str, Sequence[float | None]]


class Verdict(NamedTuple):
    """After an epoch: the network keeps its weights of now, trains no further, has met its rule."""

    keeps: bool
    done: bool
    converged: bool


def judge(rule: StoppingRule, curves: Curves, *, last: bool) -> Verdict:
    """The verdict on the latest epoch of `curves`, all finite; with the `last` one all epochs are trained.

    What was not evaluated is None: every rule needs its curve in all epochs, except LastEpoch, which needs none.
    """
    if isinstance(rule, ValidationMinimum):
        losses = _known(curves["validation_loss"])
        keeps = losses[-1] <= min(losses)
        return Verdict(keeps, done=last, converged=not keeps)  # a minimum in the last epoch may not be one
    if isinstance(rule, LossTarget):
        reached = _known(curves[f"{rule.split}_loss"])[-1] <= rule.loss
        return Verdict(reached or last, done=reached or last, converged=reached)
    if isinstance(rule, BestAccuracy):
        accuracies = _known(curves[f"{rule.split}_accuracy"])
        waited = len(accuracies) - 1 - accuracies.index(max(accuracies))
        perfect = rule.split == "train" and accuracies[-1] == 1
        # Without patience all epochs are what the rule asks for.
        converged = perfect or (last if rule.patience is None else waited >= rule.patience)
        return Verdict(waited == 0, done=converged or last, converged=converged)
    return Verdict(last, done=last, converged=last)


def _known(curve: Sequence[float | None]) -> list[float]:
    return [value for value in curve if value is not None]
