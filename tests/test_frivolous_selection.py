"""The best learning rate, on frames whose best is known."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.frivolous.selection import best

RATES = [1.0, 0.1, 0.01]
PER_FACTOR = {"by": ["width", "initializer_factor"], "settings": ["learning_rate"]}
BOTH = {"by": ["width"], "settings": ["learning_rate", "initializer_factor"]}


def frame(accuracies, **columns):
    """A network for each (learning rate, initialiser factor, seed) and its accuracy."""
    rows = [
        {"learning_rate": rate, "initializer_factor": factor, "init_seed": seed, "validation_accuracy": accuracy}
        for (rate, factor, seed), accuracy in accuracies.items()
    ]
    return pd.DataFrame(rows).assign(**{"dataset": "teacher", "width": 1.0, **columns})


def levels(networks, *names):
    return sorted(set(networks[list(names)].itertuples(index=False, name=None)))


TABLE = frame(
    {
        (1.0, 1.0, 0): 0.6,
        (1.0, 1.0, 1): 0.8,
        (0.1, 1.0, 0): 0.9,
        (0.1, 1.0, 1): 0.4,
        (1.0, 10.0, 0): 0.5,
        (1.0, 10.0, 1): 0.6,
        (0.1, 10.0, 0): 0.7,
        (0.1, 10.0, 1): 0.8,
    }
)


def test_the_mean_over_seeds_decides_for_each_initializer_factor():
    chosen = best(TABLE, **PER_FACTOR)
    assert levels(chosen, "initializer_factor", "learning_rate", "init_seed") == [
        *((1.0, 1.0, 0), (1.0, 1.0, 1)),
        *((10.0, 0.1, 0), (10.0, 0.1, 1)),
    ]
    pd.testing.assert_frame_equal(chosen, TABLE.loc[[0, 1, 6, 7]])


def test_or_for_both_together():
    assert levels(best(TABLE, **BOTH), "learning_rate", "initializer_factor") == [(0.1, 10.0)]


def test_widths_and_other_factors_are_chosen_for_apart():
    narrow = TABLE.assign(width=0.25, validation_accuracy=1 - TABLE["validation_accuracy"])
    other = narrow.assign(width=1.0, optimizer="adam")
    networks = pd.concat([TABLE.assign(optimizer="sgd"), narrow.assign(optimizer="sgd"), other], ignore_index=True)
    chosen = best(networks, by=["width", "optimizer", "initializer_factor"], settings=["learning_rate"])
    assert levels(chosen, "width", "optimizer", "initializer_factor", "learning_rate") == [
        *((0.25, "sgd", 1.0, 0.1), (0.25, "sgd", 10.0, 1.0)),
        *((1.0, "adam", 1.0, 0.1), (1.0, "adam", 10.0, 1.0)),
        *((1.0, "sgd", 1.0, 1.0), (1.0, "sgd", 10.0, 0.1)),
    ]


def test_of_equal_rates_the_larger_is_taken_whatever_the_order_of_the_sum():
    accuracies = 0.1, 0.3, 0.9
    rates = {1.0: accuracies, 0.1: accuracies[::-1]}
    tied = frame({(rate, 1.0, seed): a for rate, own in rates.items() for seed, a in enumerate(own)})
    means = tied.groupby("learning_rate")["validation_accuracy"].mean()
    assert means[0.1] > means[1.0], "they do not differ in the last bit: the test shows nothing"
    assert levels(best(tied, **PER_FACTOR), "learning_rate") == [(1.0,)]
    assert levels(best(tied.iloc[::-1], **PER_FACTOR), "learning_rate") == [(1.0,)]
    both = pd.concat([tied, tied.assign(initializer_factor=10.0)], ignore_index=True)
    assert levels(best(both, **BOTH), "learning_rate", "initializer_factor") == [(1.0, 10.0)]


def test_a_rate_at_which_a_network_diverged_is_passed_over():
    networks = frame({(1.0, 1.0, 0): 0.9, (1.0, 1.0, 1): np.nan, (0.1, 1.0, 0): 0.5, (0.1, 1.0, 1): 0.5})
    assert levels(best(networks, **PER_FACTOR), "learning_rate") == [(0.1,)]
    assert levels(best(networks.dropna(), **PER_FACTOR), "learning_rate") == [(0.1,)]
    nothing = networks.assign(validation_accuracy=np.nan)
    assert best(nothing, **PER_FACTOR)["learning_rate"].tolist() == [1.0, 1.0]


def test_a_choice_on_one_seed_stays_when_others_were_trained_for_it():
    networks = frame({(1.0, 1.0, 0): 0.6, (0.1, 1.0, 0): 0.8, (0.1, 1.0, 1): 0.3, (0.1, 1.0, 2): 0.3})
    chosen = best(networks, **PER_FACTOR)
    assert chosen["learning_rate"].tolist() == [0.1] * 3
    assert chosen["init_seed"].tolist() == [0, 1, 2]


@pytest.mark.parametrize("missing", [None, np.nan])
def test_factors_that_older_records_lack_divide_nothing(missing):
    networks, by = TABLE.assign(decayed=missing), ["decayed", "initializer_factor"]
    assert best(networks, by=by, settings=["learning_rate"]).index.tolist() == [0, 1, 6, 7]


def test_one_group_of_all_and_nothing_to_choose():
    assert levels(best(TABLE, by=[], settings=["learning_rate"]), "learning_rate") == [(0.1,)]
    assert best(TABLE, by=["width"], settings=[]) is TABLE
    assert best(TABLE.iloc[:0], **PER_FACTOR).empty


@given(st.data())
@settings(max_examples=25)
def test_every_setting_keeps_the_rate_of_the_largest_mean(data):
    accuracy = st.integers(0, 4).map(lambda count: count / 4)
    keys = [(rate, factor, seed) for rate in RATES for factor in (1.0, 10.0) for seed in range(2)]
    networks = frame({key: data.draw(accuracy) for key in keys})
    means = networks.groupby(["initializer_factor", "learning_rate"])["validation_accuracy"].mean()
    shuffled = networks.loc[data.draw(st.permutations(networks.index.tolist()))]
    chosen = best(shuffled, **PER_FACTOR)
    assert chosen.groupby("initializer_factor").size().tolist() == [2, 2]
    for factor, rows in chosen.groupby("initializer_factor"):
        (rate,) = rows["learning_rate"].unique()
        assert rate == means[factor][means[factor] == means[factor].max()].index.max()
