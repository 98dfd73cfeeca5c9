"""The study's tables, as they are written to disk: scores are percent of right answers, or squared errors."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.stats.multitest import multipletests

from analysis.odf2nna import methods
from analysis.odf2nna.methods import OURS
from analysis.odf2nna.networks import Networks
from analysis.odf2nna.without_loss import ANY, best, candidates, chosen
from analysis.ranking import Ranking, against, ranking

CONFIDENCE = 0.95
EXACT = 1e-9  # share of a difference that is rounding


@dataclass(frozen=True)
class Tables:
    """All tables of a sweep, each made once."""

    networks: Networks

    def named(self) -> dict[str, pd.DataFrame]:
        """By the names of their files."""
        tables = {
            "compression": self.compression,
            "curves": self.curves,
            "refined_against": self.refined_against,
            "ranks": self.ranks,
            "epsilon": self.epsilon,
            "refinement": self.refinement,
        }
        return {name: self._finished(table) for name, table in tables.items()}

    def _finished(self, table: pd.DataFrame) -> pd.DataFrame:
        if "dataset" in table:
            table = table.copy()
            table.insert(table.columns.get_loc("dataset") + 1, "scale", self.networks.scale)
        return table

    @cached_property
    def chosen(self) -> pd.DataFrame:
        return chosen(self.networks)

    @cached_property
    def compression(self) -> pd.DataFrame:
        """Compression without loss: means over repeats of what each chooses by its validation rows, on test rows.

        `n_found` of `n` repeats have a smaller network without loss; of the others the original counts.
        `compression` is the percentage of the parameters that is gone; `gain` how much better than the original, in
        points or percent of its squared error, and `gain_std` its deviation.
        """
        groups = self.chosen.groupby(["dataset", "task", "variant"], sort=False)
        table = groups.agg(
            n=("found", "size"),
            n_found=("found", "sum"),
            parameters_before=("parameters_before", "mean"),
            parameters_after=("parameters_after", "mean"),
            compression=("share_gone", "mean"),
            compression_std=("share_gone", "std"),
            score_before=("score_before", "mean"),
            score_after=("score", "mean"),
            score_scratch=("score_scratch", "mean"),
            gain=("gain", "mean"),
            gain_std=("gain", "std"),
        )
        return self._ordered(table.reset_index()).rename(columns={"variant": "method"})

    @cached_property
    def curves(self) -> pd.DataFrame:
        """Score by level, means over repeats with an interval of confidence of 95 % (Student's t)."""
        groups = candidates(self.networks)
        groups = groups[groups["variant"].ne(ANY)].groupby(
            ["dataset", "task", "variant", "criterion", "level"], sort=False
        )
        table = groups.agg(
            n=("score", "size"),
            compression=("share_gone", "mean"),
            score_removed=("removed_score", "mean"),
            score_after=("score", "mean"),
            score_std=("score", "std"),
            score_before=("score_before", "mean"),
            score_scratch=("score_scratch", "mean"),
            gain=("gain", "mean"),
            gain_std=("gain", "std"),
        ).reset_index()
        half = _half_width(table["score_std"], table["n"])
        table["score_low"], table["score_high"] = table["score_after"] - half, table["score_after"] + half
        return self._ordered(table).rename(columns={"variant": "method"})

    @cached_property
    def refined_against(self) -> pd.DataFrame:
        """ODF2NNA's refined networks less the original, and less the same units from random weights, repeat by repeat.

        `level` is empty where each repeat has the epsilon with the best validation score (of any criterion, where there
        are several), without loss or not. `p` is that of a paired t-test, `p_holm` corrected over the data sets.
        """
        rows = candidates(self.networks)
        usual = rows[rows["variant"].eq(OURS)]
        chosen = best(self.networks)
        chosen = chosen[chosen["variant"].eq(self.ours)].assign(level=np.nan)
        found = []
        for other, column in (("original", "gain"), ("scratch", "gain_scratch")):
            for (level, dataset), own in pd.concat([usual, chosen]).groupby(
                ["level", "dataset"], sort=False, dropna=False
            ):
                apart = own[column].dropna()
                found.append(
                    {
                        "dataset": dataset,
                        "task": own["task"].iloc[0],
                        "against": other,
                        "level": level,
                        "n": len(apart),
                        "compression": own["share_gone"].mean(),
                        "gain": apart.mean(),
                        "gain_std": apart.std(),
                        "p": _paired_p(apart),
                    }
                )
        table = pd.DataFrame(found)
        table["p_holm"] = table.groupby(["against", "level"], dropna=False)["p"].transform(_holm)
        return table

    @property
    def ours(self) -> str:
        """The variant of ODF2NNA that chooses its epsilon."""
        return ANY if ANY in set(self.chosen["variant"]) else OURS

    def scores(self, measure: str) -> pd.DataFrame:
        """Data sets by methods, larger is better: `compression` without loss; or `gain` at equal shares of the units,
        mean over levels and repeats.

        Methods as usual, and data sets, that have no hole.
        """
        if measure == "compression":
            table = self.compression.rename(columns={"compression": "value"})
        else:
            shares = self.curves[self.curves["criterion"].eq("share")]
            table = shares.groupby(["dataset", "method"], sort=False)["gain"].mean().rename("value").reset_index()
        wide = table[~table["method"].str.contains(",")].pivot(index="dataset", columns="method", values="value")
        wide = wide.dropna(axis="columns", thresh=max(1, wide.notna().sum().max())).dropna()
        return wide[sorted(wide, key=methods.rank)]

    def ranking(self, measure: str) -> Ranking:
        return ranking(self.scores(measure))

    @cached_property
    def ranks(self) -> pd.DataFrame:
        """Average ranks over data sets by two measures, and ODF2NNA held against each other method (Wilcoxon, Holm)."""
        parts = []
        for measure in ("compression", "gain"):
            wide = self.scores(measure)
            if wide.shape[1] < 2 or OURS not in wide:
                continue
            found = ranking(wide)
            table = found.ranks.rename("rank").rename_axis("method").reset_index().assign(measure=measure)
            table = table.merge(against(wide, OURS), on="method", how="left")
            table["n"], table["p_friedman"] = found.datasets, found.p
            table["critical_difference"] = found.critical_difference
            parts.append(table)
        columns = ["measure", "method", "n", "rank", "critical_difference", "p_friedman"]
        columns += ["difference", "better_on", "p", "p_holm"]
        return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)

    @cached_property
    def epsilon(self) -> pd.DataFrame:
        """What an epsilon removes and costs, by criterion and data set."""
        rows = candidates(self.networks)
        rows = rows[rows["method"].eq(OURS) & rows["compensation"].eq("mean") & rows["variant"].ne(ANY)]
        return self._by(rows, ["criterion", "level"])

    @cached_property
    def refinement(self) -> pd.DataFrame:
        """What the length of the refinement brings, at equal shares of the units; 0 is before it."""
        rows = self.networks.smaller
        rows = rows[rows["variant"].eq(OURS)]
        before = rows[rows["refinement"].eq(self.networks.refinement)].assign(refinement=0.0)
        before["score"], before["gain"] = before["removed_score"], before["removed_gain"]
        return self._by(pd.concat([before, rows]), ["refinement", "level"])

    def _by(self, rows: pd.DataFrame, factors: list[str]) -> pd.DataFrame:
        groups = rows.groupby(["dataset", "task", *factors], sort=True)
        table = groups.agg(
            n=("score", "size"),
            compression=("share_gone", "mean"),
            score_before=("score_before", "mean"),
            score_after=("score", "mean"),
            gain=("gain", "mean"),
            gain_std=("gain", "std"),
        ).reset_index()
        return self._ordered(table)

    def _ordered(self, table: pd.DataFrame) -> pd.DataFrame:
        """In the order of the data sets, then of the methods."""
        places = {name: place for place, name in enumerate(self.networks.datasets)}
        keys = pd.DataFrame({"dataset": table["dataset"].map(places)})
        if "variant" in table:
            keys["method"] = table["variant"].map(methods.rank)
        order = keys.sort_values(list(keys), kind="stable").index
        return table.loc[order].reset_index(drop=True)


def _half_width(std: pd.Series, n: pd.Series) -> pd.Series:
    """Half of the interval of confidence of a mean; NaN for one value."""
    return std / np.sqrt(n) * stats.t.ppf((1 + CONFIDENCE) / 2, (n - 1).where(n > 1))


def _paired_p(apart: pd.Series) -> float:
    """Of a paired t-test; NaN for fewer than two pairs, and where all differ by the same, to rounding."""
    varies = len(apart) > 1 and apart.std() > EXACT * apart.abs().max()
    return float(stats.ttest_1samp(apart, 0).pvalue) if varies else float("nan")


def _holm(p: pd.Series) -> pd.Series:
    known = p.dropna()
    corrected = pd.Series(np.nan, index=p.index)
    if len(known):
        corrected[known.index] = multipletests(known, method="holm")[1]
    return corrected
