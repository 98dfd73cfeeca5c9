from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from raydensity.interpretability.permutation_test import rank_permutation_test


def test_literal():
    """Of the six ways to divide 1, 2, 3, 4 into pairs one is as low as this, and one as high as its mirror image."""
    test = rank_permutation_test([0.1, 0.2], [7.0, 9.0], seed=0)
    assert test.statistic == 1.5 - 3.5
    assert test.p == pytest.approx(2 / 6)


@settings(max_examples=25)
@given(st.lists(st.integers(0, 4), min_size=2, max_size=5), st.lists(st.integers(0, 4), min_size=2, max_size=5))
def test_few_numbers_are_enumerated(first, second):
    ranks = stats.rankdata(first + second)
    everyone = range(len(ranks))

    def statistic(chosen):
        return ranks[list(chosen)].mean() - ranks[[each for each in everyone if each not in chosen]].mean()

    observed = statistic(range(len(first)))
    all_of_them = np.array([statistic(chosen) for chosen in combinations(everyone, len(first))])
    share = min((all_of_them <= observed + 1e-9).mean(), (all_of_them >= observed - 1e-9).mean())
    test = rank_permutation_test(first, second, seed=0)
    assert test.statistic == pytest.approx(observed)
    assert test.p == pytest.approx(min(1, 2 * share))


def p_values(shift, *, repeats=200):
    source = np.random.default_rng(5)
    return [
        rank_permutation_test(
            source.exponential(size=14), source.exponential(size=11) + shift, seed=n, permutations=300
        ).p
        for n in range(repeats)
    ]


def test_p_is_uniform_where_groups_do_not_differ_and_small_where_they_do():
    assert stats.kstest(p_values(0), "uniform").pvalue > 0.1
    assert stats.kstest(p_values(0.5, repeats=100), "uniform").pvalue < 1e-6


def test_only_ranks_count_and_the_seed_decides():
    first, second = np.arange(12.0), np.arange(12.0) + 3.5
    test = rank_permutation_test(first, second, seed=3)
    assert test == rank_permutation_test(np.exp(first), np.exp(second), seed=3)
    assert test.p != rank_permutation_test(first, second, seed=4).p
    swapped = rank_permutation_test(second, first, seed=3)
    assert swapped.statistic == -test.statistic
    assert swapped.p == pytest.approx(test.p, rel=0.2)
    least = rank_permutation_test(first, first + 100, seed=3, permutations=999)
    assert least.p == pytest.approx(2 / 1000)


@pytest.mark.parametrize("first", [[], [1.0], [1.0, float("nan")]])
def test_too_few_numbers_are_one_clear_line(first):
    with pytest.raises(ValueError, match="two groups of at least two finite numbers"):
        rank_permutation_test(first, [1.0, 2.0], seed=0)
