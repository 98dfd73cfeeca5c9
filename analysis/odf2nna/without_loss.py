"""How far a method gets without loss: its smallest network that validation rows do not tell from the original."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from analysis.odf2nna.methods import OURS
from analysis.odf2nna.networks import KEYS, Networks
from raydensity.measures.loss_of_compression import best as best_validated
from raydensity.measures.loss_of_compression import smallest_without_loss

ANY = f"{OURS}, any criterion"
TAKEN = ["parameters_after", "score", "score_scratch", "gain", "gain_scratch", "share_gone", "criterion", "level"]


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


def chosen(networks: Networks) -> pd.DataFrame:
    """Of each original and variant the smallest network whose validation score is no worse: one row each.

    Where there is none the original stays, its parameters and its score, also in the place of one from scratch; `found`
    is False.
    """
    return _of_each(networks, smallest_without_loss)


def best(networks: Networks) -> pd.DataFrame:
    """Of each original and variant the network with the best validation score, whether or not it is without loss."""
    return _of_each(networks, lambda rows, _: best_validated(rows))


COMMON = ["variant", "method", "task", "parameters_before", "score_before"]
NOTHING = ("gain", "gain_scratch", "share_gone")
Choice = Callable[[list[dict[str, Any]], dict[str, Any]], Mapping[str, Any] | None]


def _of_each(networks: Networks, choose: Choice) -> pd.DataFrame:
    originals = networks.originals.set_index(KEYS, drop=False)
    started = set(networks.scratch["dataset"])
    rows = []
    for key, own in candidates(networks).groupby([*KEYS, "variant"], sort=False):
        before = originals.loc[key[:-1]].to_dict()
        stays = {name: before[name] for name in ("parameters", "score")}
        common = dict(zip([*KEYS, "variant"], key, strict=True)) | {"method": own["method"].iloc[0]}
        common |= {"task": before["task"], "parameters_before": stays["parameters"], "score_before": stays["score"]}
        taken = choose(own.to_dict("records"), before)
        if taken is None:
            scratch = stays["score"] if before["dataset"] in started else float("nan")
            original = {"parameters_after": stays["parameters"], "score": stays["score"], "score_scratch": scratch}
            rows.append(common | original | dict.fromkeys(NOTHING, 0.0) | {"found": False})
        else:
            rows.append(common | {name: taken[name] for name in TAKEN} | {"found": True})
    return pd.DataFrame(
        rows, columns=[*KEYS, "variant", "method", "task", "parameters_before", "score_before", *TAKEN, "found"]
    )
