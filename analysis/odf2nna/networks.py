"""The networks of a sweep: originals, what was made of each, and networks of the same size from random weights."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from analysis.odf2nna.methods import OURS
from analysis.runs import Runs
from raydensity.spec.compression import UNIT_MERGES, UNIT_SCORES

SETTINGS = ["hidden", "learning_rate", "batch_size", "initializer", "precision"]
REPEAT = ["init_seed", "data_seed"]
KEYS = ["dataset", *SETTINGS, *REPEAT]  # of an original, and of all that is compared with it
RULE = ["method", "criterion", "level", "compensation", "refinement", "scored_on"]
PARTS = ("validation", "test")
RESULTS = [f"{part}_{what}" for part in PARTS for what in ("loss", "accuracy")]
REMOVED = [f"removed_{name}" for name in RESULTS]
PAPERS = 0.15  # share of the epochs that the paper refines for


@dataclass(frozen=True)
class Networks:
    """What there is, one row a network: `originals`; `smaller`, made of them or trained sparse; `scratch`.

    `score` is accuracy in percent, or the squared error of a regression, whose target has a variance of 1; on test rows
    where nothing else is said. Of smaller ones there are also those of the original (`_before`), before the refinement
    (`removed_score`) and of the same units from random weights (`score_scratch`). `gain` is how much better than the
    original, in points of accuracy, or percent of its squared error; `parameters_after` is what is left,
    `compression` the share of the parameters that is gone, in percent. `refinement` is the usual share of the epochs:
    the paper's, or where that is not there the smallest.
    """

    study: str
    scale: str
    planned: int
    found: int
    diverged: int
    emptied: int
    refinement: float
    originals: pd.DataFrame
    smaller: pd.DataFrame
    scratch: pd.DataFrame

    @property
    def datasets(self) -> list[str]:
        """Classifications first, each in order of their size."""
        ordered = self.originals.groupby("dataset").agg({"task": "first", "parameters": "first"})
        return ordered.sort_values(["task", "parameters"], kind="stable").index.tolist()

    def task(self, dataset: str) -> str:
        return str(self.originals.loc[self.originals["dataset"] == dataset, "task"].iloc[0])


def prepare(runs: Runs) -> Networks:
    """The networks of a sweep, matched. Raises ValueError where there is no original to compare with."""
    frame = runs.networks.copy()
    finished = frame[frame["status"] == "finished"].copy()
    if not finished["compression"].eq("").mul(finished["sparsity"].eq("")).any():
        raise ValueError("no original network is finished yet: all others are compared with it")
    finished["dataset"] = _titles(finished)
    for part in PARTS:
        finished[_named("score", part)] = _score(finished, part)
        finished[_named("removed_score", part)] = _score(finished, part, "removed_")
    whole = finished["compression"].eq("") & finished["sparsity"].eq("")
    originals = finished[whole].drop_duplicates(KEYS)
    scratch = finished[finished["sparsity"] == "units"].copy()
    smaller = finished[~whole & finished["sparsity"].ne("units")].copy()
    smaller["method"] = smaller["compression"].where(smaller["compression"].ne(""), smaller["sparsity"])
    lengths = set(smaller.loc[smaller["compression"].ne(""), "refinement"])
    usual = PAPERS if PAPERS in lengths or not lengths else min(lengths)
    smaller = _with_levels(smaller, usual).drop_duplicates([*KEYS, *RULE])  # exported ones are there twice
    before = originals[[*KEYS, "score", "validation_score"]]
    before = before.rename(columns={"score": "score_before", "validation_score": "validation_before"})
    smaller = smaller.merge(before, on=KEYS, how="inner")
    smaller["units"], scratch["units"] = (_joined(each["units_left"]) for each in (smaller, scratch))
    smaller.loc[~smaller["method"].isin([*UNIT_SCORES, *UNIT_MERGES]), "units"] = ""  # with single weights gone
    alone = scratch.drop_duplicates([*KEYS, "units"])[[*KEYS, "units", "score", "validation_score"]]
    alone = alone.rename(columns={"score": "score_scratch", "validation_score": "validation_scratch"})
    smaller = smaller.merge(alone, on=[*KEYS, "units"], how="left")
    smaller["share_gone"] = 100 * (1 - smaller["parameters_after"] / smaller["parameters"])
    smaller["variant"] = _variants(smaller)
    for name, score in (("gain", "score"), ("removed_gain", "removed_score")):
        smaller[name] = gain(smaller["task"], smaller[score], smaller["score_before"])
    smaller["gain_scratch"] = gain(smaller["task"], smaller["score"], smaller["score_scratch"])
    statuses = frame["status"].value_counts()
    return Networks(
        study=runs.study,
        scale=runs.scale,
        planned=runs.planned,
        found=len(frame),
        diverged=int(statuses.get("diverged", 0)),
        emptied=int(statuses.get("emptied", 0)),
        refinement=usual,
        originals=originals,
        smaller=smaller,
        scratch=scratch,
    )


def gain(task: pd.Series, score: pd.Series, before: pd.Series) -> pd.Series:
    """How much better a score is: points of accuracy, or percent of the squared error; positive is better."""
    return (score - before).where(task.ne("regression"), 100 * (before - score) / before)


def _named(score: str, part: str) -> str:
    return score if part == "test" else f"{part}_{score}"


def _score(frame: pd.DataFrame, part: str, prefix: str = "") -> pd.Series:
    loss, accuracy = frame[f"{prefix}{part}_loss"], 100 * frame[f"{prefix}{part}_accuracy"].astype(float)
    return accuracy.where(frame["task"].ne("regression"), loss)


def _titles(frame: pd.DataFrame) -> pd.Series:
    """Data sets, with the settings that the sweep varied on them."""
    varied = frame.groupby("dataset")[SETTINGS].transform("nunique") > 1
    parts = [frame["dataset"].astype(str)]
    for name in SETTINGS:
        words = ", " + name.replace("_", " ") + " " + frame[name].astype(str)
        parts.append(words.where(varied[name], ""))
    return sum(parts[1:], start=parts[0])


def _joined(units: pd.Series) -> pd.Series:
    """Units left by layer as text: 17-9."""
    return units.map(lambda own: "-".join(f"{each:.0f}" for each in own) if own is not None else "").astype(str)


def _with_levels(smaller: pd.DataFrame, refinement: float) -> pd.DataFrame:
    """Networks that were sparse from the start have the level of those with as many weights, and their refinement.

    In small networks several levels remove the same number of units: such a network stands for each of them.
    """
    same = ["dataset", "hidden", "weights_in_mask"]
    by_units = smaller[smaller["criterion"].eq("share")]
    levels = by_units[[*same, "level"]].drop_duplicates().rename(columns={"weights_in_mask": "nonzeros_asked"})
    from_start = smaller[smaller["compression"].eq("")].drop(columns="level")
    from_start = from_start.merge(levels, on=["dataset", "hidden", "nonzeros_asked"], how="left")
    usual = {"criterion": "share", "compensation": "none", "refinement": refinement}
    return pd.concat([smaller[smaller["compression"].ne("")], from_start.assign(**usual)], ignore_index=True)


def _variants(smaller: pd.DataFrame) -> pd.Series:
    """The method, with what is not as usual: another criterion than a share, another compensation than the mean,
    training rows to score by where others are scored by validation rows."""
    criterion = (", " + smaller["criterion"]).where(smaller["criterion"].ne("share"), "")
    own = smaller["method"].eq(OURS) | smaller["compensation"].isin(["literal"])
    unusual = smaller["compensation"].ne("mean") & own
    compensation = (", compensation " + smaller["compensation"]).where(unusual, "")
    by_training = smaller["scored_on"].eq("training") & smaller["scored_on"].eq("validation").any()
    scored = pd.Series(", scored on training rows", smaller.index).where(by_training, "")
    return smaller["method"] + criterion + compensation + scored
