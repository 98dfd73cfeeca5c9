"""The study's tables as readers see them: a row a data set or a method, in words."""

from __future__ import annotations

from typing import Any

import pandas as pd

from analysis.odf2nna import methods
from analysis.odf2nna.methods import OURS
from analysis.odf2nna.networks import Networks
from analysis.odf2nna.refined import BY_VALIDATION, OTHERS, UNCHOSEN
from analysis.odf2nna.tables import Tables
from analysis.odf2nna.without_loss import STRICT, TOLERANCES
from analysis.report import mean_and_deviation, number, p_relation, p_value
from raydensity.spec.compression import COMPENSATIONS

DIGITS = {"classification": 1, "regression": 3}
NONE = (float("nan"), float("nan"))


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
    """Where epsilon is chosen by validation rows, and beside it where nothing is chosen."""
    table = tables.refined_against
    rows, unchosen = table[table["choice"].eq(BY_VALIDATION)], table[table["choice"].eq(UNCHOSEN)]
    plain: dict[Any, tuple[float, float]] = {
        (row["against"], row["dataset"]): (row["gain"], row["gain_std"]) for row in unchosen.to_dict("records")
    }
    return {
        f"ε with the best validation score, less {OTHERS[str(other)].words}": pd.DataFrame(
            {
                "data set": own["dataset"],
                "repeats": own["n"],
                "removed, %": [number(value) for value in own["compression"]],
                "better by": [mean_and_deviation(*pair, 2) for pair in zip(own["gain"], own["gain_std"], strict=True)],
                "p": [p_value(value) for value in own["p"]],
                "p, Holm": [p_value(value) for value in own["p_holm"]],
                "without a choice, better by": [
                    mean_and_deviation(*plain.get((other, name), NONE), 2) for name in own["dataset"]
                ],
            }
        )
        for other, own in rows.groupby("against", sort=False)
    }


def paths(tables: Tables) -> pd.DataFrame:
    """Networks that lost paths, by method."""
    table = tables.paths
    return pd.DataFrame(
        {
            "method": [methods.name(name) for name in table["method"]],
            "networks": [f"{count:,}" for count in table["networks"]],
            "with units on no path": [f"{count:,}" for count in table["disconnected"]],
            "constant": [f"{count:,}" for count in table["constant"]],
        }
    )


def constants(tables: Tables) -> str:
    """How many networks are constant, as a sentence."""
    rows = tables.paths[tables.paths["constant"].gt(0)]
    if rows.empty:
        return "No network is constant."
    counts = [
        f"{count:,} of {methods.name(name)}" for name, count in zip(rows["method"], rows["constant"], strict=True)
    ]
    return f"Constant networks, in which no path leads from an input to an output, rank as all do: {'; '.join(counts)}."


def exported(networks: Networks) -> pd.DataFrame:
    """The networks that are kept as files."""
    rows = networks.exported.sort_values(["dataset", "data_seed"], kind="stable")
    digits = rows["task"].map(DIGITS)
    return pd.DataFrame(
        {
            "data set": rows["dataset"],
            "repeat": rows["data_seed"],
            "what goes": [f"{name} {level:g}" for name, level in zip(rows["criterion"], rows["level"], strict=True)],
            "compensation": rows["compensation"],
            "hidden units": ["-".join(f"{units:.0f}" for units in own) for own in rows["units_left"]],
            "parameters": [number(value, 0) for value in rows["parameters"]],
            "left": [number(value, 0) for value in rows["parameters_after"]],
            "original": [number(*pair) for pair in zip(rows["score_before"], digits, strict=True)],
            "refined": [number(*pair) for pair in zip(rows["score"], digits, strict=True)],
            "network": rows["network_id"],
        }
    )


def compensations(tables: Tables) -> pd.DataFrame:
    """What compensation for removed units does, before and after the refinement: medians over data sets."""
    usual = tables.networks.compensation
    others = {f"{OURS}, compensation {other}": other for other in COMPENSATIONS if other != usual}
    names = {OURS: usual, **others}
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
