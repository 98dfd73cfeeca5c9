"""What the paper claims, and what the runs say: one function a claim, one sentence a curve or a panel.

A verdict takes the paper's own data, all of its widths, and networks that trained as long as the paper's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from analysis.frivolous import published, untrained
from analysis.frivolous.axes import fraction
from analysis.frivolous.curves import TITLES, of_group
from analysis.frivolous.gain import gain_of_families
from analysis.frivolous.lines import Line
from analysis.frivolous.panels import Panel
from analysis.frivolous.tables import Tables
from analysis.report import Claim
from analysis.statistics import holm, welch_half_width

Group = tuple[str, str]
Says = Callable[[Tables, Group], list[Claim]]
RANDOM = "ResNet56, random labels"
SLACK = 1.0  # points of accuracy that a wider network may lose and be called as good
LEVEL = 0.05  # of significance
PROPORTIONAL = 0.1  # how far from 2 a gain may be and be called that of the width


def judged(tables: Tables, groups: list[Group], says: list[Says]) -> list[Claim]:
    """The claims of every panel, those of one kind together."""
    found = [claim for group in groups for say in says for claim in say(tables, group)]
    papers = [claim.paper for claim in found]
    return sorted(found, key=lambda claim: papers.index(claim.paper))


def frivolous_units_outgrow(tables: Tables, group: Group) -> list[Claim]:
    """The text excepts redundancy of Inception-v3s and prunability with random labels: claims of their own."""
    claims = []
    for measure, name, whose in (
        ("prunability", "prunable", "ResNet56s with random labels"),
        ("redundancy", "redundant", "Inception-v3s"),
    ):
        rows = _gains(tables, group, measure)
        excepted = rows["curve"].eq(RANDOM) if measure == "prunability" else rows["curve"].str.startswith("Inception")
        usual = f"The number of {name} units more than doubles where the width doubles (g above 2)."
        exception = f"The number of {name} units of {whose} does not (g at most 2)."
        claims += _said(group, usual, rows[~excepted], lambda g: g > 2)
        claims += _said(group, exception, rows[excepted], lambda g: g <= 2)
    return claims


def others_grow_less(tables: Tables, group: Group) -> list[Claim]:
    claims = []
    for measure, name in (("non_prunability", "prunable"), ("non_redundancy", "redundant")):
        paper = f"Units that are not {name} become more, but less than double (g between 1 and 2)."
        claims += _said(group, paper, _gains(tables, group, measure), lambda g: (g > 1) & (g < 2))
    return claims


def inside_published(tables: Tables, group: Group) -> list[Claim]:
    """Our gains against the smallest and the largest that the panel of the paper shows.

    A gain that is outside, but not with all of its interval of confidence, says nothing, nor do curves inside where
    others are missing.
    """
    claims = []
    rows = of_group(tables.gain, group).dropna(subset=["g", "published_g_min"])
    for measure, part in rows.groupby("measure", sort=False):
        low, high = part["published_g_min"].iloc[0], part["published_g_max"].iloc[0]
        inside = part["g"].round(2).between(low, high)
        beyond = np.maximum(low - part["g"], part["g"] - high) > part["g_half_width"].fillna(0)
        panel = _panel(tables, group)
        missing = 0 if panel.by_layer else len({curve.name for curve in panel.curves} - set(part["curve"]))
        words = str(measure).replace("_", "-")
        few = f"{int(inside.sum())} of {len(part)} curves inside {low:.2f} to {high:.2f}"
        few += f", {missing} missing" if missing else ""
        here = f"{_where(group)}: {few} ({_listed(part)})."
        verdict = (None if missing else True) if inside.all() else False if (beyond & ~inside).any() else None
        can_tell = not part["short"].any() and _errors_known(panel, part).all()
        claims.append(Claim(f"The gains in {words} that the panel shows.", here, verdict if can_tell else None))
    return claims


def accuracy_does_not_degrade(tables: Tables, group: Group) -> list[Claim]:
    """From each width to the next that was trained."""
    paper = f"Wider networks are as accurate or more (taken as: they lose at most {SLACK:g} point to the narrower one)."
    listed, verdicts = [], []
    for line in tables.of(group):
        found = _spread(line, "accuracy")
        rows = found["mean"]
        if len(rows) > 1 and not line.networks["random_labels"].any():
            lost = max(narrow - wide for narrow, wide in pairwise(rows))
            steps = [_surely(_difference(line, *two), SLACK) for two in pairwise(found.itertuples())]
            change = f"{rows.iloc[0]:.1f} to {rows.iloc[-1]:.1f} %" + (
                f" (a step back of {lost:.1f})" if lost > 0 else ""
            )
            listed.append(f"{line.name or 'all'} {change}")
            verdicts.append(_all(steps) if _whole(line, rows.index) else None)
    return [Claim(paper, f"{_where(group)}: {'; '.join(listed)}.", _all(verdicts))] if listed else []


def random_labels_are_memorised(tables: Tables, group: Group) -> list[Claim]:
    paper = "With random labels networks of width 1 and wider fit at least 99 % of the training set."
    claims = []
    for line in tables.of(group):
        found = _spread(line, "train_accuracy")
        rows = found["mean"]
        if rows.empty or not line.networks["random_labels"].all():
            continue
        wide = found[found.index >= 1]
        all_wide = {width for width in line.curve.widths if width >= 1} <= set(wide.index)
        halves = [_half(line, [row.variance], [row.networks]) for row in wide.itertuples()]
        short_of = zip(published.MEMORISED - wide["mean"], halves, strict=True)
        fits = _all([_surely(each, 0) for each in short_of])
        agrees = fits if _speaks(line) and len(wide) and (all_wide or fits is False) else None
        known = line.published.get("train_accuracy", {}).get(0.25)
        beside = f"; published at 1/4×: {known:g}" if known and 0.25 in rows.index else ""
        claims.append(Claim(paper, f"{_where(group)}, {line.name}: {_by_width(rows)} %{beside}.", agrees))
    return claims


def interpretability_has_no_trend(tables: Tables, group: Group) -> list[Claim]:
    """Differences that are left after Holm's correction, and which way they go; a claim on networks for ImageNet."""
    paper = "Narrow and wide networks differ in how interpretable their units are, but neither consistently less."
    claims = []
    for line in tables.of(group):
        rows = of_group(tables.interpretability, group)
        rows = rows[rows["curve"] == line.name].dropna(subset=["p"])
        if rows.empty:
            continue
        kept = rows[holm(rows["p"]) <= LEVEL]
        easier = int((kept["statistic"] < 0).sum())
        words = f"{len(kept)} of {len(rows)} tests differ (Holm, {100 * LEVEL:g} %)"
        words += f", in {easier} the narrow networks are easier to interpret" if len(kept) else ""
        the_papers = line.dataset == "image_folder" and _speaks(line)
        agrees = 0 < easier < len(kept) if the_papers and len(kept) > 1 else None  # of one test there is no trend
        claims.append(Claim(paper, f"{_where(group)}, {line.name or 'all'}: {words}.", agrees))
    return claims


