"""How far a method gets without loss: its smallest network that validation rows do not tell from the original."""

from __future__ import annotations

import pandas as pd

from analysis.odf2nna.methods import OURS
from analysis.odf2nna.networks import KEYS, PAPERS, Networks
from raydensity.measures.loss_of_compression import smallest_without_loss

ANY = f"{OURS}, any criterion"


def candidates(networks: Networks) -> pd.DataFrame:
    """Networks that are compared: those refined as the paper does, judged by validation rows.

    ODF2NNA stands there once more with all its criteria, as who chooses epsilon would have them.
    """
    rows = networks.smaller
    rows = rows[rows["refinement"].eq(PAPERS) & rows["scored_on"].ne("training")]
    every = rows[rows["method"].eq(OURS) & rows["compensation"].eq("mean")]
    if every["criterion"].nunique() > 1:
        rows = pd.concat([rows, every.assign(variant=ANY)], ignore_index=True)
    return rows


def chosen(networks: Networks) -> pd.DataFrame:
    """Of each original and variant the smallest network whose validation score is no worse: one row each.

    Where there is none the original stays: its parameters and score, `found` False.
    """
    originals = networks.originals.set_index(KEYS)
    rows = []
    for key, own in candidates(networks).groupby([*KEYS, "variant"], sort=False):
        original = originals.loc[key[:-1]]
        before = original.to_dict()
        best = smallest_without_loss(own.to_dict("records"), before)
        common = dict(zip([*KEYS, "variant"], key, strict=True)) | {"method": own["method"].iloc[0]}
        common |= {"task": before["task"], "parameters_before": before["parameters"], "score_before": before["score"]}
        if best is None:
            best = {"parameters_after": before["parameters"], "score": before["score"], "gain": 0.0, "share_gone": 0.0}
            rows.append(common | best | {"found": False})
            continue
        taken = (
            "parameters_after",
            "score",
            "gain",
            "share_gone",
            "score_scratch",
            "gain_scratch",
            "criterion",
            "level",
        )
        rows.append(common | {name: best[name] for name in taken} | {"found": True})
    return pd.DataFrame(rows)
