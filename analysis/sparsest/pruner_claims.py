"""What is known of the paper's claims on pruners and random masks, and what the runs say: one function a claim."""

from __future__ import annotations

import pandas as pd

from analysis.report import Claim
from analysis.sparsest import methods, paths
from analysis.sparsest.axes import common_width
from analysis.sparsest.claims import FEWEST_TRAININGS, Group, rows_of, winners_of
from analysis.sparsest.networks import Networks, span
from analysis.sparsest.published import TARGETS
from analysis.sparsest.tables import Tables, in_all_widths

FEWEST_PRUNED = 10  # networks that a share may stand for
WIDER = "Starting from a wider network harms most pruners."


def pruners_disconnect(networks: Networks, tables: Tables, group: Group) -> list[Claim]:
    """How many pruned networks have units on no path; judged by whether most networks of most methods do."""
    rows = rows_of(tables["connectivity"], group)
    width = common_width(rows)
    rows = rows[methods.pruned(rows) & (rows["width"] == width)]
    if rows.empty:
        return []
    listed = ", ".join(
        f"{methods.look(name).name} {share:.0f} %"
        for name, share in zip(rows["method"], rows["with_disconnected_units"], strict=True)
    )
    weights = span(rows[["weights_min", "weights_max"]].stack())
    here = f"share of networks with disconnected units at width {width:g}, {weights} weights: {listed}."
    paper = "Pruners leave units that lie on no path from an input to the output."
    return [Claim(paper, here, bool((rows["with_disconnected_units"] > 50).mean() > 0.5))]


def width_hurts(networks: Networks, tables: Tables, group: Group) -> list[Claim]:
    """Whether the smallest nonzeros grow with the width, by rank, over the widths that were asked for as many weights.

    Narrower ones cannot be as good: they do not have the weights. Not to be reached is larger than any number.
    """
    claims = []
    asked = _pruned(tables["accuracy"], group)
    most = asked.groupby("width")["weights"].max()
    widths = sorted(most.index[most == most.max()])
    asked = asked[asked["width"].isin(widths)]
    for target in TARGETS if len(widths) > 1 else ():
        rows = _pruned(tables["sparsest"], group, target)
        rows = rows[rows["width"].isin(widths)]
        trends = _trends(rows.assign(size=rows["nonzeros"].astype(float).fillna(float("inf"))), "size")
        worse, better = [name for name in trends if trends[name] > 0], [name for name in trends if trends[name] < 0]
        if worse or better:
            here = f"from width {widths[0]:g} to {widths[-1]:g}, {target:g} % takes more nonzeros with "
            here += f"{', '.join(worse) or 'no pruner'}, and fewer with {', '.join(better) or 'none'}."
            paper = f"{WIDER} Here by the smallest nonzeros at a target."
            claims.append(_unless_few(asked, Claim(paper, here, len(worse) > len(better))))
    return claims


def width_costs_accuracy(networks: Networks, tables: Tables, group: Group) -> list[Claim]:
    """Whether the best accuracy falls with the width, by rank, at numbers of weights that all widths were asked for.

    Of a width: the mean over these numbers of the best accuracy.
    """
    rows = in_all_widths(_pruned(tables["accuracy"], group)).dropna(subset=["best"])
    widths = sorted(rows["width"].unique())
    if len(widths) < 2:
        return []
    trends = _trends(rows.groupby(["method", "width"], as_index=False)["best"].mean(), "best")
    lower, other = [name for name in trends if trends[name] < 0], [name for name in trends if trends[name] >= 0]
    here = f"from width {widths[0]:g} to {widths[-1]:g}, at {span(rows['weights'])} weights, the best accuracy falls "
    here += f"with {', '.join(lower) or 'no pruner'}, and does not with {', '.join(other) or 'none'}."
    paper = f"{WIDER} Here by the accuracy with as many weights."
    return [_unless_few(rows, Claim(paper, here, len(lower) > len(other)))]


def pruning_removes_more(networks: Networks, tables: Tables, group: Group) -> list[Claim]:
    """Whether trained networks can still lose weights: pruned ones, and the search's structured winner."""
    claims = []
    for target in TARGETS:
        rows = rows_of(tables["pruning_after_training"], group, target)
        rows = rows[methods.pruned(rows)]
        if len(rows):
            number = int(rows["n"].sum())
            share = float((rows["prunable"] * rows["n"]).sum() / number)
            most = rows.loc[rows["removed_max"].idxmax()]
            where = f"{methods.look(most['method']).name}, width {most['width']:g}"
            here = f"of {number:,} pruned networks that reach {target:g} %, {share:.0f} % can lose weights and stay "
            here += f"above it; at most {most['removed_max']:.0f} ({where})."
            paper = "Pruners forgo sparsity: magnitude pruning after training removes more."
            claims.append(Claim(paper, here, share > 50 if number >= FEWEST_PRUNED else None))
    for winner in winners_of(group):
        table = rows_of(tables["pruning_after_training"], group, winner.target)
        table = table[table["method"] == methods.STRUCTURED]
        if len(table):
            row = table.iloc[0]
            paper = "The structured networks of phase 1 can be pruned further after training."
            here = f"of {row['n']:,} that reach {winner.target:g} %, {row['prunable']:.0f} % can lose weights, "
            here += f"the median {row['removed_median']:.0f}."
            claims.append(Claim(paper, here, bool(row["removed_median"] > 0)))
    return claims


def paths_vanish() -> list[Claim]:
    """The theorem of section L, by simulation; it needs no networks."""
    table = paths.probabilities()
    error = 4 * (table["bound"] * (1 - table["bound"]) / paths.SAMPLES) ** 0.5
    below = bool((table["simulated"] <= table["bound"] + error).all())
    before = table.groupby(["distribution", "weights"])["simulated"].shift()
    noise = 4 * (2 * before * (1 - before) / paths.SAMPLES) ** 0.5 + 4 / paths.SAMPLES
    falls = not (table["simulated"] > before + noise).any()
    widest = table[table["width"] == max(paths.WIDTHS)]["simulated"].max()
    here = f"Simulated at {', '.join(map(str, paths.WEIGHTS))} weights: the share of masks with a path "
    here += "falls with the width" if falls else "does not always fall with the width"
    here += f", to at most {widest:.4f} at width {max(paths.WIDTHS)}, "
    here += "and exceeds the bound " + ("by no more than" if below else "beyond")
    here += f" the error of {paths.SAMPLES:,} samples (4 standard deviations)."
    paper = "With a fixed number of weights, the probability of a connected path goes to 0 as the width grows."
    return [Claim(paper, here, below and falls)]


def _pruned(table: pd.DataFrame, group: Group, target: float | None = None) -> pd.DataFrame:
    rows = rows_of(table, group, target)
    return rows[methods.pruned(rows)]


def _unless_few(rows: pd.DataFrame, claim: Claim) -> Claim:
    """No verdict where a method has few networks of a width and number of weights, for then luck decides."""
    fewest = int(rows["n"].min())
    here = f"{claim.here} Networks of each method, width and number of weights: {fewest:,}"
    if fewest >= FEWEST_TRAININGS:
        return Claim(claim.paper, f"{here} or more.", claim.agrees)
    return Claim(claim.paper, f"{here}, too few to tell it from luck.")


def _trends(rows: pd.DataFrame, column: str) -> dict[str, float]:
    """By method: the rank correlation of a column with the widths; 0 where it does not vary."""
    return {
        methods.look(str(name)).name: float(own["width"].rank().corr(own[column].rank()))
        if own[column].nunique() > 1
        else 0.0
        for name, own in rows.groupby("method")
    }
