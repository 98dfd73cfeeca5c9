"""What section 4 of the density paper claims, and what the runs say: one function a claim, one sentence a model type.

Each function takes the networks and their tables. A claim about "around" a share agrees within five points of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd

from analysis.density.networks import Networks, type_name
from analysis.density.published import is_short
from analysis.report import Claim, mean_and_deviation, p_relation
from analysis.statistics import overlapping_share

Tables = dict[str, pd.DataFrame]
PRUNED = "prune_validation_accuracy"


def that_can_be_judged(networks: Networks, claims: list[Claim]) -> list[Claim]:
    """The claims, without a verdict on model types that trained fewer epochs than the paper's."""
    short = [f"{type_name(networks, key)}:" for key, group in networks.types() if is_short(key[:3], group)]
    return [replace(claim, agrees=None) if claim.here.startswith(tuple(short)) else claim for claim in claims]


def underparametrized(networks: Networks, tables: Tables) -> list[Claim]:
    claims = []
    for name, rows in by_type(networks, tables["effective_density"], "mlp"):
        for row in rows[rows["width"] == 0.1].to_dict("records"):
            prunable = 100 - row["mean"]
            here = f"{name}: {mean_and_deviation(prunable, row['std'])} % (n = {row['n']})."
            claims.append(Claim("A 0.1× MLP can lose about 30 % of its weights.", here, 25 <= prunable <= 35))
    return claims


def overparametrized(networks: Networks, tables: Tables) -> list[Claim]:
    claims = []
    for name, rows in by_type(networks, tables["effective_density"]):
        wide = rows[rows["width"] >= 0.5]
        if len(wide):
            prunable = 100 - wide["mean"]
            values = listed(wide["width"], prunable, "{:.1f} %")
            paper = "Overparametrised networks can lose around 50 % or more."
            here = f"{name}: {values} (taken as overparametrised: 0.5× and wider)."
            claims.append(Claim(paper, here, bool(prunable.min() >= 45)))
    return claims


def pruned_is_larger_than_unpruned(networks: Networks, tables: Tables) -> list[Claim]:
    claims = []
    for name, group in by_type(networks, networks.used):
        sizes = group.groupby("width").agg(total=("table1_count", "first"), core=("core", "mean"))
        if len(sizes) < 2 or sizes["core"].isna().any() or sizes.index[-1] < 2:
            continue  # the paper's widest are 5x and 2x
        widest, next_width = sizes.index[-1], sizes.index[-2]
        core, total = sizes["core"].iloc[-1], sizes["total"].iloc[-2]
        here = f"{name}: the pruned {widest:g}× keeps {core:,.0f} weights, the unpruned {next_width:g}× has {total:,}."
        paper = "The widest network is larger pruned than the next smaller one unpruned."
        claims.append(Claim(paper, here, bool(core > total)))
    return claims


def core_grows(networks: Networks, tables: Tables) -> list[Claim]:
    claims = []
    variance = tables["anova"]
    for name, group in by_type(networks, networks.used):
        core = group.groupby("width")["core"].mean().dropna()
        if len(core) < 2:
            continue
        here = f"{name}: {listed(core.index, core, '{:,.0f}')} weights."
        claims.append(Claim("The core grows with the width.", here, bool(core.is_monotonic_increasing)))
    for name, rows in by_type(networks, variance) if len(variance) else []:
        for row in rows[rows["test"] == "one-way"].dropna(subset=["p"]).to_dict("records"):
            test = f"F({row['df']}, {row['df_residual']}) = {row['F']:.3g}, {p_relation(row['p'])}"
            here = f"{name}: {test}, η² = {row['eta_squared']:.2f}."
            paper = "Pruned sizes differ between widths (one-way ANOVA, p < 0.0001)."
            claims.append(Claim(paper, here, _significant([row["p"]])))
    return claims


def densities_overlap(networks: Networks, tables: Tables) -> list[Claim]:
    claims = []
    for name, rows in by_type(networks, tables["effective_density"]):
        wide = rows[(rows["width"] > 0.1) & rows["std"].gt(0)]
        if len(wide) > 1:
            pairs = list(pairwise(wide.to_dict("records")))
            shared = [overlapping_share(*((row["mean"], row["std"]) for row in pair)) for pair in pairs]
            values = ", ".join(
                f"{share:.0%} between {one['width']:g}× and {two['width']:g}×"
                for share, (one, two) in zip(shared, pairs, strict=True)
            )
            paper = "But for 0.1×, the effective densities of different widths overlap a fair amount."
            claims.append(Claim(paper, f"{name}: normal distributions of their means and deviations share {values}."))
    return claims


def curves_by_optimizer(networks: Networks, tables: Tables) -> list[Claim]:
    """How far the mean pruning curves of 0.5x and wider lie apart, and the validation losses they start from."""
    said = {
        ("mlp", "sgd"): "MLP: the pruning curves of different widths come apart.",
        ("resnet", "sgd"): "ResNet: the pruning curves of different widths overlap.",
        ("conv2", "adagrad"): "Conv-2 with Adagrad: pruning starts from similar validation losses.",
        ("conv2", "adam"): "Conv-2 with Adam: pruning does not start from similar validation losses.",
    }
    claims = []
    for name, group in by_type(networks, networks.used):
        wide = group[group["width"] >= 0.5]
        paper = said.get(tuple(group[["architecture", "optimizer"]].iloc[0]))
        if paper is None or wide["width"].nunique() < 2:
            continue
        if group["architecture"].iloc[0] == "conv2":
            losses = wide.groupby("width")["validation_loss"].mean()
            here = f"{name}: unpruned validation loss {listed(losses.index, losses, '{:.2f}')}."
        else:
            curves = [np.mean(np.stack(list(rows)), axis=0) for _, rows in wide.groupby("width")[PRUNED]]
            apart = 100 * (np.max(curves, axis=0) - np.min(curves, axis=0)).max()
            here = f"{name}: the mean curves of 0.5× and wider lie up to {apart:.0f} points of accuracy apart."
        claims.append(Claim(paper, here))
    return claims