def initializers_trade(tables: Tables, group: Group) -> list[Claim]:
    """Which of Glorot and He has more of either kind, at each width."""
    said = {
        "prunability": ("Glorot", "He", "Glorot develops more prunable units than He."),
        "redundancy": ("He", "Glorot", "He develops more redundant units than Glorot."),
    }
    return [
        claim
        for measure, (more, less, paper) in said.items()
        for claim in _compared(tables, group, measure, more, less, paper, 1.0)
    ]


def high_variance_and_many_inputs(tables: Tables, group: Group) -> list[Claim]:
    """The text says it of prunable units; the paper's own curves (Figure 4d) show it of redundant ones."""
    high, low = "10,000 inputs, factor 1", "10,000 inputs, factor 0.01"
    paper = "MLPs with many inputs and a high initial variance have far fewer {} (taken as: half or less)."
    text = "prunable units, says the text", "redundant units, shows the figure"
    return [
        claim
        for measure, words in zip(("prunability", "redundancy"), text, strict=True)
        for claim in _compared(tables, group, measure, low, high, paper.format(words), 2.0)
    ]


def random_networks_are_proportional() -> list[Claim]:
    """The claim about random networks, which needs no run: with all of the interval of confidence, or with none."""
    claims = []
    for measure in ("prunability", "redundancy"):
        for inputs, part in untrained.drawn().groupby("inputs"):
            curves = part.pivot(index="seed", columns="width", values=measure).dropna()
            g, _, error, half = gain_of_families(curves, measure)
            paper = f"In random networks {measure} is in proportion to the width, in expectation (appendix; g = 2)."
            sample = f"{untrained.NETWORKS[measure]} networks with {inputs:,} inputs"
            sample += f", {untrained.IMAGES[measure]:,} images"
            here = f"{sample}: g = {g:.2f} ± {error:.2f}."
            inside, outside = abs(g - 2) + half <= PROPORTIONAL, abs(g - 2) - half > PROPORTIONAL
            claims.append(Claim(paper, here, True if inside else False if outside else None))
    return claims


