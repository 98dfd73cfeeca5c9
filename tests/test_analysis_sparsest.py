"""The sparsest study's tables against values worked out by hand."""

import numpy as np
import pytest
from synthetic_sparse import network, records

from analysis.runs import Runs, as_frame
from analysis.sparsest.networks import prepare
from analysis.sparsest.report import COLUMNS
from analysis.sparsest.tables import tables
from raydensity.pruning import search
from raydensity.spec.sparsity import GMP, LTH, SNIP, Explicit, Random, RigL

FULL = Explicit(rows=search.structured((3, 2, 2)))  # 26 nonzeros
SMALLER = Explicit(rows=search.structured((2, 2, 2)))  # 21 nonzeros
HOLED = Explicit(rows=((3, 1, 2), (7, 7), (3, 3), (3,)))  # 3x2x2 without two weights: 24 nonzeros
TABLE_COLUMNS = {
    "sparsest": "dataset scale method width initialisation target nonzeros connected_nonzeros n",
    "sparsest_networks": "dataset scale method width initialisation target nonzeros connected_nonzeros network_id "
    "structure learning_rate schedule order_seed accuracy",
    "gaps": "dataset scale method width initialisation target nonzeros search gap",
    "accuracy": "dataset scale method width initialisation weights n diverged best p95 median p5 reached_95 "
    "reached_99.5 nonzeros connected_nonzeros nonzeros_median",
    "batch_orders": "dataset scale initialisation structure learning_rate schedule n best median reached_95 "
    "reached_99.5",
    "connectivity": "dataset scale method width initialisation n disconnected_units disconnected_in_layer_1 "
    "disconnected_in_layer_2 disconnected_in_layer_3 with_disconnected_units disconnected_nonzeros without_a_path",
    "pruning_after_training": "dataset scale method width initialisation target n prunable removed_median removed_max "
    "removed_percent_median weights_left_min",
}


def runs(rows, *, scale="quick", planned=None):
    """The networks with the columns that the analysis says it reads, and no other."""
    frame = as_frame(records(rows).select(["network_id", *COLUMNS]))
    return Runs("sparsest", scale, "a" * 20, "2026-01-01T00:00:00+00:00", planned or len(frame), frame)


def made(rows):
    return tables(prepare(runs(rows)))


def picked(table, **values):
    for column, value in values.items():
        table = table[table[column] == value]
    return table


def test_tables_have_the_columns_that_others_rely_on():
    named = made([network(FULL, 0.96), network(GMP(nonzeros=20), 0.9)])
    assert {name: " ".join(table.columns) for name, table in named.items()} == TABLE_COLUMNS


def test_the_smallest_networks_that_reach_a_target():
    rows = [
        network(FULL, 0.96, connected_nonzeros=26),
        network(FULL, 0.953, order_seed=1),
        network(SMALLER, 0.949),
        network(HOLED, 0.951),
        network(HOLED, 0.97, order_seed=1, connected_nonzeros=23),
        network(GMP(nonzeros=20), 0.9, nonzeros=30),
        network(GMP(nonzeros=26), 0.96, nonzeros=40, connected_nonzeros=33),
        network(GMP(nonzeros=26), 0.996, nonzeros=41, connected_nonzeros=35, learning_rate=0.1),
        network(GMP(nonzeros=26), 0.99, nonzeros=36, connected_nonzeros=36, width=3),
        network(GMP(nonzeros=26), 0.99, nonzeros=40, start="random"),
    ]
    table = made(rows)["sparsest"]
    assert set(table["dataset"]) == {"spiral"}
    assert set(table["scale"]) == {"quick"}
    found = table.drop(columns=["dataset", "scale"]).astype(object).where(table.notna(), None)
    assert found.to_numpy().tolist() == [
        ["search (structured)", 16, "BENCH-95", 95.0, 26, 26, 3],
        ["search", 16, "BENCH-95", 95.0, 24, 23, 5],
        ["gmp", 3, "BENCH-95", 95.0, 36, 36, 1],
        ["gmp", 16, "BENCH-95", 95.0, 40, 33, 3],
        ["search (structured)", 16, "BENCH-95", 99.5, None, None, 3],
        ["search", 16, "BENCH-95", 99.5, None, None, 5],
        ["gmp", 3, "BENCH-95", 99.5, None, None, 1],
        ["gmp", 16, "BENCH-95", 99.5, 41, 35, 3],
        ["gmp", 16, "random", 95.0, 40, int(rows[-1]["connected_nonzeros"]), 1],
        ["gmp", 16, "random", 99.5, None, None, 1],
    ]
    gaps = made(rows)["gaps"]
    assert list(gaps["gap"].astype(object).where(gaps["gap"].notna(), None)) == [12, 16, None, None, None, None]


