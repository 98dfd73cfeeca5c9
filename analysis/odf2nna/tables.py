"""The study's tables, as they are written to disk: scores are percent of right answers, or squared errors."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from analysis.odf2nna import methods, paths, ranks
from analysis.odf2nna.methods import OURS
from analysis.odf2nna.networks import Networks
from analysis.odf2nna.refined import refined_against
from analysis.odf2nna.without_loss import ANY, TOLERANCES, candidates, chosen
from analysis.ranking import Ranking, ranking
from analysis.statistics import half_width


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
            "paths": self.paths,
        }
        return {name: self._finished(table) for name, table in tables.items()}

    def _finished(self, table: pd.DataFrame) -> pd.DataFrame:
        if "dataset" in table:
            table = table.copy()
            table.insert(table.columns.get_loc("dataset") + 1, "scale", self.networks.scale)
        return table

    @cached_property
    def chosen(self) -> dict[float, pd.DataFrame]:
        """By tolerance what each repeat and method chooses."""
        return {tolerance: chosen(self.networks, tolerance) for tolerance in TOLERANCES}

    @cached_property
    def compression(self) -> pd.DataFrame:
        """Compression without loss, and with a loss of at most the `tolerance` (points of accuracy, or percent of the
        squared error): means over repeats of what each chooses by its validation rows, on test rows.

        `n_found` of `n` repeats have such a smaller network; of the others the original counts. `compression` is the
        percentage of the parameters that is gone, `score_scratch` is empty where a repeat has none; `gain` is how much
        better than the original, in points or percent of its squared error, and `gain_std` its deviation.
        """
        groups = pd.concat(self.chosen.values(), ignore_index=True).groupby(
            ["dataset", "task", "variant", "tolerance"], sort=False
        )
        table = groups.agg(
            n=("found", "size"),
            parameters_before=("parameters_before", "mean"),
            parameters_after=("parameters_after", "mean"),
            compression=("share_gone", "mean"),
            score_before=("score_before", "mean"),
            score_after=("score", "mean"),
            score_scratch=("score_scratch", _mean_of_all),
            n_found=("found", "sum"),
            compression_std=("share_gone", "std"),
            gain=("gain", "mean"),
            gain_std=("gain", "std"),
        )
        table = self._ordered(table.reset_index()).rename(columns={"variant": "method"})
        first = [*table.columns.drop(["tolerance", "n_found", "compression_std", "gain", "gain_std"]), "tolerance"]
        return table[[*first, *table.columns.drop(first)]]

    def without_loss(self, tolerance: float) -> pd.DataFrame:
        """Those rows of `compression` that allow so much loss."""
        return self.compression[self.compression["tolerance"].eq(tolerance)]

    @cached_property
    def curves(self) -> pd.DataFrame:
        """Score by level, means over repeats on test rows.

        `score_low` to `score_high` is the mean score with an interval of confidence of 95 % of its difference from the
        original's, repeat by repeat: so the interval is without the original's mean score where a paired t-test tells
        them apart at 5 %. How repeats differ among each other, alike for all networks, is in `score_std`.
        """
        rows = candidates(self.networks)
        rows = rows[rows["variant"].ne(ANY)].assign(apart=rows["score"] - rows["score_before"])
        table = rows.groupby(["dataset", "task", "variant", "criterion", "level"], sort=False).agg(
            n=("score", "size"),
            compression=("share_gone", "mean"),
            score_removed=("removed_score", "mean"),
            score_after=("score", "mean"),
            score_std=("score", "std"),
            score_before=("score_before", "mean"),
            score_scratch=("score_scratch", _mean_of_all),
            gain=("gain", "mean"),
            gain_std=("gain", "std"),
            gain_removed=("removed_gain", "mean"),
            apart=("apart", "std"),
        )
        table = table.reset_index()
        drawn = table["dataset"].map(self.networks.test_to_training).astype(float)
        half = half_width(table.pop("apart"), table["n"], test_to_training=drawn)
        table["score_low"], table["score_high"] = table["score_after"] - half, table["score_after"] + half
        return self._ordered(table).rename(columns={"variant": "method"})

    @cached_property
    def refined_against(self) -> pd.DataFrame:
        """ODF2NNA's refined networks less the original, the original trained on, and networks from scratch."""
        return self._ordered(refined_against(self.networks, variant=self.ours, usual=self.usual))

    @cached_property
    def paths(self) -> pd.DataFrame:
        """By method how many networks lost paths from inputs to outputs, or all of them."""
        return paths.lost(self.networks.smaller)

    @property
    def ours(self) -> str:
        """The variant of ODF2NNA that chooses its epsilon."""
        return ANY if ANY in set(self.compression["method"]) else self.usual

    @cached_property
    def usual(self) -> str:
        """The variant of ODF2NNA that is as usual, or where none is the first in the order of their names."""
        rows = candidates(self.networks)
        own = rows.loc[rows["method"].eq(OURS) & rows["variant"].ne(ANY), "variant"]
        return OURS if own.empty or own.eq(OURS).any() else min(own)

    @cached_property
    def scores(self) -> dict[str, pd.DataFrame]:
        """Data sets by methods, larger is better, by each of `ranks.MEASURES`."""
        return {measure: ranks.scores(self.networks, self.chosen, measure) for measure in ranks.MEASURES}

    def ranking(self, measure: str) -> Ranking:
        return ranking(self.scores[measure])

    @cached_property
    def ranks(self) -> pd.DataFrame:
        """Average ranks over data sets by each measure, and ODF2NNA held against each other method."""
        return ranks.ranks(self.scores)

    @cached_property
    def epsilon(self) -> pd.DataFrame:
        """What an epsilon removes and costs, by criterion and data set."""
        rows = candidates(self.networks)
        return self._by(
            rows[rows["variant"].isin([self.usual, f"{OURS}, absolute", f"{OURS}, relative"])], ["criterion", "level"]
        )

    @cached_property
    def refinement(self) -> pd.DataFrame:
        """What the length of the refinement brings, at equal shares of the units; 0 is before it."""
        rows = self.networks.smaller
        rows = rows[rows["variant"].eq(self.usual) & rows["criterion"].eq("share")]
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
        if "level" in table:
            keys["level"] = table["level"]
        order = keys.sort_values(list(keys), kind="stable").index
        return table.loc[order].reset_index(drop=True)


def _mean_of_all(scores: pd.Series) -> float:
    """NaN where one is missing: means of other repeats are not to be compared."""
    return float(scores.mean(skipna=False))
