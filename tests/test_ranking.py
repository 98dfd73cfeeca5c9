"""Ranks, Friedman's test and Nemenyi's distance against the worked example and tables of Demšar (2006)."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from analysis.ranking import against, critical_difference, groups_alike, ranking

# Table 6 of Demšar (2006): AUC of C4.5, without and with m, cf, and both tuned, on 14 data sets.
DEMSAR = pd.DataFrame(
    {
        "C4.5": [0.763, 0.599, 0.954, 0.628, 0.882, 0.936, 0.661, 0.583, 0.775, 1.000, 0.940, 0.619, 0.972, 0.957],
        "m": [0.768, 0.591, 0.971, 0.661, 0.888, 0.931, 0.668, 0.583, 0.838, 1.000, 0.962, 0.666, 0.981, 0.978],
        "cf": [0.771, 0.590, 0.968, 0.654, 0.886, 0.916, 0.609, 0.563, 0.866, 1.000, 0.965, 0.614, 0.9751, 0.946],
        "m+cf": [0.798, 0.569, 0.967, 0.657, 0.898, 0.931, 0.685, 0.625, 0.875, 1.000, 0.962, 0.669, 0.975, 0.970],
    }
)


def test_the_worked_example_of_demsar() -> None:
    """Section 3.2.2: average ranks 3.143, 2.000, 2.893 and 1.964; critical difference 1.25 at 5 %, 1.12 at 10 %."""
    found = ranking(DEMSAR)
    assert found.ranks.round(3).to_dict() == {"m+cf": 1.964, "m": 2.0, "cf": 2.893, "C4.5": 3.143}
    assert found.critical_difference == pytest.approx(1.25, abs=0.005)
    assert ranking(DEMSAR, alpha=0.1).critical_difference == pytest.approx(1.12, abs=0.005)
    # Its chi squared, 9.28, lacks the correction for ties that scipy makes.
    assert 0.01 < found.p < stats.chi2.sf(9.28, 3) + 1e-3


@pytest.mark.parametrize(
    ("methods", "q"), [(2, 1.960), (3, 2.343), (4, 2.569), (5, 2.728), (6, 2.850), (7, 2.949), (8, 3.031), (10, 3.164)]
)
def test_critical_values_are_those_of_the_table(methods: int, q: float) -> None:
    """Table 5 (a) of Demšar (2006)."""
    assert critical_difference(methods, 10) == pytest.approx(q * np.sqrt(methods * (methods + 1) / 60), abs=1e-3)


def test_one_method_against_each_other() -> None:
    """Section 3.2.2, C4.5 against the others: z of 2.416, 2.342 and 0.512, p of 0.016, 0.019 and 0.607."""
    table = against(DEMSAR, "C4.5").set_index("method").loc[["m+cf", "m", "cf"]]
    assert table["p"].tolist() == pytest.approx([0.016, 0.019, 0.607], abs=2e-3)
    assert table["difference"].tolist() == pytest.approx([1.964 - 3.143, 2.0 - 3.143, 2.893 - 3.143], abs=1e-3)
    assert table["better_on"].tolist() == [2, 2, 6]
    assert table["p_holm"].tolist() == pytest.approx([3 * 0.0157, 3 * 0.0157, 0.608], abs=2e-3)
    same = against(pd.DataFrame({"a": [1.0, 2.0], "b": [1.0, 2.0]}), "a")
    assert same[["difference", "better_on", "p", "p_holm"]].iloc[0].tolist() == [0, 0, 1, 1]


def test_bars_join_what_is_alike() -> None:
    ranks = pd.Series({"a": 1.0, "b": 1.8, "c": 2.5, "d": 4.0})
    assert groups_alike(ranks, 1.0) == [(1.0, 1.8), (1.8, 2.5)]
    assert groups_alike(ranks, 0.5) == []
    assert groups_alike(ranks, 5.0) == [(1.0, 4.0)]


def test_methods_alike_everywhere_do_not_differ() -> None:
    assert ranking(pd.DataFrame(np.zeros((3, 4)), columns=list("abcd"))).p == 1


@settings(deadline=None)
@given(st.lists(st.lists(st.integers(0, 4), min_size=4, max_size=4), min_size=1, max_size=8))
def test_ranks_add_up(scores: list[list[int]]) -> None:
    """Whatever the ties; and the best method has the smallest rank."""
    table = pd.DataFrame(scores, columns=list("abcd")).astype(float)
    ranks = ranking(table).ranks
    assert ranks.sum() == pytest.approx(10)
    better = ranking(table.assign(a=9.0)).ranks
    assert better["a"] == 1


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from("abcdefgh"), st.floats(1, 8), min_size=1), st.floats(0.1, 8))
def test_every_pair_within_the_distance_is_under_a_bar(ranks: dict[str, float], distance: float) -> None:
    bars = groups_alike(pd.Series(ranks), distance)
    for one in ranks.values():
        for other in ranks.values():
            joined = one == other or any(start <= min(one, other) and max(one, other) <= end for start, end in bars)
            assert joined == (abs(one - other) <= distance or one == other) or np.isclose(abs(one - other), distance)
