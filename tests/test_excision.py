import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from random_networks import IMAGE, SMALL, images, randomized, silenced, small

from raydensity.models.chain import Chain
from raydensity.models.conv2 import Conv2Network
from raydensity.models.counts import parameter_count
from raydensity.models.mlp import DenseNetwork
from raydensity.narrowing import difference, excise
from raydensity.narrowing.excision import units


def masks(network, draw):
    """For each layer a mask with at least one unit, the same for layers that share their units."""
    kept = {}
    for wiring in network.wiring():
        count = units(network, wiring)
        chosen = draw(st.sets(st.integers(0, count - 1), min_size=1))
        kept |= dict.fromkeys(wiring.layers, torch.tensor([unit in chosen for unit in range(count)]))
    return kept


def equal(actual, expected):
    torch.testing.assert_close(actual, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("architecture", SMALL)
@settings(max_examples=8)
@given(data=st.data())
def test_the_excised_network_computes_what_the_network_does_without_those_units(architecture, data):
    network, x = small(architecture), images(3)
    kept = masks(network, data.draw)
    narrow = excise(network, kept)
    equal(narrow(x), silenced(network, kept, x))
    outputs = narrow.activations(x)
    assert all(outputs[layer].shape[1] == int(own.sum()) for layer, own in kept.items())


@settings(max_examples=15)
@given(data=st.data(), loud=st.booleans())
def test_normalisation_across_neighbours_finds_those_that_are_left_where_they_were(data, loud):
    network, x = small("alexnet").float(), images(3).float() * (100 if loud else 1)  # loud, so that it matters
    kept = masks(network, data.draw)
    narrow = excise(network, kept)
    expected = silenced(network, kept, x).detach()
    torch.testing.assert_close(narrow(x), expected, rtol=1e-4, atol=1e-4 * expected.abs().max().item())
    units = {"fc1": len(narrow.fc1.weight), "fc2": len(narrow.fc2.weight)}
    assert {layer: dropped.units for layer, dropped in narrow.dropped.items()} == units


def test_normalisation_after_two_excisions():
    network, x = small("alexnet").float(), 300 * images(3).float()
    once = excise(network, {"conv1": torch.tensor([1, 4])})
    twice = excise(excise(network, {"conv1": torch.tensor([0, 1, 4])}), {"conv1": torch.tensor([1, 2])})
    assert torch.equal(once(x), twice(x))
    side_by_side = copy.deepcopy(once)
    side_by_side.norm1 = network.norm1
    assert difference(once, side_by_side, x).largest > 1e-3  # 1 and 4 are no neighbours


@settings(max_examples=25)
@given(st.data())
def test_dense_networks_of_any_shape_become_dense_networks_of_the_narrow_shape(data):
    inputs, *hidden = data.draw(st.lists(st.integers(1, 9), min_size=2, max_size=5))
    network = randomized(DenseNetwork(inputs, tuple(hidden), 2))
    kept = masks(network, data.draw)
    narrow = excise(network, kept)
    same = DenseNetwork(inputs, tuple(int(own.sum()) for own in kept.values()), 2).double()
    same.load_state_dict(narrow.state_dict())  # raises where a shape differs
    x = images(4, shape=(inputs,))
    equal(same(x), silenced(network, kept, x))


def test_convolutions_become_those_of_the_narrower_architecture():
    conv2 = small("conv2")
    kept = {name: torch.tensor([0, 2, 3]) for name in ("conv1", "conv2")} | {
        name: torch.arange(4) for name in ("fc1", "fc2")
    }
    narrow = excise(conv2, kept)
    Conv2Network(IMAGE, filters=3, units=4, classes=3, unshared=False).load_state_dict(narrow.state_dict())
    assert narrow.fc1.in_features == 3 * 3 * 2


def test_units_of_a_stage_go_from_all_that_adds_to_it_or_sees_it():
    narrow = excise(small("resnet"), {"block1": torch.tensor([3, 1]), "block2": torch.tensor([0])})
    shapes = {name: list(value.shape[:2]) for name, value in narrow.named_parameters() if value.ndim > 1}
    assert shapes == {
        "conv.weight": [2, 2],
        "block1.conv1.weight": [4, 2],  # what is between the two convolutions of a block is no hidden layer
        "block1.conv2.weight": [2, 4],
        "block2.conv1.weight": [5, 2],
        "block2.conv2.weight": [1, 5],
        "block2.shortcut.weight": [1, 2],
        "block3.conv1.weight": [6, 1],
        "block3.conv2.weight": [6, 6],
        "block3.shortcut.weight": [6, 1],
        "proj.weight": [3, 6],
    }
    assert narrow.block1.norm2.num_features == len(narrow.norm.running_var) == 2


def test_the_network_itself_stays_and_layers_that_are_not_named_as_well():
    network = small("mlp")
    before = {name: value.clone() for name, value in network.state_dict().items()}
    narrow = excise(network, {"fc1": torch.tensor([1, 4, 5])})
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert torch.equal(narrow.fc1.weight, before["fc1.weight"][[1, 4, 5]])
    assert torch.equal(narrow.fc2.weight, before["fc2.weight"][:, [1, 4, 5]])
    assert torch.equal(narrow.proj.weight, before["proj.weight"])
    assert parameter_count(narrow) == 48 * 3 + 3 + 3 * 5 + 5 + 5 * 3 + 3


def test_excised_twice_is_excised_once():
    network, x = small("conv2"), images(2)
    once = excise(network, {"conv1": torch.tensor([1, 4]), "conv2": torch.tensor([2])})
    twice = excise(excise(network, {"conv1": torch.tensor([0, 1, 4])}), {"conv1": torch.tensor([1, 2]), "conv2": [2]})
    assert torch.equal(once(x), twice(x))


@pytest.mark.parametrize(
    ("kept", "problem"),
    [
        ({"fc7": torch.tensor([0])}, "no hidden layer 'fc7' in this network, it has conv, block1, block2, block3"),
        ({"conv": torch.tensor([4])}, "conv keeps at least one of its units 0 to 3"),
        ({"conv": torch.zeros(4, dtype=torch.bool)}, "conv keeps at least one of its units 0 to 3"),
        ({"conv": torch.ones(5, dtype=torch.bool)}, "conv has 4 units, and the mask is of 5"),
        ({"conv": torch.tensor([1]), "block1": torch.tensor([2])}, "conv and block1 share their units"),
    ],
)
def test_what_cannot_be_kept_is_one_clear_line(kept, problem):
    with pytest.raises(ValueError, match=problem) as error:
        excise(small("resnet"), kept)
    assert "\n" not in str(error.value)


def test_architectures_whose_wiring_is_not_known_are_one_clear_line():
    with pytest.raises(ValueError, match="units cannot be removed from a Chain, whose wiring is not known"):
        excise(Chain(), {"conv1": torch.tensor([0])})
