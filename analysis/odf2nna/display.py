"""The study's tables as readers see them: a row a data set or a method, in words."""

from __future__ import annotations

import pandas as pd

from analysis.odf2nna import methods
from analysis.odf2nna.methods import OURS
from analysis.odf2nna.networks import Networks, gain
from analysis.odf2nna.tables import Tables
from analysis.report import mean_and_deviation, number, p_value

DIGITS = {"classification": 1, "regression": 3}


def trained(networks: Networks) -> pd.DataFrame:
    """The data sets: originals, and how many networks were made of them."""
    rows = []
    for dataset in networks.datasets:
        own = networks.originals[networks.originals["dataset"].eq(dataset)]
        smaller = networks.smaller[networks.smaller["dataset"].eq(dataset)]
        task = networks.task(dataset)
        rows.append(
            {
                "data set": dataset,
                "task": task,
                "parameters": number(own["parameters"].mean(), 0),
                "hidden units": own["hidden"].iloc[0],
                "originals": len(own),
                "converged": int(own["converged"].sum()),
                "score on test rows": mean_and_deviation(own["score"].mean(), own["score"].std(), DIGITS[task]),
                "smaller networks": f"{len(smaller):,}",
                "from scratch": f"{networks.scratch['dataset'].eq(dataset).sum():,}",
            }
        )
    return pd.DataFrame(rows)


def compression(tables: Tables) -> dict[str, pd.DataFrame]:
    """Compression without loss of ODF2NNA by data set, and of all methods over data sets."""
    table = tables.compression
    own = table[table["method"].eq(tables.ours)]
    digits = own["task"].map(DIGITS)
    scores = {
        words: [number(value, places) for value, places in zip(own[column], digits, strict=True)]
        for words, column in (
            ("original", "score_before"),
            ("refined", "score_after"),
            ("from scratch", "score_scratch"),
        )
    }
    shown = pd.DataFrame(
        {
            "data set": own["dataset"],
            "repeats": own["n"],
            "without loss": own["n_found"],
            "parameters": [number(value, 0) for value in own["parameters_before"]],
            "left": [number(value, 0) for value in own["parameters_after"]],
            "removed, %": [
                mean_and_deviation(*pair) for pair in zip(own["compression"], own["compression_std"], strict=True)
            ],
            **scores,
        }
    )
    wide = table.groupby("method").agg(
        compression=("compression", "mean"), datasets=("dataset", "nunique"), gain=("gain", "median")
    )
    wide = wide.sort_values("compression", ascending=False, kind="stable").reset_index()
    every = pd.DataFrame(
        {
            "method": [methods.name(name) for name in wide["method"]],
            "data sets": wide["datasets"],
            "removed without loss, mean %": [number(value) for value in wide["compression"]],
            "better than the original, median": [number(value, 2) for value in wide["gain"]],
        }
    )
    return {f"{methods.name(tables.ours)}, by data set": shown, "All methods, means over data sets": every}


def ranks(tables: Tables, measure: str) -> dict[str, pd.DataFrame]:
    """Average ranks, and each method against ODF2NNA."""
    rows = tables.ranks[tables.ranks["measure"].eq(measure)]
    if rows.empty:
        return {}
    shown = pd.DataFrame(
        {
            "method": [methods.name(name) for name in rows["method"]],
            "rank": [number(value, 2) for value in rows["rank"]],
            "rank less that of ODF2NNA": [number(value, 2) for value in rows["difference"]],
            "ODF2NNA better on": [
                "" if pd.isna(value) else f"{value:.0f} of {n}"
                for value, n in zip(rows["better_on"], rows["n"], strict=True)
            ],
            "p": [p_value(value) for value in rows["p"]],
            "p, Holm": [p_value(value) for value in rows["p_holm"]],
        }
    )
    return {f"Friedman: {p_value(rows['p_friedman'].iloc[0]) or 'too few'}": shown}


def refined_against(tables: Tables) -> dict[str, pd.DataFrame]:
    """Where epsilon is chosen by validation rows."""
    rows = tables.refined_against[tables.refined_against["level"].isna()]
    shown = {}
    for other, own in rows.groupby("against", sort=False):
        less = "the original" if other == "original" else "the same units from scratch"
        shown[f"ε with the best validation score, less {less}"] = pd.DataFrame(
            {
                "data set": own["dataset"],
                "repeats": own["n"],
                "removed, %": [number(value) for value in own["compression"]],
                "better by": [mean_and_deviation(*pair, 2) for pair in zip(own["gain"], own["gain_std"], strict=True)],
                "p": [p_value(value) for value in own["p"]],
                "p, Holm": [p_value(value) for value in own["p_holm"]],
            }
        )
    return shown


def compensations(tables: Tables) -> pd.DataFrame:
    """What compensation for removed units does, before and after the refinement: medians over data sets."""
    curves = tables.curves[tables.curves["criterion"].eq("share")]
    curves = curves[curves["method"].str.startswith(OURS)]
    if curves["method"].nunique() < 2:
        return pd.DataFrame()
    curves = curves.assign(removed=gain(curves["task"], curves["score_removed"], curves["score_before"]))
    wide = curves.groupby(["level", "method"])[["removed", "gain"]].median().unstack("method")
    names = {f"{OURS}": "mean", f"{OURS}, compensation literal": "literal", f"{OURS}, compensation none": "none"}
    shown = {"share of the units gone, %": [number(100 * level, 0) for level in wide.index]}
    for column, words in (("removed", "before refinement"), ("gain", "after")):
        for method, own in names.items():
            if (column, method) in wide:
                shown[f"{own}, {words}"] = [number(value, 2) for value in wide[column, method]]
    return pd.DataFrame(shown)
