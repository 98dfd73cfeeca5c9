"""Analysis of variance, t-tests, intervals of confidence and the null hypothesis of the density paper."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import statsmodels.api as sm
import statsmodels.formula.api as smf
from scipy import stats

Numbers = TypeVar("Numbers", float, pd.Series)


@dataclass(frozen=True)
class Anova:
    """Rows of an analysis of variance as tables show them, or the reason why there are none."""

    rows: pd.DataFrame
    why_empty: str = ""


EXACT = 1e-8  # share of the variation below which what is left is rounding: weights come in whole numbers
ANOVA_COLUMNS = ["factor", "df", "df_residual", "F", "p", "eta_squared"]


def anova(
    frame: pd.DataFrame, response: str, factors: Sequence[str], *, interaction: tuple[str, str] | None = None
) -> Anova:
    """Type II analysis of variance of `response` over categorical `factors`; with one factor the one-way test.

    Type II tests each main effect after all other main effects, and the interaction after everything, so unequal cells
    (a diverged network) do not depend on the order of factors. A factor with a single level is left out, and so is
    the interaction where a combination of its levels holds no network. Eta squared is a factor's sum of squares over
    the total one. Where nothing varies within the cells F and p are NaN. `frame` has one row a network.
    """
    varied = [factor for factor in factors if frame[factor].nunique() > 1]
    if not varied:
        return _none(f"no factor has more than one level ({', '.join(factors)})")
    terms = [f"C({factor})" for factor in varied]
    if (
        interaction
        and set(interaction) <= set(varied)
        and pd.crosstab(*(frame[f] for f in interaction)).gt(0).all(axis=None)
    ):
        terms.append(":".join(f"C({factor})" for factor in interaction))
    if frame[response].nunique() < 2:  # a deviation of equal numbers may be a rounding error
        return _none(f"{response} is the same for every network")
    # Sizes of millions of weights square to numbers that drown the small factors in rounding: fit on a unit scale.
    spread = frame[response].std()
    scaled = frame[varied].assign(response=(frame[response] - frame[response].mean()) / spread)
    model = smf.ols("response ~ " + " + ".join(terms), scaled)
    if np.linalg.matrix_rank(model.exog) < model.exog.shape[1]:
        return _none(f"the levels of {', '.join(varied)} cannot be told apart: some combinations are missing")
    if model.df_resid < 1:
        return _none(f"{len(frame)} networks leave no degrees of freedom for the residual")
    fit = model.fit()
    total = float(fit.centered_tss)
    exact = fit.ssr <= EXACT * total
    with np.errstate(divide="ignore", invalid="ignore"):
        table = sm.stats.anova_lm(fit, typ=2).drop(index="Residual")
    names = [name.replace("C(", "").replace(")", "") for name in table.index]
    rows = pd.DataFrame(
        {
            "factor": names,
            "df": table["df"].to_numpy().astype(int),
            "df_residual": int(fit.df_resid),
            "F": np.nan if exact else table["F"].to_numpy(),
            "p": np.nan if exact else table["PR(>F)"].to_numpy(),
            "eta_squared": table["sum_sq"].to_numpy() / total,
        }
    )
    return Anova(rows)


def _none(why: str) -> Anova:
    return Anova(pd.DataFrame(columns=ANOVA_COLUMNS), why)


def null_density(
    frame: pd.DataFrame, *, density: str, size: str, match: Sequence[str], width: str = "width"
) -> pd.Series:
    """Effective density that each network would have if the core did not grow with the width (section 4.2).

    The core of the network's twin of width 1, the one with equal `match` columns, over the network's own size: at most
    1. Densities are fractions, `size` is the column of weights to count by. NaN where there is no twin, or no size.
    """
    twins = frame[frame[width] == 1]
    assert not twins.duplicated(list(match)).any(), f"several networks of width 1 share {', '.join(match)}"
    core = twins[list(match)].assign(core=twins[density] * twins[size])
    matched = frame[[*match, size]].merge(core, on=list(match), how="left")
    sizes = matched[size].where(matched[size] > 0)
    return pd.Series((matched["core"] / sizes).clip(upper=1).to_numpy(), index=frame.index)


def unpaired_t_test(one: pd.Series, other: pd.Series) -> float:
    """Two-tailed p of Student's unpaired t-test (equal variances: the paper says no more than "unpaired t-test").

    NaN where a sample has fewer than two values or neither varies.
    """
    one, other = one.dropna(), other.dropna()
    if min(len(one), len(other)) < 2 or max(one.nunique(), other.nunique()) < 2:
        return float("nan")
    test = stats.ttest_ind_from_stats(one.mean(), one.std(), len(one), other.mean(), other.std(), len(other))
    return float(test.pvalue)


def paired_t_test(differences: pd.Series, *, test_to_training: float = 0.0) -> float:
    """Two-tailed p of Student's t-test that the mean of paired differences is 0.

    Where every pair draws its training and test rows anew from the same data, pairs share rows, and the plain test is
    too sure. With `test_to_training` test rows for each training row the variance of the mean is then taken to be
    1/n + test_to_training times that of the differences, not 1/n times: the corrected resampled t-test (Nadeau and
    Bengio 2003, "Inference for the Generalization Error"). With 0, where all pairs have the same test rows, it is the
    plain test, which speaks of these rows.

    NaN for fewer than two pairs, and where all differ by the same, to rounding.
    """
    n, deviation = len(differences), differences.std()
    if n < 2 or not deviation > EXACT * differences.abs().max():
        return float("nan")
    error = deviation * np.sqrt(1 / n + test_to_training)
    return float(2 * stats.t.sf(abs(differences.mean()) / error, n - 1))


def half_width(deviation: Numbers, n: Numbers, *, test_to_training: Any = 0.0, confidence: float = 0.95) -> Numbers:
    """Half of the interval of confidence of a mean of n values with that standard deviation, by Student's t.

    `test_to_training` as in `paired_t_test`, whose p it agrees with. NaN below two values.
    """
    known = np.where(np.asarray(n) > 1, n, np.nan)
    t = stats.t.ppf((1 + confidence) / 2, known - 1)
    return deviation * np.sqrt(1 / n + test_to_training) * t


def welch_half_width(variances: Numbers, counts: Any, *, confidence: float = 0.95) -> float:
    """Half of the interval of confidence of a sum of independent means, whose variances these are, each of a mean over
    so many values.

    By Student's t, with as many degrees of freedom as such a sum of estimated variances has (Welch 1947, Satterthwaite
    1946): of two or three values a mean, two standard errors would be too few. NaN where a variance is not known.
    """
    known, freedom = np.asarray(variances, dtype=float), np.asarray(counts, dtype=float) - 1
    if np.isnan(known).any() or (freedom < 1).any():
        return float("nan")
    if not known.any():
        return 0.0
    t = stats.t.ppf((1 + confidence) / 2, known.sum() ** 2 / (known**2 / freedom).sum())
    return float(t * np.sqrt(known.sum()))


def holm(p: pd.Series) -> pd.Series:
    """The p of several tests, corrected for their number (Holm 1979): the smallest times as many as there are, the next
    times one less, and so on, at most 1, and none smaller than one before it. NaN stays, and does not count."""
    ordered = p.dropna().sort_values(kind="stable")
    corrected = (ordered * np.arange(len(ordered), 0, -1)).cummax().clip(upper=1)
    return corrected.reindex(p.index).astype(float)


def overlapping_share(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Common area of two normal densities, each given as mean and standard deviation > 0: 1 where they are the same."""
    (mean, deviation), (second_mean, second_deviation) = one, other
    return statistics.NormalDist(mean, deviation).overlap(statistics.NormalDist(second_mean, second_deviation))


def mean_pairwise_distance(vectors: np.ndarray) -> float:
    """Mean share of differing entries over all pairs of 0/1 rows, shape [network, image]; NaN below two rows."""
    pairs = list(combinations(vectors, 2))
    return float(np.mean([np.mean(a != b) for a, b in pairs])) if pairs else float("nan")
