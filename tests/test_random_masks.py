"""Random masks, where RigL starts, and what all masks before training share."""

import math
from itertools import pairwise

import pytest
import torch
from sparse_networks import SMALL, on_digits, on_spiral, start_of
from two_layers import POINT

from raydensity import data
from raydensity.pruning import at_initialization
from raydensity.pruning.at_initialization import initial_masks
from raydensity.pruning.budgets import erdos_renyi_kernel, uniform, zeros_rounded_down
from raydensity.pruning.random_masks import random, rigl_start
from raydensity.spec.sparsity import GMP, LTH, SNIP, Random, RigL

CPU = torch.device("cpu")


def shapes_of(start):
    return [start.cohort.shapes[name] for name in start.cohort.prunable()]


@pytest.mark.parametrize("distribution", ["global", "uniform", "erk"])
def test_random_masks_keep_exactly_as_many_as_asked(distribution):
    specs = [
        on_spiral(Random(nonzeros=count, distribution=distribution), hidden=(6, 4), prune_seed=count)
        for count in (1, 5, 17, 39, 40)
    ]
    start = start_of(specs, POINT)
    masks = random(start, specs[0].sparsity)
    by_layer = [mask.flatten(1).sum(1).tolist() for mask in masks.values()]
    assert [sum(counts) for counts in zip(*by_layer, strict=True)] == [1, 5, 17, 39, 40]
    if distribution != "global":
        budget = {"uniform": uniform, "erk": erdos_renyi_kernel}[distribution]
        assert list(zip(*by_layer, strict=True)) == [tuple(budget(shapes_of(start), c)) for c in (1, 5, 17, 39, 40)]


@pytest.mark.parametrize(("published", "budget"), [(False, erdos_renyi_kernel), (True, None)])
def test_where_rigl_starts(published, budget):
    specs = [on_spiral(RigL(nonzeros=count, published=published), hidden=(6, 4)) for count in (7, 17, 30)]
    start = start_of(specs, POINT)
    masks = rigl_start(start, specs[0].sparsity)
    for index, count in enumerate((7, 17, 30)):
        kept_by_layer = [int(mask[index].sum()) for mask in masks.values()]
        if budget:
            assert kept_by_layer == budget(shapes_of(start), count)
        else:
            assert kept_by_layer == zeros_rounded_down(shapes_of(start), count, distribution="erk")
            assert sum(kept_by_layer) >= count


def test_random_masks_are_those_of_the_prune_seed_and_every_place_is_as_likely():
    specs = [on_spiral(Random(nonzeros=10), hidden=(6, 4), prune_seed=seed) for seed in range(1500)]
    masks = random(start_of(specs, POINT), specs[0].sparsity)
    shares = torch.cat([mask.flatten(1) for mask in masks.values()], dim=1).float().mean(0)
    assert (shares - 0.25).abs().max() < 4 * math.sqrt(0.25 * 0.75 / 1500)
    other = [on_spiral(Random(nonzeros=10), hidden=(6, 4), prune_seed=7, init_seed=9, order_seed=9)]
    again = random(start_of(other, POINT), other[0].sparsity)
    assert all(torch.equal(again[name][0], masks[name][7]) for name in masks)


def test_a_shuffled_mask_has_the_counts_of_the_layers_and_biases_that_fit():
    specs = [on_spiral(SNIP(nonzeros=20, shuffled=flag), prune_seed=3) for flag in (False, True)]
    dataset = data.load(SMALL)
    plain, mixed = (initial_masks([spec], dataset, device=CPU, published={}) for spec in specs)
    layers = [name.removesuffix(".weight") for name in plain if name.endswith("weight")]
    assert any(not torch.equal(plain[f"{layer}.weight"], mixed[f"{layer}.weight"]) for layer in layers)
    for masks in (plain, mixed):
        for layer, above in pairwise(layers):
            assert torch.equal(masks[f"{layer}.bias"], masks[f"{above}.weight"].any(1))
    for layer in layers:
        assert plain[f"{layer}.weight"].sum() == mixed[f"{layer}.weight"].sum()


def test_some_networks_start_whole():
    dataset = data.load(SMALL)
    for method in (None, GMP(nonzeros=5), LTH(nonzeros=5)):
        assert initial_masks([on_spiral(method)], dataset, device=CPU, published={}) is None


def test_large_cohorts_are_scored_in_parts(monkeypatch):
    specs = [on_spiral(SNIP(nonzeros=5 + seed), init_seed=seed, prune_seed=seed) for seed in range(5)]
    whole = initial_masks(specs, data.load(SMALL), device=CPU, published={})
    monkeypatch.setattr(at_initialization, "PART", 2)
    parts = initial_masks(specs, data.load(SMALL), device=CPU, published={})
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


@pytest.mark.parametrize(("architecture", "sizes"), [("mlp", [2, 2, 1]), ("conv2", [1] * 5)])
def test_convolutions_on_a_cpu_are_scored_one_by_one(monkeypatch, architecture, sizes):
    """A graph of autograd over many of them would keep all their activations."""
    seen = []
    found = at_initialization._masks
    monkeypatch.setattr(at_initialization, "PART", 2)
    monkeypatch.setattr(at_initialization, "_masks", lambda start: seen.append(start.cohort.size) or found(start))
    specs = [on_digits(SNIP(nonzeros=5), architecture, init_seed=seed) for seed in range(5)]
    initial_masks(specs, data.load("digits"), device=CPU, published={})
    assert seen == sizes