def _compared(
    tables: Tables, group: Group, measure: str, more: str, less: str, paper: str, factor: float
) -> list[Claim]:
    """Whether one curve has at least `factor` times the values of another at every width that both have."""
    rows = tables.spread(group, measure)
    wide = rows[rows["curve"].isin([more, less])].pivot(
        index="width", columns="curve", values=["mean", "error", "networks"]
    )
    if not {more, less} <= set(rows["curve"]) or (wide := wide.dropna(subset=[("mean", more), ("mean", less)])).empty:
        return []
    means, errors, counts = (wide[name] for name in ("mean", "error", "networks"))
    ratios = means[more] / means[less].where(means[less] > 0)
    listed = ", ".join(f"{ratio:.2f} at {fraction(float(str(width)))}×" for width, ratio in ratios.dropna().items())
    own = [line for line in tables.of(group) if line.name in (more, less)]
    sure = []
    for width in wide.index:
        variances = [errors[more][width] ** 2, (factor * errors[less][width]) ** 2]
        half = _half(own[0], variances, [counts[more][width], counts[less][width]])
        sure.append(_surely((factor * means[less][width] - means[more][width], half), 0))
    agrees = _all(sure) if all(_whole(line, wide.index) for line in own) else None
    return [Claim(paper, f"{_where(group)}: {more} over {less}, {measure} {listed or 'none'}.", agrees)]


def _spread(line: Line, column: str) -> pd.DataFrame:
    """Mean, variance of that mean and count of networks by width, where there are some."""
    found = line.networks.groupby("width")[column].agg(mean="mean", var="var", networks="count")
    return found.dropna(subset=["mean"]).assign(variance=found["var"] / found["networks"])


def _difference(line: Line, one: Any, other: Any) -> tuple[float, float]:
    """Of two rows of `_spread` the first mean less the second, and half of its interval of confidence."""
    half = _half(line, [one.variance, other.variance], [one.networks, other.networks])
    return one.mean - other.mean, half


def _half(line: Line, variances: list[float], counts: list[int]) -> float:
    """Half of an interval of confidence; 0 where the paper itself has one network a point, else NaN for one."""
    half = welch_half_width(variances, counts)
    return 0.0 if np.isnan(half) and line.panel.seeds == 1 else half


def _surely(excess: tuple[float, float], allowed: float) -> bool | None:
    """Whether a number, given with half of its interval, is at most what is allowed; None where it may, or may not."""
    value, half = excess
    return True if value + half <= allowed else False if value - half > allowed else None


def _all(verdicts: Sequence[bool | None]) -> bool | None:
    return False if False in verdicts else None if None in verdicts else True


def _gains(tables: Tables, group: Group, measure: str) -> pd.DataFrame:
    """The gains of a panel that there are; `can_tell` where they may be held against the paper."""
    rows = of_group(tables.gain, group)
    rows = rows[(rows["measure"] == measure) & rows["g_here"].notna()]
    can_tell = rows["g"].notna() & ~rows["short"] & rows["papers"] & _errors_known(_panel(tables, group), rows)
    return rows.assign(can_tell=can_tell)


def _errors_known(panel: Panel, rows: pd.DataFrame) -> pd.Series:
    """Whether gains have an error, or stand on one network as the paper's do: others may be chance."""
    return rows["g_half_width"].notna() | (panel.seeds == 1)


def _panel(tables: Tables, group: Group) -> Panel:
    return tables.of(group)[0].panel


def _said(group: Group, paper: str, rows: pd.DataFrame, holds: Callable[[pd.Series], pd.Series]) -> list[Claim]:
    """One claim about the gains of a panel, on which those that can tell decide; none without gains.

    It holds, or does not, where it would at both ends of the interval of confidence as well.
    """
    if rows.empty:
        return []
    judged = rows[rows["can_tell"]]
    half = judged["g_half_width"].fillna(0)
    near = [holds(judged["g"] + shift) for shift in (0.0, half, -half)]
    every, none = near[0] & near[1] & near[2], ~(near[0] | near[1] | near[2])
    verdict = None if judged.empty else True if every.all() else False if none.any() else None
    return [Claim(paper, f"{_where(group)}: {_listed(rows)}.", verdict)]


def _listed(rows: pd.DataFrame) -> str:
    """Gains with their standard errors, in brackets of how many ratios where some are missing."""
    words = []
    for row in rows.to_dict("records"):
        error = "" if pd.isna(row["g_error"]) else f" ± {row['g_error']:.2f}"
        few = f" ({_ratios(row['n_ratios'])})" if pd.isna(row["g"]) else ""
        words.append(f"{row['curve'] or 'all'} {row['g_here']:.2f}{error}{few}")
    return "; ".join(words)


def _ratios(count: int) -> str:
    return f"{count} ratio{'s' if count > 1 else ''} alone"


def _speaks(line: Line) -> bool:
    return line.papers and not line.short


def _whole(line: Line, widths: pd.Index) -> bool:
    """Whether a line can speak on the paper's claims, at all widths of the paper's."""
    return _speaks(line) and set(line.curve.widths) <= set(widths)


def _where(group: Group) -> str:
    """A panel in short: what is in front of the first full stop or colon, the data set where it is not the paper's."""
    title = TITLES[group[0]]
    short = title.split(".")[0] if title.startswith("Figure") else title
    return short if group[1] in published.DATASETS else f"{short} ({group[1]})"


def _by_width(values: pd.Series) -> str:
    return ", ".join(f"{value:.1f} at {fraction(float(str(width)))}×" for width, value in values.items())
