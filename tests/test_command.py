"""What the command line does with the networks of a grid, beside running them."""

from dataclasses import replace

import pytest
from networks import network
from ray.tune import grid_search

from raydensity import command, grid
from raydensity.study import Study
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


def test_a_grid_grows_by_what_is_finished(tmp_path):
    found = []  # what a ledger would say

    def network_of(cell):
        return network(init_seed=cell["seed"])

    growing = Study(
        name="growing",
        title="As many seeds as are known",
        spaces={"quick": [{"seed": grid_search([0])}]},
        network=network_of,
        resolve=lambda spaces, ledger: [*spaces, *({"seed": seed} for seed in found)],
    )
    fixed = replace(growing, name="fixed", resolve=None)
    known = {study.name: study for study in (growing, fixed)}
    asked = command.requests(known, list(known), scale="quick", settings={}, out=tmp_path, readonly=True)
    assert [len(request.networks) for request in asked] == [1, 1]
    assert command.grown(asked) == []
    found.append(7)
    (more,) = command.grown(asked)
    assert more.study is growing
    assert {spec.init_seed for spec in more.networks.values()} == {0, 7}
    assert command.grown([more]) == []
