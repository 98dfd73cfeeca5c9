"""The study's tables as readers see them: a row a data set or a method, in words."""

from __future__ import annotations

import pandas as pd

from analysis.odf2nna import methods
from analysis.odf2nna.methods import OURS
from analysis.odf2nna.networks import Networks
from analysis.odf2nna.refined import OTHERS
from analysis.odf2nna.tables import Tables
from analysis.odf2nna.without_loss import STRICT, TOLERANCES
from analysis.report import mean_and_deviation, number, p_relation, p_value

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
                "smaller networks": f"{smaller['network_id'].nunique():,}",
                "from scratch": f"{networks.scratch['dataset'].eq(dataset).sum():,}",
            }
        )
    return pd.DataFrame(rows)


def compression(tables: Tables) -> dict[str, pd.DataFrame]:
    """Compression without loss, and with a tolerance: of ODF2NNA by data set, and of all methods over data sets."""
    if tables.compression.empty:
        return {}
    shown = {}
    for tolerance, words in TOLERANCES.items():
        table = tables.without_loss(tolerance)
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
        shown[f"{methods.name(tables.ours)}, {words}"] = pd.DataFrame(
            {
                "data set": own["dataset"],
                "repeats": own["n"],
                "that have such a network": own["n_found"],
                "parameters": [number(value, 0) for value in own["parameters_before"]],
                "left": [number(value, 0) for value in own["parameters_after"]],
                "removed, %": [
                    mean_and_deviation(*pair) for pair in zip(own["compression"], own["compression_std"], strict=True)
                ],
                **scores,
            }
        )
    return shown | {"All methods, over data sets": _all_methods(tables)}


def _all_methods(tables: Tables) -> pd.DataFrame:
    wide = tables.compression.pivot_table(
        index="method",
        columns="tolerance",
        values=["compression", "gain", "dataset"],
        aggfunc={"compression": "mean", "gain": "median", "dataset": "nunique"},
    )
    wide = wide.sort_values(("compression", STRICT), ascending=False, kind="stable")
    every = {
        "method": [methods.name(str(name)) for name in wide.index],
        "data sets": wide["dataset", STRICT].tolist(),
    }
    for tolerance, words in TOLERANCES.items():
        every[f"{words}: removed, mean %"] = [number(value) for value in wide["compression", tolerance]]
        every[f"{words}: better than the original, median"] = [number(value, 2) for value in wide["gain", tolerance]]
    return pd.DataFrame(every)


def ranks(tables: Tables, measure: str) -> dict[str, pd.DataFrame]:
    """Average ranks, and each method against ODF2NNA by the difference of their ranks."""
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
    p = rows["p_friedman"].iloc[0]
    return {
        "Too few for Friedman's test" if pd.isna(p) else f"Friedman's test that all are alike: {p_relation(p)}": shown
    }


def refined_against(tables: Tables) -> dict[str, pd.DataFrame]:
    """Where epsilon is chosen by validation rows."""
    rows = tables.refined_against[tables.refined_against["level"].isna()]
    return {
        f"ε with the best validation score, less {OTHERS[str(other)].words}": pd.DataFrame(
            {
                "data set": own["dataset"],
                "repeats": own["n"],
                "removed, %": [number(value) for value in own["compression"]],
                "better by": [mean_and_deviation(*pair, 2) for pair in zip(own["gain"], own["gain_std"], strict=True)],
                "p": [p_value(value) for value in own["p"]],
                "p, Holm": [p_value(value) for value in own["p_holm"]],
            }
        )
        for other, own in rows.groupby("against", sort=False)
    }


def compensations(tables: Tables) -> pd.DataFrame:
    """What compensation for removed units does, before and after the refinement: medians over data sets."""
    names = {OURS: "mean", f"{OURS}, compensation literal": "literal", f"{OURS}, compensation none": "none"}
    curves = tables.curves[tables.curves["criterion"].eq("share") & tables.curves["method"].isin(names)]
    if curves["method"].nunique() < 2:
        return pd.DataFrame()
    wide = curves.groupby(["level", "method"])[["gain_removed", "gain"]].median().unstack("method")
    shown = {"share of the units gone, %": [number(100 * level, 0) for level in wide.index]}
    for column, words in (("gain_removed", "before refinement"), ("gain", "after")):
        for method, own in names.items():
            if (column, method) in wide:
                shown[f"{own}, {words}"] = [number(value, 2) for value in wide[column, method]]
    return pd.DataFrame(shown)
