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


def judge(rule: StoppingRule, curves: Curves, *, kept: int, last: bool) -> Verdict:
    """The verdict on the latest epoch of `curves`, all finite; with the `last` one all epochs are trained.

    `kept` is the epoch, counted from 1, whose weights have been kept so far; 0: none yet. It stands for all that the
    curves had before, so that a verdict takes as long in the thousandth epoch as in the first. Every rule needs its
    curve in the latest epoch, except LastEpoch, which needs none.
    """
    if isinstance(rule, ValidationMinimum):
        losses = curves["validation_loss"]
        keeps = not kept or _at(losses, 0) <= _at(losses, kept)
        return Verdict(keeps, done=last, converged=not keeps)  # a minimum in the last epoch may not be one
    if isinstance(rule, LossTarget):
        reached = _at(curves[f"{rule.split}_loss"], 0) <= rule.loss
        return Verdict(reached or last, done=reached or last, converged=reached)
    if isinstance(rule, BestAccuracy):
        accuracies = curves[f"{rule.split}_accuracy"]
        keeps = not kept or _at(accuracies, 0) > _at(accuracies, kept)
        waited = 0 if keeps else len(accuracies) - kept
        perfect = rule.split == "train" and _at(accuracies, 0) == 1
        # Without patience all epochs are what the rule asks for.
        converged = perfect or (last if rule.patience is None else waited >= rule.patience)
        return Verdict(keeps, done=converged or last, converged=converged)
    return Verdict(last, done=last, converged=last)


def _at(curve: Sequence[float | None], epoch: int) -> float:
    """The value of an epoch; 0 stands for the latest."""
    value = curve[epoch - 1]
    assert value is not None, "the rule needs this curve in every epoch"
    return value