def null_hypothesis_fails(networks: Networks, tables: Tables) -> list[Claim]:
    claims = []
    for name, rows in by_type(networks, tables["effective_density"]):
        tested = rows.dropna(subset=["p_ttest"])
        if len(tested):
            values = "; ".join(f"{row['width']:g}×: {p_relation(row['p_ttest'])}" for _, row in tested.iterrows())
            left = rows[rows["p_ttest"].isna() & (rows["width"] != 1)]["width"]
            untested = f"; not tested: {', '.join(f'{width:g}×' for width in left)}" if len(left) else ""
            paper = "Every width but 1× differs from the null hypothesis (unpaired t-test, p < 0.0001)."
            agrees = _significant(tested["p_ttest"], untested=bool(untested))
            claims.append(Claim(paper, f"{name}: {values}{untested}.", agrees))
    for name, rows in by_type(networks, tables["effective_density"]):
        known = rows.dropna(subset=["published_mean"])
        if len(known):
            inside = int(known["inside_published"].sum())
            values = listed(known["width"], known["mean"] - known["published_mean"], "{:+.1f}")
            here = f"{name}: inside at {inside} of {len(known)} widths; differences in points {values}."
            paper = "Table 2's effective densities (ours inside the published mean ± deviation)."
            claims.append(Claim(paper, here, inside == len(known)))
    return claims


def he_is_denser(networks: Networks, tables: Tables) -> list[Claim]:
    claims = []
    for name, pairs in _glorot_and_he(networks, tables, "mean"):
        gap = pairs["he_uniform"] - pairs["glorot_uniform"]
        here = f"{name}: He minus Glorot, in points: {listed(gap.index, gap, '{:+.1f}')}."
        claims.append(Claim("He leads to a higher effective density than Glorot.", here, bool((gap > 0).all())))
        claims.append(Claim("The difference between He and Glorot is relatively small.", here))
        if len(gap) > 1:
            first, last = gap.index[0], gap.index[-1]
            here = f"{name}: {gap[first]:+.1f} points at {first:g}×, {gap[last]:+.1f} at {last:g}×"
            p = _interaction(networks, tables, name)
            here += "." if p is None else f"; interaction of width and initializer {p_relation(p)}."
            agrees = bool(gap[last] > gap[first]) if p is not None and p < 0.05 else None
            claims.append(Claim("The gap grows with the width.", here, agrees))
    return claims


def he_is_faster(networks: Networks, tables: Tables) -> list[Claim]:
    claims = []
    for name, pairs in _glorot_and_he(networks, tables, "epochs_mean"):
        values = "; ".join(f"{w:g}×: {r['he_uniform']:.1f} / {r['glorot_uniform']:.1f}" for w, r in pairs.iterrows())
        faster = bool((pairs["he_uniform"] < pairs["glorot_uniform"]).all())
        claims.append(Claim("He needs fewer epochs than Glorot.", f"{name}: epochs He / Glorot {values}.", faster))
    return claims


def mlps_are_accurate(networks: Networks, tables: Tables) -> list[Claim]:
    claims = []
    for name, rows in by_type(networks, tables["initializers"], "mlp"):
        lowest, n = rows["accuracy_min"].min(), rows["n"].sum()
        here = f"{name}: the least accurate of {n} has {lowest:.1f} %."
        claims.append(Claim("All MLPs end above 90 % validation accuracy.", here, bool(lowest > 90)))
    return claims


def _glorot_and_he(networks: Networks, tables: Tables, column: str) -> list[tuple[str, pd.DataFrame]]:
    pairs = []
    for name, rows in by_type(networks, tables["initializers"]):
        table = rows.pivot(index="width", columns="initializer", values=column)
        if {"glorot_uniform", "he_uniform"} <= set(table.columns):
            both = table[["glorot_uniform", "he_uniform"]].dropna()
            if len(both):
                pairs.append((name, both))
    return pairs


def by_type(networks: Networks, frame: pd.DataFrame, architecture: str | None = None) -> list[tuple[str, pd.DataFrame]]:
    types = networks.types(frame if architecture is None else frame[frame["architecture"] == architecture])
    return [(type_name(networks, key), rows) for key, rows in types]


def _significant(values: Iterable[float], *, untested: bool = False) -> bool | None:
    """Whether all p are below the paper's 0.0001; None where one lies between that and 0.05: too few to tell."""
    ordered = sorted(values)
    if ordered[-1] > 0.05:
        return False
    return True if ordered[-1] < 1e-4 and not untested else None


def _interaction(networks: Networks, tables: Tables, name: str) -> float | None:
    """p of the interaction of width and initializer on effective densities; None where it could not be tested."""
    for own, rows in by_type(networks, tables["anova"]) if len(tables["anova"]) else []:
        found = rows[(rows["test"] == "factorial, density") & (rows["factor"] == "width:initializer")]["p"].dropna()
        if own == name and len(found):
            return float(found.iloc[0])
    return None


def listed(widths: pd.Series | pd.Index, values: pd.Series, form: str) -> str:
    return ", ".join(f"{form.format(value)} at {width:g}×" for width, value in zip(widths, values, strict=True))
