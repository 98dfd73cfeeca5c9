"""What the paper's summary claims, and what these networks say. Its tables could not be had: directions alone count."""

from __future__ import annotations

import pandas as pd
from scipy import stats

from analysis.odf2nna import methods
from analysis.odf2nna.methods import OURS
from analysis.odf2nna.tables import Tables
from analysis.report import Claim, p_relation

COMPRESSED = 70  # percent of the parameters
ALPHA = 0.05
FEWEST = 6  # data sets: below, signed ranks cannot differ significantly


def removed_without_loss(tables: Tables) -> list[Claim]:
    """On most data sets more than 70 % of the parameters go, and over all of them test rows tell no loss."""
    paper = "More than 70 % of the parameters can be removed without loss."
    rows = tables.compression[tables.compression["method"].eq(tables.ours)]
    if rows.empty:
        return [Claim(paper, "no network was compressed.")]
    many = int((rows["compression"] > COMPRESSED).sum())
    p = _signed_ranks(rows["gain"])
    worse = p < ALPHA and rows["gain"].median() < 0
    here = (
        f"chosen by validation rows, {rows['compression'].mean():.0f} % of the parameters go on average, more than "
        f"{COMPRESSED} % on {many} of {len(rows)} data sets; on test rows {_in_words(rows)} ({p_relation(p)})."
    )
    enough = len(rows) >= FEWEST
    return [Claim(paper, here, bool(2 * many > len(rows) and not worse) if enough else None)]


def refined_beats(tables: Tables) -> list[Claim]:
    """Refined networks, where they are chosen without loss, against the original and against scratch."""
    claims = []
    for other, paper in (
        ("original", "Refined networks are better than the original."),
        ("scratch", "Refined networks are better than the same architecture from scratch."),
    ):
        table = tables.refined_against
        rows = table[table["against"].eq(other) & table["level"].isna() & table["n"].gt(0)]
        if rows.empty:
            claims.append(Claim(paper, "nothing to compare with was trained."))
            continue
        p = _signed_ranks(rows["gain"])
        better, worse = (int((sign * rows["gain"] > 0).sum()) for sign in (1, -1))
        alone = rows[rows["p_holm"] < ALPHA]
        here = (
            f"of {len(rows)} data sets it is better on {better} and worse on {worse} ({p_relation(p)} over data sets)"
        )
        here += (
            f"; by itself it differs on {', '.join(alone['dataset'])}."
            if len(alone)
            else "; on none significantly by itself."
        )
        decided = len(rows) >= FEWEST and (p < ALPHA or 2 * better <= len(rows))
        claims.append(Claim(paper, here, bool(p < ALPHA and rows["gain"].median() > 0) if decided else None))
    return claims


def better_than_rivals(tables: Tables) -> list[Claim]:
    """Its rank among all methods, by compression without loss and by the score at equal shares of the units."""
    claims = []
    for measure, words in (("compression", "compression without loss"), ("gain", "score at equal shares of the units")):
        paper = f"It is better than its rivals: {words}."
        rows = tables.ranks[tables.ranks["measure"].eq(measure)]
        if rows.empty:
            continue
        own, others = rows[rows["method"].eq(OURS)].iloc[0], rows[rows["method"].ne(OURS)]
        beaten = others[(others["p_holm"] < ALPHA) & (others["difference"] > 0)]
        beating = others[(others["p_holm"] < ALPHA) & (others["difference"] < 0)]
        place = int((rows["rank"] < own["rank"]).sum()) + 1
        best = rows.sort_values("rank", kind="stable").iloc[0]
        here = f"place {place} of {len(rows)} over {own['n']:.0f} data sets (rank {own['rank']:.1f}"
        here += f"; the best, {methods.name(best['method'])}, has {best['rank']:.1f})" if place > 1 else ")"
        here += f"; significantly better than {len(beaten)} of them, worse than {len(beating)}."
        enough = own["n"] >= FEWEST
        claims.append(Claim(paper, here, bool(place == 1 and len(beaten) > len(others) / 2) if enough else None))
    return claims


def _signed_ranks(gains: pd.Series) -> float:
    """p of Wilcoxon's signed ranks over data sets."""
    known = gains.dropna()
    return float(stats.wilcoxon(known).pvalue) if known.abs().gt(0).any() else 1.0


def _in_words(rows: pd.DataFrame) -> str:
    """The mean gain by task: points and shares of an error do not add up."""
    words = []
    for task, unit in (("classification", "points"), ("regression", "% of the squared error")):
        gains = rows.loc[rows["task"].eq(task), "gain"]
        if len(gains):
            words.append(f"{gains.mean():+.1f} {unit}")
    return " and ".join(words)
