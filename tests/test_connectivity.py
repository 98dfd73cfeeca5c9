from itertools import pairwise, product

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from raydensity.measures.connectivity import connected, connected_nonzeros


def stack(*networks):
    """Masks [N, O, I] of networks given as nested lists, a layer each."""
    return [torch.tensor(layers, dtype=torch.bool) for layers in zip(*networks, strict=True)]


def all_biases(masks):
    return [torch.ones(mask.shape[:2], dtype=torch.bool) for mask in masks]


def test_a_full_network_is_connected():
    masks = stack([[[1, 1], [1, 1], [1, 1]], [[1, 1, 1]]])
    result = connected(masks)
    assert all(torch.equal(a, b) for a, b in zip(result.masks, masks, strict=True))
    assert result.units[0].tolist() == [[True] * 3]
    assert result.weights.tolist() == [9]
    assert result.disconnected_units.tolist() == [[0]]
    assert connected_nonzeros(result, all_biases(masks)).tolist() == [9 + 3 + 1]


def test_units_without_a_path_are_stripped():
    # 2 -> 4 -> 1. Unit 0 is complete, 1 leads nowhere, 2 comes from nowhere (a constant through its bias), 3 has no
    # weight at all and so is gone rather than disconnected.
    masks = stack([[[1, 0], [1, 1], [0, 0], [0, 0]], [[1, 0, 1, 0]]])
    result = connected(masks)
    assert result.masks[0].int().tolist() == [[[1, 0], [0, 0], [0, 0], [0, 0]]]
    assert result.masks[1].int().tolist() == [[[1, 0, 0, 0]]]
    assert result.units[0].tolist() == [[True, False, False, False]]
    assert result.weights.tolist() == [2]
    assert result.disconnected_units.tolist() == [[2]]
    assert connected_nonzeros(result, all_biases(masks)).tolist() == [2 + 1 + 1]


def test_stripping_goes_on_through_the_layers():
    # 1 -> 2 -> 2 -> 2 -> 1: a chain through the first units that breaks before the output, and one through the second
    # units that lacks its first weight. The second network of the stack has the first chain complete.
    broken = [[[1], [0]], [[1, 0], [0, 1]], [[1, 0], [0, 1]], [[0, 1]]]
    complete = [[[1], [0]], [[1, 0], [0, 1]], [[1, 0], [0, 1]], [[1, 1]]]
    masks = stack(broken, complete)
    result = connected(masks)
    assert result.weights.tolist() == [0, 4]
    assert result.disconnected_units.tolist() == [[2, 2, 2], [1, 1, 1]]
    assert [units.tolist() for units in result.units] == [[[False, False], [True, False]]] * 3
    # What is left of a network without a path is the bias of its output.
    assert connected_nonzeros(result, all_biases(masks)).tolist() == [1, 4 + 3 + 1]


def test_a_pruned_bias_is_not_counted():
    masks = stack([[[1, 0], [0, 1]], [[1, 0], [0, 0]]])
    result = connected(masks)
    hidden = torch.tensor([[False, True]])
    assert connected_nonzeros(result, [hidden, torch.tensor([[True, True]])]).tolist() == [2 + 0 + 2]
    assert connected_nonzeros(result, [~hidden, torch.tensor([[True, False]])]).tolist() == [2 + 1 + 1]


def test_a_network_without_hidden_layers():
    masks = stack([[[1, 0], [0, 0]]], [[[1, 1], [0, 1]]])
    result = connected(masks)
    assert result.weights.tolist() == [1, 3]
    assert result.units == ()
    assert result.disconnected_units.shape == (2, 0)
    assert connected_nonzeros(result, all_biases(masks)).tolist() == [1 + 2, 3 + 2]


@st.composite
def networks(draw):
    sizes = draw(st.lists(st.integers(1, 3), min_size=2, max_size=5))
    number = draw(st.integers(1, 3))
    share = draw(st.sampled_from([0.2, 0.5, 0.8]))
    source = torch.Generator().manual_seed(draw(st.integers(0, 2**32)))
    return [torch.rand(number, after, before, generator=source) < share for before, after in pairwise(sizes)]


@given(networks())
def test_connected_is_what_lies_on_enumerated_paths(masks):
    result = connected(masks)
    sizes = [masks[0].shape[2], *(mask.shape[1] for mask in masks)]
    for network in range(len(masks[0])):
        weights, units = set(), set()
        for path in product(*map(range, sizes)):
            steps = [(layer, after, before) for layer, (before, after) in enumerate(pairwise(path))]
            if all(masks[layer][network, after, before] for layer, after, before in steps):
                weights.update(steps)
                units.update(enumerate(path[1:-1]))
        found = {(layer, *at) for layer, mask in enumerate(result.masks) for at in mask[network].nonzero().tolist()}
        assert found == weights
        assert result.weights[network] == len(weights)
        connected_units = {
            (layer, *at) for layer, unit in enumerate(result.units) for at in unit[network].nonzero().tolist()
        }
        assert connected_units == units
        for layer in range(len(sizes) - 2):
            used = masks[layer][network].any(dim=1) | masks[layer + 1][network].any(dim=0)
            dead = [unit for unit in range(sizes[layer + 1]) if used[unit] and (layer, unit) not in units]
            assert result.disconnected_units[network, layer] == len(dead)
        expected = len(weights) + len(units) + sizes[-1]
        assert connected_nonzeros(result, all_biases(masks))[network] == expected


def test_what_does_not_fit_is_told():
    mask = torch.ones(2, 3, 2, dtype=torch.bool)
    last = torch.ones(2, 1, 3, dtype=torch.bool)
    with pytest.raises(ValueError, match="needs a layer"):
        connected([])
    for wrong in ([mask.float(), last], [mask, mask], [mask, last[:1]], [mask[0]]):
        with pytest.raises(ValueError, match="must be bool"):
            connected(wrong)
    result = connected([mask, last])
    for wrong in (all_biases([mask]), all_biases([mask, mask]), [bias.int() for bias in all_biases([mask, last])]):
        with pytest.raises(ValueError, match="must be bool"):
            connected_nonzeros(result, wrong)
