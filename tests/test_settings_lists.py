"""The settings at the head of a study's file: every factor of its grids, and nothing else."""

import re

import pytest

import sweeps.density
import sweeps.frivolous
import sweeps.odf2nna
import sweeps.sparsest
from raydensity.grid import factors

STUDIES = (sweeps.density, sweeps.frivolous, sweeps.odf2nna, sweeps.sparsest)
ENTRY = re.compile(r"^ {4}([a-z_]+(?:, [a-z_]+)*) {2,}\S", flags=re.MULTILINE)


@pytest.mark.parametrize("study", STUDIES, ids=lambda module: module.STUDY.name)
def test_every_factor_that_can_be_set_is_listed(study):
    _, settings = study.__doc__.split("Settings (--set)")
    listed = {name for entry in ENTRY.findall(settings) for name in entry.split(", ")}
    assert listed == set(factors(space for spaces in study.STUDY.spaces.values() for space in spaces))
    chosen = {name for entry in ENTRY.findall(settings)[:3] for name in entry.split(", ")}
    assert set(study.STUDY.selecting) <= chosen
