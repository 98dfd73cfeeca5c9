"""Masks: the selector, the rule for biases, explicit masks, the shuffled control; and what masks do to a cohort."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sparse_networks import on_digits, on_spiral

from raydensity.cohort import Cohort
from raydensity.pruning import search
from raydensity.pruning.masks import explicit, shuffled, with_biases
from raydensity.pruning.selection import keep_largest
from raydensity.randomness import generator
from raydensity.spec.sparsity import SNIP, Explicit


def kept_of(scores, counts, **options):
    """One layer a row of `scores`; a list of lists of the kept places a network."""
    tensors = {f"layer{number}": torch.tensor([layer]) for number, layer in enumerate(scores)}
    found = keep_largest(tensors, counts, **options)
    return [found[name][0].int().tolist() for name in tensors]


def test_the_largest_are_kept_over_all_layers():
    assert kept_of([[3.0, 1.0], [2.0, 5.0, 4.0]], [3]) == [[1, 0], [0, 1, 1]]
    assert kept_of([[3.0, 1.0], [2.0, 5.0, 4.0]], [0]) == [[0, 0], [0, 0, 0]]
    assert kept_of([[3.0, 1.0], [2.0, 5.0, 4.0]], [5]) == [[1, 1], [1, 1, 1]]


def test_ties_go_to_the_earlier_place_and_the_count_is_exact():
    assert kept_of([[1.0, 2.0], [1.0, 1.0, 2.0]], [3]) == [[1, 1], [0, 0, 1]]
    assert kept_of([[1.0, 2.0], [1.0, 1.0, 2.0]], [4]) == [[1, 1], [1, 0, 1]]


def test_the_published_selector_compares_strictly():
    assert kept_of([[3.0, 1.0], [2.0, 5.0, 4.0]], [3], fewer_by_one=True) == [[0, 0], [0, 1, 1]]
    # The third largest has two equals: all three go.
    assert kept_of([[1.0, 2.0], [1.0, 1.0, 2.0]], [3], fewer_by_one=True) == [[0, 1], [0, 0, 1]]
    # Where all should stay, it does not compare.
    assert kept_of([[1.0, 1.0]], [2], fewer_by_one=True) == [[1, 1]]
    assert kept_of([[2.0, 1.0]], [1], fewer_by_one=True) == [[0, 0]]


@given(st.lists(st.integers(-3, 3), min_size=2, max_size=30), st.data())
def test_exactly_as_many_as_asked_and_none_larger_is_left_out(values, draw):
    split = draw.draw(st.integers(1, len(values) - 1))
    counts = [draw.draw(st.integers(0, len(values))) for _ in range(2)]
    both = torch.tensor([values, values[::-1]], dtype=torch.float32)
    found = keep_largest({"first": both[:, :split], "second": both[:, split:]}, counts)
    kept = torch.cat([found["first"], found["second"]], dim=1)
    assert kept.sum(1).tolist() == counts
    for scores, own in zip(both, kept, strict=True):
        assert own.all() or not own.any() or scores[own].min() >= scores[~own].max()


def cohort_of(networks=1, hidden=(3, 2)):
    specs = [on_spiral(SNIP(nonzeros=1), hidden=hidden, init_seed=seed) for seed in range(networks)]
    return Cohort(specs, input_shape=(2,), classes=1)


def test_a_hidden_bias_is_kept_if_its_unit_has_an_outgoing_weight():
    kernels = {
        "fc1.weight": torch.tensor([[[1, 1], [0, 0], [1, 0]]]).bool(),
        "fc2.weight": torch.tensor([[[0, 1, 0], [0, 1, 0]]]).bool(),
        "proj.weight": torch.tensor([[[0, 1]]]).bool(),
    }
    masks = with_biases(cohort_of(), kernels)
    assert masks["fc1.bias"].tolist() == [[False, True, False]]  # inputs do not matter, nor does a path
    assert masks["fc2.bias"].tolist() == [[False, True]]
    assert masks["proj.bias"].tolist() == [[True]]
    assert all(masks[name] is kernels[name] for name in kernels)
    nothing = with_biases(cohort_of(), {name: torch.zeros_like(mask) for name, mask in kernels.items()})
    assert [nothing[name].sum().item() for name in ("fc1.bias", "fc2.bias", "proj.bias")] == [0, 0, 1]


@pytest.mark.parametrize("architecture", ["conv2", "resnet"])
def test_other_architectures_keep_biases_and_batch_norm(architecture):
    cohort = Cohort([on_digits(SNIP(nonzeros=1), architecture)], input_shape=(1, 8, 8), classes=10)
    masks = with_biases(cohort, {name: cohort.weights(name) > 1e9 for name in cohort.prunable()})
    assert list(masks) == list(cohort.shapes)
    for name, mask in masks.items():
        assert mask.all() == (name not in cohort.prunable())


def test_explicit_masks_are_the_bits_of_the_units():
    rows = [((0b01, 0b10, 0b11), (0b101, 0b010), (0b11,)), ((0b11,), (0b1,), (0b1,))]
    masks = explicit(cohort_of(2), rows)
    assert masks["fc1.weight"].int().tolist() == [[[1, 0], [0, 1], [1, 1]], [[1, 1], [0, 0], [0, 0]]]
    assert masks["fc2.weight"].int().tolist() == [[[1, 0, 1], [0, 1, 0]], [[1, 0, 0], [0, 0, 0]]]
    assert masks["proj.weight"].int().tolist() == [[[1, 1]], [[1, 0]]]


def test_explicit_masks_of_wide_and_of_empty_layers():
    masks = explicit(cohort_of(1, hidden=(70, 2)), [((3,), (1, 2**70 - 1), ())])
    assert masks["fc2.weight"][0].sum(1).tolist() == [1, 70]
    assert masks["proj.weight"].sum() == 0
    nothing = explicit(cohort_of(1), [((), (), ())])
    assert not any(mask.any() for mask in nothing.values())


def test_a_mask_of_the_search_keeps_as_many_weights_and_biases_as_the_search_counts():
    rows = ((0b11, 0b01, 0), (0b011, 0b101), (0b01,))
    cohort = cohort_of()
    cohort.load(0, {name: torch.ones(shape) for name, shape in cohort.shapes.items()})
    cohort.set_masks(with_biases(cohort, explicit(cohort, [rows])))
    state = cohort.state(0)
    assert sum(int(state[name].sum()) for name in cohort.prunable()) == search.weights(rows)
    assert sum(int(value.sum()) for value in state.values()) == search.nonzeros(rows)
    assert Explicit(rows=rows).structure == "3x2"


def test_shuffled_masks_keep_the_counts_of_the_layers():
    cohort = cohort_of(3, hidden=(8, 8))
    kernels = {name: cohort.weights(name) > 0.1 for name in cohort.prunable()}
    sources = [generator(seed, "prune", "shuffle") for seed in range(3)]
    found = shuffled(kernels, sources)
    for name, mask in kernels.items():
        assert torch.equal(found[name].flatten(1).sum(1), mask.flatten(1).sum(1))
        assert found[name].shape == mask.shape
    assert any(not torch.equal(found[name], kernels[name]) for name in kernels)
    alone = shuffled({name: mask[2:] for name, mask in kernels.items()}, [generator(2, "prune", "shuffle")])
    assert all(torch.equal(alone[name][0], found[name][2]) for name in kernels)


def test_every_place_is_as_likely_in_a_shuffled_mask():
    ones = torch.zeros(2000, 1, 6, dtype=torch.bool)
    ones[:, 0, 0] = True
    found = shuffled({"weight": ones}, [generator(seed, "prune", "shuffle") for seed in range(2000)])
    shares = found["weight"].float().mean((0, 1))
    assert shares.sum() == pytest.approx(1)
    assert (shares - 1 / 6).abs().max() < 0.035  # four deviations of a share of 2,000


@pytest.mark.parametrize("stacked", [None, True, False])
def test_what_is_masked_is_zero_in_networks_of_any_kind(stacked):
    specs = [on_spiral(SNIP(nonzeros=1), hidden=(3, 2), init_seed=seed) for seed in range(3)]
    cohort = Cohort(specs, input_shape=(2,), classes=1, stacked=stacked)
    before = [cohort.state(index) for index in range(3)]
    masks = with_biases(cohort, {name: cohort.weights(name) > 0 for name in cohort.prunable()})
    cohort.set_masks(masks)
    for index in range(3):
        for name, value in cohort.state(index).items():
            assert torch.equal(value, before[index][name] * masks[name][index])
            assert torch.equal(cohort.mask(index)[name], masks[name][index])
    cohort.keep([2, 0])
    assert torch.equal(cohort.mask(0)["fc1.weight"], masks["fc1.weight"][2])
    assert torch.equal(cohort.mask(1)["fc1.weight"], masks["fc1.weight"][0])
    cohort.keep([1])
    assert torch.equal(cohort.mask(0)["fc1.weight"], masks["fc1.weight"][0])
