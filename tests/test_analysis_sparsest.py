"""The sparsest study's tables against values worked out by hand."""

import time

import numpy as np
import pytest
from synthetic import pulled
from synthetic_sparse import network, records

from analysis.runs import Runs
from analysis.sparsest.networks import prepare
from analysis.sparsest.report import COLUMNS
from analysis.sparsest.tables import tables
from raydensity.pruning import search
from raydensity.spec.sparsity import GMP, LTH, SNIP, Explicit, Random, RigL

FULL = Explicit(rows=search.structured((3, 2, 2)))  # 26 nonzeros
SMALLER = Explicit(rows=search.structured((2, 2, 2)))  # 21 nonzeros
HOLED = Explicit(rows=((3, 1, 2), (7, 7), (3, 3), (3,)))  # 3x2x2 without two weights: 24 nonzeros
TABLE_COLUMNS = {
    "sparsest": "dataset scale method width initialisation target nonzeros connected_nonzeros published n "
    "configurations reached n_as_small reached_as_small",
    "sparsest_networks": "dataset scale method width initialisation target nonzeros connected_nonzeros network_id "
    "structure learning_rate schedule order_seed accuracy",
    "gaps": "dataset scale method width initialisation target nonzeros search gap",
    "accuracy": "dataset scale method width initialisation weights n diverged best p95 median p5 "
    "percent_reaching_95 percent_reaching_99.5 nonzeros connected_nonzeros nonzeros_median",
    "batch_orders": "dataset scale method width initialisation weights structure mask learning_rate schedule n best "
    "median percent_reaching_95 percent_reaching_99.5 nonzeros connected_nonzeros network_id",
    "connectivity": "dataset scale method width initialisation n weights_min weights_max disconnected_units "
    "disconnected_in_layer_1 disconnected_in_layer_2 disconnected_in_layer_3 with_disconnected_units "
    "disconnected_nonzeros without_a_path",
    "pruning_after_training": "dataset scale method width initialisation target n prunable removed_median removed_max "
    "removed_percent_median weights_left_min",
    "smallest_after_training": "dataset scale method width initialisation target nonzeros_left weights_left nonzeros n "
    "network_id search gap",
}


