"""What the command line does with the networks of a grid, beside running them."""

import pytest

from raydensity import command, grid
from sweeps import density, sparsest


@pytest.mark.parametrize("study", [density.STUDY, sparsest.STUDY])
def test_levels_are_those_of_all_networks(study):
    networks = grid.expand(study, study.spaces["quick"])
    rows = [spec.factors() for spec in networks.values()]
    assert command._levels(networks.values()) == {factor: sorted({row[factor] for row in rows}) for factor in rows[0]}
