from statistics import mean

import pytest
from networks import network

from raydensity.experiment import run_cohort
from raydensity.measures.summary import unit_numbers
from raydensity.spec import MLP, SGD, NoPruning
from raydensity.untrained import measure_untrained


def test_a_network_that_learns_nothing_measures_the_same_after_training():
    spec = network(optimizer=SGD(learning_rate=1e-30), epochs=1).model_copy(
        update={"measures": ("prunability", "redundancy", "correlation"), "pruning": NoPruning()}
    )
    (row,) = run_cohort([spec]).to_pylist()
    table = measure_untrained([spec, network(init_seed=1)])
    assert list(table["init_seed"]) == [0, 1]
    numbers = unit_numbers(row)
    assert {"prunability/all", "redundancy/fc1", "correlation/fc2"} <= set(numbers)
    assert {name: table[name][0] for name in numbers} == pytest.approx(numbers)
    assert table["redundancy/fc1"][1] != table["redundancy/fc1"][0] or table["correlation/fc1"].nunique() == 2


def test_prunable_units_grow_with_the_width():
    """Section 3 of the paper: in proportion. Of widths that differ fourfold the shares differ far less."""
    table = measure_untrained(
        [
            network(MLP(width=width, hidden=(32,)), init_seed=seed, initializer="he_normal")
            for width in (0.5, 2)
            for seed in range(4)
        ]
    )
    narrow, wide = (mean(table[table["width"] == width]["prunability/all"]) for width in (0.5, 2))
    assert 0.5 < wide / narrow < 2
