"""What the command line does with the networks of a grid, beside running them."""

import pytest
from networks import network

from raydensity import command, grid
from sweeps import density, sparsest


@pytest.mark.parametrize("study", [density.STUDY, sparsest.STUDY])
def test_levels_are_those_of_all_networks(study):
    networks = grid.expand(study, study.spaces["quick"])
    rows = [spec.factors() for spec in networks.values()]
    assert command._levels(networks.values()) == {factor: sorted({row[factor] for row in rows}) for factor in rows[0]}


def test_levels_are_also_those_of_what_differs_within_a_cohort():
    one = network()
    factors = {"initializer_factor": 10.0}, {"initializer": "he_normal"}, {"initial_weights": "0" * 20}
    levels = command._levels([one, *(one.model_copy(update=update) for update in factors)])
    assert levels["initializer_factor"] == [1.0, 10.0]
    assert levels["initializer"] == ["glorot_uniform", "he_normal"]
    assert levels["initial_weights"] == ["", "0" * 20]
