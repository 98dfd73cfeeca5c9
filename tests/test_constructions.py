"""The constructions of Frivolous Units, section 3, and how many units of each kind they have to spare."""

from itertools import combinations, product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from random_networks import images, randomized

from raydensity.measures.covariance import covariances
from raydensity.measures.prunability import order_of_removal, prunability
from raydensity.measures.redundancy import redundancy
from raydensity.measures.tolerances import redundant_units
from raydensity.models.mlp import DenseNetwork
from raydensity.narrowing import dependent, difference, excise, more_of_both, only_prunable, only_redundant, refactor

# All 64 corners of a cube: independent inputs, so that units that see one each are uncorrelated.
CORNERS = torch.tensor(list(product([0.0, 1.0], repeat=6)), dtype=torch.float64)


def reading(inputs, *, depth=1):
    """A network of which each unit passes on one input, with logits that weigh every unit alike."""
    network = DenseNetwork(6, (len(inputs),) * depth, 2).double()
    with torch.no_grad():
        for name, tensor in network.named_parameters():
            tensor.copy_(
                torch.eye(len(tensor), tensor.shape[1]) if name.endswith("weight") else torch.zeros(len(tensor))
            )
        network.fc1.weight.copy_(torch.eye(6)[list(inputs)])
        network.proj.weight.copy_(torch.tensor([[1.0, 1.1, 1.3][: len(inputs)], [-1.0, -1.2, -1.1][: len(inputs)]]))
    return network


def prunable(network, layer, count):
    """The largest number of a layer's `count` units without which no logit changes, by trying all subsets."""
    for removed in range(count - 1, 0, -1):
        for chosen in combinations(range(count), count - removed):
            if difference(network, excise(network, {layer: torch.tensor(chosen)}), CORNERS).largest < 1e-9:
                return removed
    return 0


@pytest.mark.parametrize(
    ("construct", "spare"),
    [
        (lambda network: network, (0, 0)),
        (more_of_both, (3, 3)),
        (lambda network: only_prunable(network, reading((3, 4, 5))), (3, 0)),
        (lambda network: only_redundant(network, balance=10.0), (0, 3)),
    ],
    ids=["narrow", "both", "only-prunable", "only-redundant"],
)
def test_how_many_units_can_go(construct, spare):
    narrow = reading((0, 1, 2))
    wide = construct(narrow)
    assert difference(narrow, wide, CORNERS).largest < 1e-9
    count = wide.fc1.out_features
    assert (prunable(wide, "fc1", count), dependent(wide, CORNERS)["fc1"]) == spare


@pytest.mark.parametrize(
    ("construct", "spare"),
    [(more_of_both, 3), (lambda network: only_prunable(network, reading((3, 4, 5))), 0)],
    ids=["both", "only-prunable"],
)
def test_spectra_show_what_is_redundant(construct, spare):
    """Inputs are independent with variance 1/4: so are the units, but for those that are there twice."""
    wide = construct(reading((0, 1, 2)))
    [spectrum] = redundancy(covariances(wide, [CORNERS], count=len(CORNERS), seed=0))
    one = 0.25 * 64 / 63  # unbiased
    assert spectrum.eigenvalues == pytest.approx(spare * [0.0] + (3 if spare else 6) * [2 * one if spare else one])
    assert redundant_units(spectrum.eigenvalues, 0.01) == spare + 1  # that which exceeds the tolerance counts as well


def test_curves_show_what_is_prunable():
    """A unit on which no logit depends can be ablated; each curve is that of its order of the six units."""
    wide = only_prunable(reading((0, 1, 2)), reading((3, 4, 5)))
    with torch.no_grad():
        wide.proj.bias.copy_(torch.tensor([-1.6, 1.6]))
    for curve in prunability(wide, [CORNERS], seed=4):
        order = order_of_removal(6, seed=4, repeat=curve.repeat, layer="fc1")
        for removed, unchanged in zip(range(7), curve.unchanged, strict=True):
            kept = (order >= removed)[:3]
            logits = (CORNERS[:, :3] * kept) @ wide.proj.weight[:, :3].T + wide.proj.bias
            same = (logits.argmax(1) == wide(CORNERS).argmax(1)).double().mean().item()
            assert unchanged == pytest.approx(same)
            if kept.all():
                assert unchanged == 1
    assert len({tuple(curve.unchanged) for curve in prunability(wide, [CORNERS], seed=4)}) > 1


@settings(max_examples=15)
@given(st.lists(st.integers(1, 5), min_size=1, max_size=3), st.integers(6, 7), st.integers(1, 3))
def test_networks_of_any_shape_stay_the_same_function(hidden, inputs, classes):
    network = randomized(DenseNetwork(inputs, tuple(hidden), classes))
    beside = randomized(DenseNetwork(inputs, tuple(units + 1 for units in hidden), 2), seed=7)
    x = images(60, shape=(inputs,))
    for wide in (more_of_both(network), only_redundant(network, balance=50.0), only_prunable(network, beside)):
        assert difference(network, wide, x).largest < 1e-8
    layers = [f"fc{number}" for number in range(1, len(hidden) + 1)]
    first = {layer: torch.arange(units) for layer, units in zip(layers, hidden, strict=True)}
    for wide in (more_of_both(network), only_prunable(network, beside)):  # excised, the narrow network is back
        for name, value in excise(wide, first).state_dict().items():
            assert torch.equal(value, network.state_dict()[name])
    spare = dict(zip(layers, hidden, strict=True))
    for wide in (more_of_both(network), only_redundant(network, balance=50.0)):
        assert all(dependent(wide, x)[layer] >= units for layer, units in spare.items())
        assert difference(network, refactor(wide, x, removed=spare), x).largest < 1e-7


@pytest.mark.parametrize("depth", [1, 2])
def test_without_a_unit_balanced_weights_are_off_by_the_offset_that_the_paper_states(depth):
    narrow = reading((0, 1, 2), depth=depth)
    wide = only_redundant(narrow, balance=10.0)
    theta = narrow.proj.weight
    for unit in range(3):
        for removed, offset in ((3 + unit, 10 - theta[:, unit]), (unit, -10 - theta[:, unit])):
            kept = torch.tensor([each for each in range(6) if each != removed])
            off = excise(wide, {f"fc{depth}": kept})(CORNERS) - narrow(CORNERS)
            torch.testing.assert_close(off, CORNERS[:, unit, None] * offset / 2)


def test_networks_that_do_not_go_side_by_side_are_one_clear_line():
    with pytest.raises(ValueError, match="beside: networks side by side have the same inputs and as many layers"):
        only_prunable(reading((0, 1)), reading((2, 3), depth=2))
