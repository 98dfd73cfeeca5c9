"""How far a method gets without loss: its smallest network that validation rows do not tell from the original, or that
they find worse by no more than a tolerance."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import pandas as pd

from analysis.odf2nna.methods import OURS
from analysis.odf2nna.networks import KEYS, Networks
from raydensity.measures.loss_of_compression import TOLERANCE, smallest_without_loss
from raydensity.measures.loss_of_compression import best as best_validated

STRICT = 0.0  # the paper's "without loss", taken at its word
TOLERANCES = {STRICT: "without loss", TOLERANCE: f"within {TOLERANCE:g} point or percent"}

ANY = f"{OURS}, any criterion"
TAKEN = ["parameters_after", "score", "score_scratch", "share_gone", "criterion", "level"]
TAKEN += ["gain", "gain_scratch", "gain_trained_on"]


def candidates(networks: Networks) -> pd.DataFrame:
    """Networks that are compared: those refined as long as usual.

    ODF2NNA stands there once more with all its criteria, as who chooses epsilon would have them.
    """
    rows = networks.smaller
    rows = rows[rows["refinement"].eq(networks.refinement)]
    every = rows[rows["method"].eq(OURS) & rows["variant"].isin([OURS, f"{OURS}, absolute", f"{OURS}, relative"])]
    if every["criterion"].nunique() > 1:
        rows = pd.concat([rows, every.assign(variant=ANY)], ignore_index=True)
    return rows


def chosen(networks: Networks, tolerance: float) -> pd.DataFrame:
    """Of each original and variant the smallest network whose validation score is no worse, or by at most a tolerance
    in points of accuracy or percent of the squared error: one row each.

    Where there is none the original stays, its parameters and its score, also in the place of one from scratch; `found`
    is False.
    """
    return _of_each(networks, partial(smallest_without_loss, tolerance=tolerance)).assign(tolerance=tolerance)


def best(networks: Networks) -> pd.DataFrame:
    """Of each original and variant the network with the best validation score, whether or not it is without loss."""
    return _of_each(networks, lambda rows, _: best_validated(rows))


COMMON = ["variant", "method", "task", "parameters_before", "score_before"]
NOTHING = ("gain", "share_gone")
Choice = Callable[[list[dict[str, Any]], dict[str, Any]], Mapping[str, Any] | None]


def _of_each(networks: Networks, choose: Choice) -> pd.DataFrame:
    """What is chosen among those that did lose something: an epsilon may be too small for any unit."""
    originals = {tuple(row[key] for key in KEYS): row for row in networks.originals.to_dict("records")}
    frame = candidates(networks)
    known = frame[frame["score_scratch"].notna()]
    started = set(zip(known["dataset"], known["variant"], strict=True))
    groups = defaultdict(list)
    for row in frame.to_dict("records"):  # at once: of a group at a time it takes minutes
        groups[tuple(row[key] for key in [*KEYS, "variant"])].append(row)
    rows = []
    for key, own in groups.items():
        before, variant = originals[key[:-1]], key[-1]
        common = dict(zip([*KEYS, "variant"], key, strict=True)) | {"method": own[0]["method"]}
        common |= {"task": before["task"], "parameters_before": before["parameters"], "score_before": before["score"]}
        taken = choose([row for row in own if row["parameters_after"] < row["parameters"]], before)
        if taken is None:
            stays = {"parameters_after": before["parameters"], "score": before["score"]}
            if (before["dataset"], variant) in started:
                stays |= {"score_scratch": before["score"]}
            rows.append(common | stays | dict.fromkeys(NOTHING, 0.0) | {"found": False})
        else:
            rows.append(common | {name: taken[name] for name in TAKEN} | {"found": True})
    table = pd.DataFrame(rows, columns=[*KEYS, *COMMON, *TAKEN, "found"])
    return table.astype(dict.fromkeys(["score_scratch", "gain_scratch", "gain_trained_on"], float))
