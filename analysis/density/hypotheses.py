"""What section 5 of the density paper says of its three hypotheses, and what the runs say: as in claims.py."""

from __future__ import annotations

from analysis.density.claims import Tables, by_type, listed
from analysis.density.functions import distances
from analysis.density.networks import Networks
from analysis.density.tables import OVERLAP_READINGS
from analysis.report import Claim


def overlap_readings(networks: Networks, tables: Tables) -> list[Claim]:
    claims = []
    for name, rows in by_type(networks, tables["overlap"]) if len(tables["overlap"]) else []:
        known = rows.dropna(subset=["published"])
        if len(known):
            away = (known["mean"] - known["published"]).abs().groupby(known["reading"]).mean()
            values = "; ".join(f"{reading}: {away[reading]:.1f}" for reading in OVERLAP_READINGS)
            here = f"{name}: mean distance from the published values in points, by reading: {values}."
            paper = "The overlap of its Tables 3 and 4 is |A∩B| over all weights, 16 % by chance."
            claims.append(Claim(paper, here, bool(away.idxmin() == "common/all")))
        by_chance = rows[rows["reading"] == "common/all"]
        means = (
            by_chance[by_chance["layer"].isin(["fc1", "fc2"])] if rows["architecture"].iloc[0] == "mlp" else by_chance
        )
        means = means.groupby("width")["mean"].mean()
        layers = "mean of fc1 and fc2" if rows["architecture"].iloc[0] == "mlp" else "mean of the layers"
        here = f"{name}: |A∩B| over all weights, {layers}: {listed(means.index, means, '{:.1f} %')}."
        architecture, optimizer = rows[["architecture", "optimizer"]].iloc[0]
        if architecture == "mlp":
            paper = "MLP: more overlap than chance (16 %) at 0.1×, less for the first two layers when wider."
            first_two = by_chance[by_chance["layer"].isin(["fc1", "fc2"])]
            narrow, wide = (first_two[first_two["width"] <= 0.1], first_two[first_two["width"] >= 0.5])
            both = len(narrow) and len(wide)
            agrees = bool((narrow["mean"] > 16).all() and (wide["mean"] < 16).all()) if both else None
            claims.append(Claim(paper, here, agrees))
        elif (architecture, optimizer) == ("conv2", "adam"):
            paper = "Conv-2 with Adam: more overlap than chance (16 %) in all layers."
            claims.append(Claim(paper, here, bool((by_chance["mean"] > 16).all())))
    return claims


def wide_mlps_agree(networks: Networks, tables: Tables) -> list[Claim]:
    return _distance_claims(networks, "mlp", "The widest MLPs form a cluster, the narrowest are very dissimilar.")


def conv_functions_show_no_pattern(networks: Networks, tables: Tables) -> list[Claim]:
    return _distance_claims(networks, "conv2", "No clear pattern tells the widths apart.")


def activations_by_optimizer(networks: Networks, tables: Tables) -> list[Claim]:
    claims = []
    for name, rows in by_type(networks, tables["activations"]) if len(tables["activations"]) else []:
        means = rows.groupby("width")[["hoyer_mean", "selectivity_mean"]].mean()
        if len(means) < 2:
            continue
        first, last = means.iloc[0], means.iloc[-1]
        here = (
            f"{name}: from {means.index[0]:g}× to {means.index[-1]:g}×, Hoyer sparsity {first['hoyer_mean']:.2f} to "
            f"{last['hoyer_mean']:.2f}, selectivity {first['selectivity_mean']:.2f} to {last['selectivity_mean']:.2f}."
        )
        both = bool(last["hoyer_mean"] > first["hoyer_mean"] and last["selectivity_mean"] > first["selectivity_mean"])
        # Park's networks are MLPs with one hidden layer.
        told = rows["architecture"].iloc[0] == "mlp" and rows["optimizer"].iloc[0] != "sgd"
        paper = "Width raises activation sparsity and selectivity with Adam and Adagrad; mixed with SGD (Park 2022)."
        claims.append(Claim(paper, here, both if told else None))
    return claims


def _distance_claims(networks: Networks, architecture: str, paper: str) -> list[Claim]:
    claims = []
    for name, group in by_type(networks, networks.used, architecture):
        if architecture == "conv2" and group["optimizer"].iloc[0] != "adam":
            continue
        values = distances(group)
        if len(values) > 1:
            shares = listed(values.index, 100 * values, "{:.1f} %")
            here = f"{name}: two networks of one width differ in being right on {shares} of images."
            agrees = bool(values.iloc[-1] < values.iloc[0]) if architecture == "mlp" else None
            claims.append(Claim(paper, here, agrees))
    return claims
