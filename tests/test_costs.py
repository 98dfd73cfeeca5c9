"""What half a million networks take, found for the kinds of them."""

import numpy as np
import pytest
from networks import network

from raydensity import cost_model, costs, grid
from sweeps import density, sparsest

STUDIES = [density.STUDY, sparsest.STUDY]


@pytest.fixture(scope="module", params=STUDIES, ids=[study.name for study in STUDIES])
def specs(request):
    """Those of a study's quick scale, in an order that is none."""
    found = list(grid.expand(request.param, request.param.spaces["quick"]).values())
    return [found[place] for place in np.random.default_rng(0).permutation(len(found))]


def test_cohort_keys_are_those_of_the_specs(specs):
    assert list(costs.cohort_keys(specs)) == [spec.cohort_key for spec in specs]


def test_specs_that_share_no_objects_have_the_same_keys(specs):
    copies = [type(spec).model_validate(spec.model_dump()) for spec in specs]
    assert list(costs.cohort_keys(copies)) == [spec.cohort_key for spec in specs]


def test_also_where_the_data_seed_draws_the_labels():
    one = network().model_copy(update={"random_labels": True})
    specs = [one, one.model_copy(update={"data_seed": 1}), one.model_copy(update={"init_seed": 1})]
    keys = list(costs.cohort_keys(specs))
    assert keys == [spec.cohort_key for spec in specs]
    assert keys[0] == keys[2] != keys[1]


def test_networks_of_a_kind_need_the_same(specs):
    known = costs.kinds(specs)
    assert len(known.specs) < len(specs) / 2
    for spec, kind in zip(specs, known.of, strict=True):
        assert cost_model.need(spec, device="cpu") == cost_model.need(known.specs[kind], device="cpu")
    groups = {spec.cohort_key: known.group[kind] for spec, kind in zip(specs, known.of, strict=True)}
    assert sorted(groups.values()) == list(range(len(groups)))
