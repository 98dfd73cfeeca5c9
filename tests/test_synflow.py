"""SynFlow by hand, by the products of paths, and by what it conserves."""

import pytest
import torch
from sparse_networks import on_digits, on_spiral, start_of
from two_layers import BY_HAND, KERNELS, POINT, drawn, kept, top

from raydensity import data
from raydensity.pruning import synflow as synflow_module
from raydensity.pruning.at_initialization import initial_masks
from raydensity.pruning.schedules import exponential
from raydensity.pruning.selection import keep_largest
from raydensity.pruning.synflow import synflow
from raydensity.spec.sparsity import SynFlow


def test_synflow_by_hand():
    """The paths' products, the inputs 1: 1.5, 0.25, 0.25, 0.375 through fc1 and 1.75, 0.625 through proj."""
    specs = [on_spiral(SynFlow(nonzeros=count, iterations=1), hidden=(2,)) for count in (1, 2, 3, 4, 5)]
    assert kept(synflow(start_of(specs, POINT, BY_HAND), specs[0].sparsity)) == [
        [[[0, 0], [0, 0]], [[1, 0]]],
        [[[1, 0], [0, 0]], [[1, 0]]],
        [[[1, 0], [0, 0]], [[1, 1]]],
        [[[1, 0], [0, 1]], [[1, 1]]],
        [[[1, 1], [0, 1]], [[1, 1]]],  # a tie, to the earlier
    ]


def by_formula(state, count, iterations):
    """SynFlow of two layers: |v||w| of a path into fc1, |v| times all that its unit gets into proj."""
    weight, bias, above = (state[name].double().abs() for name in ("fc1.weight", "fc1.bias", "proj.weight"))
    masks = {name: torch.ones_like(state[name], dtype=torch.bool) for name in KERNELS}
    for step in range(1, iterations + 1):
        w, v = weight * masks["fc1.weight"], above * masks["proj.weight"]
        scores = {"fc1.weight": w * v.T, "proj.weight": v * (w.sum(1) + bias)}
        scores = {name: score.masked_fill(~masks[name], -1) for name, score in scores.items()}
        masks = top(scores, exponential(12, count, step / iterations))
    return masks


@pytest.mark.parametrize("iterations", [1, 5, 100])
@pytest.mark.parametrize("seed", range(3))
def test_synflow_equals_the_products_of_the_paths(seed, iterations):
    state, dataset = drawn(seed)
    specs = [on_spiral(SynFlow(nonzeros=count, iterations=iterations), hidden=(4,)) for count in range(1, 13)]
    masks = synflow(start_of(specs, dataset, state), specs[0].sparsity)
    for index, spec in enumerate(specs):
        expected = by_formula(state, spec.sparsity.nonzeros, iterations)
        assert all(torch.equal(masks[name][index], expected[name]) for name in KERNELS)


def test_synflow_as_published_keeps_one_fewer_and_never_looks_at_the_data():
    state, dataset = drawn(0)
    _, other = drawn(1)
    specs = [on_spiral(SynFlow(nonzeros=count, published=True), hidden=(4,)) for count in (3, 6)]
    masks, again = (synflow(start_of(specs, each, state), specs[0].sparsity) for each in (dataset, other))
    assert sum(mask.flatten(1).sum(1) for mask in masks.values()).tolist() == [2, 5]
    assert all(torch.equal(masks[name], again[name]) for name in masks)


@pytest.mark.parametrize("architecture", ["conv2", "resnet"])
def test_what_flows_into_a_network_flows_out_of_it(monkeypatch, architecture):
    """Synaptic flow is conserved: over the first kernel it sums to what it sums to over the last. Batch norm must then
    work as in use: with the statistics of a batch of one image it lets nothing through."""
    seen = []

    def spy(scores, counts, **options):
        seen.append(scores)
        return keep_largest(scores, counts, **options)

    monkeypatch.setattr(synflow_module, "keep_largest", spy)
    spec = on_digits(SynFlow(nonzeros=60, iterations=3), architecture)
    initial_masks([spec], data.load("digits"), device=torch.device("cpu"), published={})
    for scores in seen:
        first, *_, last = (score.clamp(min=0).sum().item() for score in scores.values())
        assert first == pytest.approx(last, rel=1e-4)
        assert first > 0
