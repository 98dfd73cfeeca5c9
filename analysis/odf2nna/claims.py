"""What the paper's summary claims, and what these networks say. Its tables could not be had: directions alone count."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd
from scipy import stats

from analysis.odf2nna import methods
from analysis.odf2nna.methods import OURS
from analysis.odf2nna.ranks import MEASURES
from analysis.odf2nna.refined import BY_VALIDATION, OTHERS, UNCHOSEN
from analysis.odf2nna.tables import Tables
from analysis.odf2nna.without_loss import TOLERANCE, TOLERANCES
from analysis.report import Claim, p_relation

COMPRESSED = 70  # percent of the parameters
ALPHA = 0.05
FEWEST = 6  # data sets: below, a sign test cannot be significant
THAN_ORIGINAL = "Refined networks are better than the original."
THAN_SCRATCH = "Refined networks are better than the same architecture from scratch."
REFINED_PAPERS = {
    "original": THAN_ORIGINAL,
    "trained_on": THAN_ORIGINAL,
    "scratch": THAN_SCRATCH,
    "best_scratch": THAN_SCRATCH,
}


def removed_without_loss(tables: Tables) -> list[Claim]:
    """On most data sets more than 70 % of the parameters go, and over all of them test rows tell no loss: taken at its
    word, and with a tolerance on the validation rows by which networks are chosen."""
    paper = "More than 70 % of the parameters can be removed without loss."
    claims = []
    for tolerance, words in TOLERANCES.items():
        table = tables.without_loss(tolerance)
        rows = table[table["method"].eq(tables.ours)]
        if rows.empty:
            return [Claim(paper, "no network was compressed.")]
        many = int((rows["compression"] > COMPRESSED).sum())
        lost = int((rows["gain"] < -TOLERANCE).sum())
        p = _more_often(len(rows) - lost, len(rows))
        here = (
            f"{words} on validation rows {rows['compression'].mean():.0f} % of the parameters go on average, more than "
            f"{COMPRESSED} % on {many} of {len(rows)} data sets; on test rows that is {_in_words(rows)}, a loss of "
            f"more than {TOLERANCE:g} (points, or % of the squared error) on {lost} of them (sign test "
            f"that most have none, {p_relation(p)})."
        )
        holds = bool(2 * many > len(rows)) and p < ALPHA
        fails = min(_more_often(len(rows) - many, len(rows)), _more_often(lost, len(rows))) < ALPHA
        claims.append(Claim(paper, here, holds if len(rows) >= FEWEST and (holds or fails) else None))
    return claims


class Signs(NamedTuple):
    """On how many data sets one is better than another and on how many worse, those alike left out, of how many, and p
    of one-sided sign tests that most are so."""

    better: int
    worse: int
    of: int
    p_better: float
    p_worse: float

    @property
    def words(self) -> str:
        p = min(self.p_better, self.p_worse)  # of what most are
        return f"it is better on {self.better} and worse on {self.worse} (sign test, {p_relation(p)})"


def refined_beats(tables: Tables) -> list[Claim]:
    """Refined networks against each of `refined.OTHERS`: epsilon chosen by validation rows in each repeat, and without
    a choice. A verdict takes both: the best of many has luck that one network has not."""
    claims = []
    for other, paper in REFINED_PAPERS.items():
        table = tables.refined_against[tables.refined_against["against"].eq(other)]
        chosen, unchosen = (table[table["choice"].eq(choice)] for choice in (BY_VALIDATION, UNCHOSEN))
        words = OTHERS[other].words
        if chosen.empty:
            claims.append(Claim(paper, f"against {words}: nothing to compare with was trained."))
            continue
        alone = chosen[chosen["p_holm"] < ALPHA]
        found = [_signs(chosen)]
        here = f"against {words}: of {len(chosen)} data sets {found[0].words}"
        here += f"; by itself it differs on {', '.join(alone['dataset'])}" if len(alone) else "; on none significantly"
        if other != "best_scratch":  # which is chosen as they are
            found.append(_signs(unchosen))
            here += f"; without a choice, mean over levels, {found[1].words}"
        claims.append(Claim(paper, f"{here}.", _verdict(found)))
    return claims


def _signs(rows: pd.DataFrame) -> Signs:
    better, worse = (int((sign * rows["gain"] > 0).sum()) for sign in (1, -1))
    both = better + worse
    return Signs(better, worse, len(rows), _more_often(better, both), _more_often(worse, both))


def _verdict(found: list[Signs]) -> bool | None:
    """Where all say the same significantly, and rest on enough data sets."""
    if any(signs.of < FEWEST for signs in found):
        return None
    if all(signs.p_better < ALPHA for signs in found):
        return True
    return False if all(signs.p_worse < ALPHA for signs in found) else None


def better_than_rivals(tables: Tables) -> list[Claim]:
    """Its rank among all methods, by compression without loss, and by the score at equal shares of the units.

    It is better where it is the first, and significantly better than most; it is not where one is significantly better.
    """
    claims = []
    for measure, words in MEASURES.items():
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
        holds = place == 1 and len(beaten) > len(others) / 2
        decided = own["n"] >= FEWEST and (holds or len(beating) > 0)
        claims.append(Claim(paper, here, holds if decided else None))
    return claims


def _more_often(times: int, of: int) -> float:
    """p of a one-sided sign test that something is so on more than half of the data sets."""
    return float(stats.binomtest(times, of, alternative="greater").pvalue) if of else 1.0


def _in_words(rows: pd.DataFrame) -> str:
    """The mean gain by task: points and shares of an error do not add up."""
    words = []
    for task, unit in (("classification", "points"), ("regression", "% of the squared error")):
        gains = rows.loc[rows["task"].eq(task), "gain"]
        if len(gains):
            words.append(f"{gains.mean():+.1f} {unit}")
    return " and ".join(words)