def runs(rows, *, scale="quick", planned=None):
    return pulled("sparsest", records(rows), COLUMNS, scale=scale, planned=planned)


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
        network(GMP(nonzeros=25), 0.94, nonzeros=40),
        network(GMP(nonzeros=26), 0.99, nonzeros=40, start="random"),
    ]
    table = made(rows)["sparsest"]
    assert set(table["dataset"]) == {"spiral"}
    assert set(table["scale"]) == {"quick"}
    found = table.drop(columns=["dataset", "scale"]).astype(object).where(table.notna(), None)
    assert found.to_numpy().tolist() == [
        ["search (structured)", 16, "BENCH-95", 95.0, 26, 26, 26, 3, 2, 2, 2, 2],
        ["search", 16, "BENCH-95", 95.0, 24, 23, None, 5, 3, 4, 2, 2],
        ["gmp", 3, "BENCH-95", 95.0, 36, 36, None, 1, 1, 1, 1, 1],
        ["gmp", 16, "BENCH-95", 95.0, 40, 33, None, 4, 4, 2, 2, 1],
        ["search (structured)", 16, "BENCH-95", 99.5, None, None, None, 3, 2, 0, 0, 0],
        ["search", 16, "BENCH-95", 99.5, None, None, None, 5, 3, 0, 0, 0],
        ["gmp", 3, "BENCH-95", 99.5, None, None, None, 1, 1, 0, 0, 0],
        ["gmp", 16, "BENCH-95", 99.5, 41, 35, None, 4, 4, 1, 1, 1],
        ["gmp", 16, "random", 95.0, 40, int(rows[-1]["connected_nonzeros"]), None, 1, 1, 1, 1, 1],
        ["gmp", 16, "random", 99.5, None, None, None, 1, 1, 0, 0, 0],
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
    assert (row["percent_reaching_95"], row["percent_reaching_99.5"]) == (50, 0)
    assert (row["nonzeros"], row["connected_nonzeros"], row["nonzeros_median"]) == (39, 31, 40)
    assert row["p5"] == pytest.approx(np.quantile([80, 96, 96], 0.05))


def test_repetitions_are_what_is_alike_but_for_seeds():
    """A batch order of each network's own, so that its number says nothing of which repetition it is."""
    other = Explicit(rows=((2, 3, 1), (7, 7), (3, 3), (3,)))  # as many weights as HOLED
    reached = {0: 0.96, 9: 0.94, 4: 0.951, 13: 0.6}
    rows = [network(FULL, accuracy, order_seed=order) for order, accuracy in reached.items()]
    rows += [network(FULL, 0.9, schedule="cosine"), network(SMALLER, 0.9, order_seed=2)]
    rows += [network(HOLED, 0.99, order_seed=7), network(HOLED, 0.7, order_seed=3), network(other, 0.9, order_seed=3)]
    rows += [network(GMP(nonzeros=20), accuracy, order_seed=place) for place, accuracy in enumerate((0.8, 0.97))]
    rows += [network(GMP(nonzeros=20), 0.9, learning_rate=0.1), network(GMP(nonzeros=20), 0.9, width=3)]
    table = made(rows)["batch_orders"]
    assert list(table["method"]) == ["search (structured)", "search", "gmp"]
    assert list(table["mask"]) == ["3,3,3 7,7 3,3 3", "3,1,2 7,7 3,3 3", ""]
    assert list(table["structure"]) == ["3x2x2", "3x2x2", ""]
    assert list(table["schedule"]) == ["constant"] * 3
    assert list(table["n"]) == [4, 2, 2]
    assert list(table["best"]) == pytest.approx([96, 99, 97])
    assert list(table["median"]) == pytest.approx([94.55, 84.5, 88.5])
    assert list(table["percent_reaching_95"]) == [50, 50, 50]
    assert list(table["network_id"]) == [rows[place]["network_id"] for place in (0, 6, 10)]


def test_connectivity_compares_widths_at_the_weights_that_all_were_asked_for():
    few = {"nonzeros": 30, "connected_nonzeros": 15}
    rows = [network(GMP(nonzeros=count), 0.9, width=width, **few) for width, count in ((3, 20), (16, 20))]
    rows += [network(GMP(nonzeros=60), 0.9, nonzeros=70, connected_nonzeros=70), network(FULL, 0.9)]
    table = made(rows)["connectivity"].set_index(["method", "width"])
    assert table.loc[("gmp", 16), "disconnected_nonzeros"] == 50
    assert (table.loc[("gmp", 16), "weights_min"], table.loc[("gmp", 16), "weights_max"]) == (20, 20)
    assert table.loc[("search", 16), "weights_max"] == 18
    assert made(rows[1:])["connectivity"].set_index("method").loc["gmp", "weights_max"] == 60, "of one width all"


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


def test_nonzeros_left_after_training_by_hand():
    """A network of two units a layer: which weights go first decides which biases go with them."""
    weights = [(0, 0, 0, 5.0), (0, 1, 1, 0.1), (1, 0, 0, 4.0), (1, 1, 1, -0.2), (2, 0, 0, 3.0), (3, 0, 0, -2.0)]
    weights += [(2, 0, 1, 0.3)]
    biases = [(layer, unit, -1, 9.0) for layer, unit in ((0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (3, 0))]
    names = ("kept_layer", "kept_unit", "kept_input", "kept_value")
    own = dict(zip(names, map(list, zip(*sorted(weights + biases), strict=True)), strict=True))
    shape = {"weights_kept": 7, "nonzeros": 13, "prune_weights_left": list(range(7, -1, -1))}
    for removable, left in ((0, 13), (1, 12), (2, 10), (3, 8), (4, 6)):
        # 0.1 goes alone; -0.2 and 0.3 each with the bias of the unit that they come from; so does the output's -2.
        accuracy = [0.96 if removed <= removable else 0.5 for removed in range(8)]
        rows = [network(GMP(nonzeros=7), 0.96, prune_validation_accuracy=accuracy, **shape, **own)]
        [row] = made(rows)["smallest_after_training"].to_dict("records")
        assert (row["weights_left"], row["nonzeros_left"], row["n"]) == (7 - removable, left, 1), removable
        assert np.isnan(row["gap"]), "there is no search"


def test_the_gap_after_pruning_is_between_what_is_left():
    rows = [
        network(FULL, 0.96, removable=1),
        network(HOLED, 0.96),
        network(GMP(nonzeros=40), 0.99, removable=30),
        network(GMP(nonzeros=30), 0.96),
        network(GMP(nonzeros=20), 0.9),
    ]
    table = made(rows)["smallest_after_training"].set_index("method")
    left = table["nonzeros_left"]
    assert (left["search"], table.loc["search", "network_id"]) == (24, rows[1]["network_id"])
    assert table.loc["search (structured)", "weights_left"] == 17
    assert (table.loc["gmp", "weights_left"], table.loc["gmp", "n"]) == (10, 2)
    assert table.loc["gmp", "gap"] == left["gmp"] - 24
    assert np.isnan(table.loc["search", "gap"])


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
    """Tables of 51,000 networks in seconds of the process (4 here): what is done by row would take minutes."""
    rows = [network(FULL, 0.96, removable=3), network(GMP(nonzeros=20), 0.9), network(HOLED, 0.97, removable=1)]
    one = runs(rows).networks
    frame = one.loc[np.tile(one.index, 17_000)].reset_index(drop=True)
    frame["network_id"] = [f"{number:020x}" for number in range(len(frame))]
    many = Runs("sparsest", "paper", "a" * 20, "2026-01-01T00:00:00+00:00", len(frame), frame)
    clock = time.process_time()
    named = tables(prepare(many))
    assert time.process_time() - clock < 20
    assert list(picked(named["sparsest"], target=95.0)["n"]) == [17_000, 34_000, 17_000]
    assert list(named["pruning_after_training"]["removed_max"]) == [3, 3]
