"""The tables of the density study. Densities and overlaps in percent, like the paper's; frames hold fractions."""

from __future__ import annotations

from itertools import product
from typing import get_args

import numpy as np
import pandas as pd

from analysis.density import published
from analysis.density.networks import Networks, densities, exploded, paper_rank, type_name
from analysis.density.published import MODEL_TYPE
from analysis.statistics import anova, unpaired_t_test
from raydensity.measures.effective_density import Reading, Score, Step

OVERLAP_READINGS = ["common/all", "common/smallest", "jaccard", "1-common/smallest"]


def tables(networks: Networks) -> tuple[dict[str, pd.DataFrame], list[str]]:
    """Every table of the study by name, and sentences on what could not be tested."""
    variance, notes = anova_table(networks)
    named = {
        "parameters": parameters_table(networks),
        "effective_density": effective_density_table(networks),
        "anova": variance,
        "overlap": overlap_table(networks),
        "readings": readings_table(networks),
        "initializers": initializers_table(networks),
        "activations": activations_table(networks),
    }
    return {name: _finish(table, networks.scale) for name, table in named.items()}, notes


def parameters_table(networks: Networks) -> pd.DataFrame:
    """Table 1: the sizes of the architectures, true, in the paper's way of counting, and as published."""
    shape = ["dataset", "architecture", *(s for s in ("unshared", "constant_filters") if s in networks.by), "width"]
    counts = networks.used.groupby(shape)[["parameters", "table1_count", "weights", "constant_filters"]].first()
    counts.columns = ["true_count", "table1_count", "weights", "other"]
    rows = counts.reset_index().merge(published.parameters(), on=["dataset", "architecture", "width"], how="left")
    rows["published"] = rows["published"].mask(rows["other"]).astype("Int64")  # Table 1 has no constant filters
    return rows[[*shape, "true_count", "table1_count", "published", "weights"]]


def effective_density_table(networks: Networks) -> pd.DataFrame:
    """Table 2: effective densities, observed and under the null hypothesis, in percent."""
    rows = []
    for key, group in networks.used.groupby([*networks.by, "width"]):
        rows.append(
            {
                **dict(zip([*networks.by, "width"], key, strict=True)),
                "n": len(group),
                "null_mean": 100 * group["null"].mean(),
                "null_std": 100 * group["null"].std(),
                "null_mean_true": 100 * group["null_true"].mean(),
                "mean": 100 * group["density"].mean(),
                "std": 100 * group["density"].std(),
                "accuracy": 100 * group["validation_accuracy"].mean(),
                "p_ttest": np.nan if key[-1] == 1 else unpaired_t_test(group["density"], group["null"]),
            }
        )
    table = pd.DataFrame(rows).merge(published.effective_density(), on=[*MODEL_TYPE, "width"], how="left")
    table = _inside_published(table)
    table["accuracy"] = table.pop("accuracy")  # behind the published values
    return table


def anova_table(networks: Networks) -> tuple[pd.DataFrame, list[str]]:
    """Analyses of variance per model type: one-way on pruned sizes, and over all factors on pruned sizes and densities.

    Sizes in Table 1's way of counting; Type II sums of squares.
    """
    factors = ["width", "initializer", "init_seed", "data_seed"]
    tests = [
        ("one-way", "core", factors[:1]),
        ("factorial", "core", factors),
        ("factorial, density", "density", factors),
    ]
    parts, notes = [], []
    for key, group in networks.types():
        for test, response, over in tests:
            result = anova(group.dropna(subset=[response]), response, over, interaction=("width", "initializer"))
            if result.why_empty:
                notes.append(f"{type_name(networks, key)}: no {test} analysis of variance, {result.why_empty}.")
            else:
                parts.append(result.rows.assign(**dict(zip(networks.by, key, strict=True)), test=test))
    columns = [*networks.by, "test", "factor", "df", "df_residual", "F", "p", "eta_squared"]
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns), notes