def test_the_network_behind_a_number_is_the_most_accurate_one_as_small():
    rows = [network(HOLED, accuracy, order_seed=order) for order, accuracy in enumerate((0.951, 0.97, 0.96))]
    table = made(rows)["sparsest_networks"]
    assert list(table["network_id"]) == [rows[1]["network_id"]]
    assert list(table["order_seed"]) == [1]


def test_variants_are_methods_of_their_own():
    rows = [
        network(GMP(nonzeros=20), 0.9),
        network(GMP(nonzeros=20, published=True), 0.9),
        network(SNIP(nonzeros=20, shuffled=True), 0.9),
        network(SNIP(nonzeros=20, published=True), 0.9, start="random", initializer="xavier_normal"),
        network(SNIP(nonzeros=20), 0.9, initializer="xavier_normal"),
        network(Random(nonzeros=20), 0.9),
        network(Random(nonzeros=20, distribution="erk"), 0.9),
        network(RigL(nonzeros=20), 0.9),
        network(LTH(nonzeros=20, rewind_epoch=3), 0.9),
    ]
    table = made(rows)["sparsest"]
    assert list(picked(table, initialisation="BENCH-95", target=95.0)["method"]) == [
        "gmp",
        "gmp (published)",
        "lth (rewound to epoch 3)",
        "rigl",
        "snip",  # published weights know no initializer
        "snip (shuffled)",
        "random",
        "random (erk)",
    ]
    assert list(picked(table, initialisation="random", target=95.0)["method"]) == ["snip (xavier_normal, published)"]


def test_data_sets_and_settings_are_kept_apart():
    rows = [
        network(FULL, 0.96),
        network(FULL, 0.9, noise=0.1, samples=10_000),
        network(FULL, 0.9, epochs=5),
    ]
    assert list(picked(made(rows)["sparsest"], method="search", target=95.0)["dataset"]) == [
        "spiral, max epochs 5",
        "spiral, max epochs 50",
        "spiral, noise 0.1, 10,000 points, max epochs 50",
    ]


def test_accuracy_counts_what_diverged_as_not_reaching():
    lost = {"status": "diverged", "weights_kept": None, "nonzeros": None, "connected_nonzeros": None}
    rows = [
        network(GMP(nonzeros=26), 0.96, nonzeros=40, connected_nonzeros=30),
        network(GMP(nonzeros=26), 0.96, nonzeros=39, connected_nonzeros=31, schedule="cosine"),
        network(GMP(nonzeros=26), 0.8, nonzeros=44, learning_rate=0.1),
        network(GMP(nonzeros=26), 0.99, learning_rate=0.2, **lost),
        network(GMP(nonzeros=20), 0.7, nonzeros=30),
    ]
    table = made(rows)["accuracy"].set_index("weights")
    assert list(table.index) == [20, 26]
    row = table.loc[26]
    assert (row["n"], row["diverged"]) == (4, 1)
    assert (row["best"], row["median"]) == pytest.approx((96, 96))
    assert (row["reached_95"], row["reached_99.5"]) == (50, 0)
    assert (row["nonzeros"], row["connected_nonzeros"], row["nonzeros_median"]) == (39, 31, 40)
    assert row["p5"] == pytest.approx(np.quantile([80, 96, 96], 0.05))


def test_batch_orders_by_setting():
    reached = {0: 0.96, 1: 0.94, 2: 0.951, 3: 0.6}
    rows = [network(FULL, accuracy, order_seed=order) for order, accuracy in reached.items()]
    rows += [network(FULL, 0.9, schedule="cosine"), network(SMALLER, 0.9), network(HOLED, 0.99, order_seed=7)]
    table = made(rows)["batch_orders"]
    assert list(table["structure"]) == ["3x2x2", "3x2x2"]
    assert list(table["schedule"]) == ["constant", "cosine"]
    assert list(table["n"]) == [4, 1]
    assert list(table["best"]) == pytest.approx([96, 90])
    assert list(table["median"]) == pytest.approx([94.55, 90])
    assert list(table["reached_95"]) == [50, 0]


