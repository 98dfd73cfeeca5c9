"""The networks of a sweep: originals, what was made of each, and the controls that these are compared with."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from analysis.odf2nna.controls import as_long_in_all, from_scratch, sizes, trained_on
from analysis.odf2nna.methods import OURS
from analysis.odf2nna.repeats import drawn_anew
from analysis.runs import Runs
from raydensity.spec.compression import COMPENSATIONS, CRITERIA, UNIT_SCORES

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
    """What there is, one row a network: `originals`; `smaller`, made of them or trained sparse; and two controls:
    `scratch`, as many units or weights from random weights, and `trained_on`, originals that lost nothing and trained
    as long as a refinement. Sweeps may lack the controls. Of the smaller ones some are kept as files: `exported`.

    `score` is accuracy in percent, or the squared error of a regression, whose target has a variance of 1; on test rows
    where nothing else is said. Of smaller ones there are also those of the original (`score_before`), before the
    refinement (`removed_score`), of the same units or as many weights from random weights (`score_scratch`) and of the
    original that trained on as long (`score_trained_on`). `gain` is how much better than the original, in points of
    accuracy, or percent of its squared error, `gain_scratch` and `gain_trained_on` likewise; `parameters_after` is what
    is left, `share_gone` the share of the parameters that is gone, in percent. `refinement` is the usual share of the
    epochs: the paper's, or where that is not there the smallest. `compensation` is the usual one for units that go: by
    their mean, or where that is not there the first that is; `criterion` likewise that of ODF2NNA, a share of the
    units.

    `emptied` counts networks that their rule refused, `n` by data set, criterion and level, with the first of the
    reasons (`said`).

    `test_to_training` has, by data set, how many test rows there are for each training row where every repeat draws
    them anew, and 0 where all repeats have the same test rows.
    """

    study: str
    scale: str
    planned: int
    found: int
    diverged: int
    emptied: pd.DataFrame
    refinement: float
    compensation: str
    criterion: str
    originals: pd.DataFrame
    smaller: pd.DataFrame
    exported: pd.DataFrame
    scratch: pd.DataFrame
    trained_on: pd.DataFrame
    test_to_training: pd.Series

    @property
    def datasets(self) -> list[str]:
        """Classifications first, each in order of their size."""
        ordered = self.originals.groupby("dataset").agg({"task": "first", "parameters": "first"})
        return ordered.sort_values(["task", "parameters"], kind="stable").index.tolist()

    def task(self, dataset: str) -> str:
        return str(self.originals.loc[self.originals["dataset"] == dataset, "task"].iloc[0])


def prepare(runs: Runs) -> Networks:
    """The networks of a sweep, matched.

    Raises ValueError where there is no original to compare with, or several that cannot be told apart.
    """
    frame = runs.networks.copy()
    finished = frame[frame["status"] == "finished"].copy()
    whole = finished["compression"].eq("") & finished["sparsity"].eq("")
    if not whole.any():
        raise ValueError("no original network is finished yet: all others are compared with it")
    finished["dataset"] = _titles(finished)
    for part in PARTS:
        finished[_named("score", part)] = _score(finished, part)
        finished[_named("removed_score", part)] = _score(finished, part, "removed_")
    originals = finished[whole]
    _check_told_apart(originals)
    finished = finished[~whole].drop(columns="spec")
    lost_nothing = finished["criterion"].eq("share") & finished["level"].eq(0) & finished["compression"].ne("")
    shares = finished.loc[finished["compression"].ne(""), "refinement"]
    usual = PAPERS if shares.eq(PAPERS).any() or shares.empty else float(shares.min())
    others = as_long_in_all(finished[~lost_nothing], originals, KEYS, usual)
    scratch = others[others["sparsity"].isin(["units", "random"])]
    scratch = scratch.assign(size=sizes(scratch)).drop_duplicates([*KEYS, "size"])
    smaller = others[~others["sparsity"].isin(["units", "random"])]
    smaller = smaller.assign(method=smaller["compression"].where(smaller["compression"].ne(""), smaller["sparsity"]))
    before = originals[[*KEYS, "score"]].rename(columns={"score": "score_before"})
    exported = smaller[smaller["exported_difference"].notna()].merge(before, on=KEYS, how="inner")
    smaller = _with_levels(smaller.assign(size=sizes(smaller)), usual)
    smaller = smaller.drop_duplicates([*KEYS, *RULE])  # exported ones are there twice
    smaller = smaller.merge(before, on=KEYS, how="inner")
    on = finished[lost_nothing].drop_duplicates([*KEYS, "refinement"])
    smaller = trained_on(from_scratch(smaller, scratch, KEYS), on, KEYS)
    smaller["share_gone"] = 100 * (1 - smaller["parameters_after"] / smaller["parameters"])
    compensation = _usual(smaller.loc[smaller["method"].isin(UNIT_SCORES), "compensation"], COMPENSATIONS)
    criterion = _usual(smaller.loc[smaller["method"].eq(OURS), "criterion"], CRITERIA)
    smaller["variant"] = _variants(smaller, criterion=criterion, compensation=compensation)
    for name, one, other in (
        ("gain", "score", "score_before"),
        ("removed_gain", "removed_score", "score_before"),
        ("gain_scratch", "score", "score_scratch"),
        ("gain_trained_on", "score", "score_trained_on"),
    ):
        smaller[name] = gain(smaller["task"], smaller[one], smaller[other])
    statuses = frame["status"].value_counts()
    return Networks(
        study=runs.study,
        scale=runs.scale,
        planned=runs.planned,
        found=len(frame),
        diverged=int(statuses.get("diverged", 0)),
        emptied=_emptied(frame),
        refinement=usual,
        compensation=compensation,
        criterion=criterion,
        originals=originals,
        smaller=smaller,
        exported=exported,
        scratch=scratch,
        trained_on=on,
        test_to_training=drawn_anew(originals),
    )


def gain(task: pd.Series, score: pd.Series, before: pd.Series) -> pd.Series:
    """How much better a score is: points of accuracy, or percent of the squared error; positive is better."""
    return (score - before).where(task.ne("regression"), 100 * (before - score) / before)


def _emptied(frame: pd.DataFrame) -> pd.DataFrame:
    rows = frame[frame["status"].eq("emptied")]
    groups = rows.groupby(["dataset", "criterion", "level"])
    return groups.agg(n=("network_id", "size"), said=("refused", "first")).reset_index()


def _check_told_apart(originals: pd.DataFrame) -> None:
    """Raise ValueError where a repeat has several originals: what is made of one would be compared with another."""
    again = originals[originals.duplicated(KEYS, keep=False)]
    if again.empty:
        return
    one = again["dataset"].iloc[0]
    epochs = sorted(again.loc[again["dataset"].eq(one), "max_epochs"].unique())
    apart = f"max_epochs, {', '.join(map(str, epochs))}" if len(epochs) > 1 else "settings that are not told apart here"
    raise ValueError(f"a repeat of {one} has several originals, which differ in {apart}: run a sweep for each")


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


def _usual(values: pd.Series, order: tuple[str, ...]) -> str:
    """The first of an order that is there; the first of all where none is."""
    there = set(values)
    return next((each for each in order if each in there), order[0])


def _variants(smaller: pd.DataFrame, *, criterion: str, compensation: str) -> pd.Series:
    """The method, with what is not as usual: another criterion, of which ODF2NNA has several; another compensation;
    training rows to score by where others are scored by validation rows."""
    unusual = smaller["criterion"].ne(criterion) & smaller["method"].eq(OURS)
    by = (", " + smaller["criterion"]).where(unusual, "")
    unusual = smaller["compensation"].ne(compensation) & smaller["method"].isin(UNIT_SCORES)  # others need none
    compensated = (", compensation " + smaller["compensation"]).where(unusual, "")
    by_training = smaller["scored_on"].eq("training") & smaller["scored_on"].eq("validation").any()
    scored = pd.Series(", scored on training rows", smaller.index).where(by_training, "")
    return smaller["method"] + by + compensated + scored