def overlap_table(networks: Networks) -> pd.DataFrame:
    """Tables 3 and 4: how many of the smallest 40 % of weights were the smallest before training, Glorot, in percent.

    A and B are the smallest weights before and after training. Readings: |A and B| over all weights of the layer (what
    the paper says), over |A|, over |A or B|, and 1 - |A and B| / |A| (what the paper's numbers look like).
    """
    key = [*networks.by, "width", "layer", "reading"]
    layers = exploded(networks.used[networks.used["initializer"] == "glorot_uniform"], "overlap", networks.by)
    if layers.empty:
        return pd.DataFrame(columns=[*key, "n", "mean", "std", "published"])
    common, smallest = layers["common"], layers["smallest"]
    values = [common / layers["weights"], common / smallest, common / (2 * smallest - common), 1 - common / smallest]
    long = pd.concat(
        [layers.assign(reading=name, value=100 * value) for name, value in zip(OVERLAP_READINGS, values, strict=True)]
    )
    table = long.groupby(key, sort=False)["value"].agg(n="count", mean="mean", std="std").reset_index()
    table = table.merge(published.overlap(), on=[*MODEL_TYPE, "width", "layer"], how="left")
    return table.sort_values([*networks.by, "width"], kind="stable", ignore_index=True)


def readings_table(networks: Networks) -> pd.DataFrame:
    """Mean effective density, in percent, under each reading of the paper's threshold."""
    parts = []
    published_means = published.effective_density().drop(columns=["published_null_mean", "published_null_std"])
    for score, relative, step in product(get_args(Score), (False, True), get_args(Step)):
        reading = Reading(score=score, relative=relative, step=step)
        frame = networks.used[[*networks.by, "width"]].assign(value=100 * densities(networks.used, reading))
        part = frame.groupby([*networks.by, "width"])["value"].agg(n="count", mean="mean", std="std").reset_index()
        part.insert(len(networks.by) + 1, "tolerance", reading.tolerance)
        part.insert(len(networks.by) + 2, "kind", "relative" if relative else "absolute")
        part.insert(len(networks.by) + 3, "score", score)
        part.insert(len(networks.by) + 4, "step", step)
        parts.append(part.merge(published_means, on=[*MODEL_TYPE, "width"], how="left"))
    table = _inside_published(pd.concat(parts, ignore_index=True))
    return table.sort_values([*networks.by, "width"], kind="stable", ignore_index=True)


def initializers_table(networks: Networks) -> pd.DataFrame:
    """Effective density (percent), epochs and validation accuracy (percent) by width and initializer (Figure 6)."""
    frame = networks.used.assign(
        density=100 * networks.used["density"], accuracy=100 * networks.used["validation_accuracy"]
    )
    groups = frame.groupby([*networks.by, "width", "initializer"])
    return groups.agg(
        n=("density", "count"),
        mean=("density", "mean"),
        std=("density", "std"),
        epochs_mean=("stopped_epoch", "mean"),
        epochs_std=("stopped_epoch", "std"),
        accuracy_mean=("accuracy", "mean"),
        accuracy_min=("accuracy", "min"),
    ).reset_index()


def activations_table(networks: Networks) -> pd.DataFrame:
    """Hoyer sparsity and class selectivity of the hidden layers by width (section 5.3); no unit."""
    measures = ["hoyer", "selectivity", "selectivity_normalized"]
    layers = exploded(networks.used, "activations", networks.by)
    key = [*networks.by, "width", "layer"]
    if layers.empty:
        return pd.DataFrame(columns=[*key, "n", *(f"{m}_{s}" for m in measures for s in ("mean", "std"))])
    aggregates = {f"{m}_{s}": (m, s) for m in measures for s in ("mean", "std")}
    table = layers.groupby(key, sort=False).agg(n=("hoyer", "count"), **aggregates).reset_index()
    return table.sort_values([*networks.by, "width"], kind="stable", ignore_index=True)


def _inside_published(table: pd.DataFrame) -> pd.DataFrame:
    inside = (table["mean"] - table["published_mean"]).abs() <= table["published_std"]
    return table.assign(inside_published=inside.astype("boolean").where(table["published_mean"].notna()))


def _finish(table: pd.DataFrame, scale: str) -> pd.DataFrame:
    table.insert(1, "scale", scale)
    order = [column for column in ("architecture", "optimizer") if column in table]
    return table.sort_values(order, key=lambda names: names.map(paper_rank), kind="stable", ignore_index=True)