def test_connectivity_by_hand():
    rows = [
        network(GMP(nonzeros=20), 0.9, nonzeros=30, connected_nonzeros=15, disconnected_units=[1, 0, 2]),
        network(GMP(nonzeros=20), 0.9, nonzeros=20, connected_nonzeros=20, disconnected_units=[0, 0, 0], order_seed=1),
        network(GMP(nonzeros=20), 0.5, nonzeros=25, connected_nonzeros=1, disconnected_units=[4, 5, 0], order_seed=2),
        network(FULL, 0.9),
    ]
    table = made(rows)["connectivity"].set_index("method")
    row = table.loc["gmp"]
    assert row["n"] == 3
    assert row["disconnected_units"] == pytest.approx(4)
    assert [row[f"disconnected_in_layer_{layer}"] for layer in (1, 2, 3)] == pytest.approx([5 / 3, 5 / 3, 2 / 3])
    assert row["with_disconnected_units"] == pytest.approx(200 / 3)
    assert row["disconnected_nonzeros"] == pytest.approx((50 + 0 + 96) / 3)
    assert row["without_a_path"] == pytest.approx(100 / 3)
    assert (table.loc["search", "disconnected_units"], table.loc["search", "disconnected_nonzeros"]) == (0, 0)


def test_pruning_after_training_stops_where_the_accuracy_first_falls_below_the_target():
    up_again = [0.96, 0.955, 0.94, 0.96, 0.5]  # what comes back later does not count
    rows = [
        network(GMP(nonzeros=4), 0.96, prune_weights_left=[4, 3, 2, 1, 0], prune_validation_accuracy=up_again),
        network(GMP(nonzeros=5), 0.97, removable=3),
        network(GMP(nonzeros=6), 0.97, removable=0),
        network(GMP(nonzeros=7), 0.94, removable=7),  # never at the target
        network(GMP(nonzeros=8), 0.996, removable=2),
        network(GMP(nonzeros=9), 0.96, prune_weights_left=[], prune_validation_accuracy=[]),  # not measured
    ]
    table = made(rows)["pruning_after_training"].set_index("target")
    assert list(table["n"]) == [4, 1]
    assert list(table["prunable"]) == [75, 100]
    assert list(table["removed_median"]) == [1.5, 2]
    assert list(table["removed_max"]) == [3, 2]
    assert list(table["removed_percent_median"]) == [25, 25]
    assert list(table["weights_left_min"]) == [2, 6]


def test_what_no_network_reaches_leaves_empty_tables():
    named = made([network(FULL, 0.6), network(GMP(nonzeros=20), 0.7)])
    assert named["sparsest"]["nonzeros"].isna().all()
    assert named["pruning_after_training"].empty
    assert named["sparsest_networks"].empty
    assert named["batch_orders"].empty


def test_a_sweep_without_a_sparse_network_that_finished_is_refused():
    for row in (network(FULL, 0.9, status="diverged"), network(FULL, 0.9) | {"sparsity": ""}):
        with pytest.raises(ValueError, match=r"none of the 1 networks of sweep a+ is sparse"):
            prepare(runs([row]))


def test_networks_of_half_a_million_are_not_looked_at_one_by_one():
    """Tables of 50,000 networks in seconds: what is done by row would take minutes."""
    rows = [network(FULL, 0.96, removable=3), network(GMP(nonzeros=20), 0.9), network(HOLED, 0.97, removable=1)]
    one = runs(rows).networks
    frame = one.loc[np.tile(one.index, 17_000)].reset_index(drop=True)
    frame["network_id"] = [f"{number:020x}" for number in range(len(frame))]
    many = Runs("sparsest", "paper", "a" * 20, "2026-01-01T00:00:00+00:00", len(frame), frame)
    named = tables(prepare(many))
    assert list(picked(named["sparsest"], target=95.0)["n"]) == [17_000, 34_000, 17_000]
    assert list(named["pruning_after_training"]["removed_max"]) == [3, 3]
