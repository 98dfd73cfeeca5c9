import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from random_networks import SMALL, images, randomized, small

from raydensity.measures.chunks import MEASURE_NUMBERS
from raydensity.models.mlp import DenseNetwork
from raydensity.narrowing import dependent, difference, refactor
from raydensity.narrowing.excision import units
from raydensity.narrowing.refactoring import ROWS, Activations


def equal(actual, expected):
    torch.testing.assert_close(actual, expected, rtol=1e-7, atol=1e-7)


@torch.no_grad()
def with_copies(network, copies):
    """Unit `copy` of each wiring's producers becomes a multiple of unit `of`: copies = {wiring: [(copy, of, factor)]}.

    Positive multiples pass ReLU, pooling and batch norm, whose scale and shift are multiplied.
    """
    for wiring, pairs in zip(network.wiring(), copies, strict=True):
        for name in wiring.producers:
            module = network.get_submodule(name)
            for copy, of, factor in pairs:
                if isinstance(module, torch.nn.BatchNorm2d):
                    for tensor in (module.running_mean, module.running_var):
                        tensor[copy] = tensor[of]
                    module.weight[copy], module.bias[copy] = factor * module.weight[of], factor * module.bias[of]
                else:
                    is_normed = module.bias is None
                    own = module.weight.movedim(1, 0) if module.weight.ndim == 3 else module.weight
                    own[copy] = own[of] if is_normed else factor * own[of]
                    if not is_normed:
                        module.bias[copy] = factor * module.bias[of]
    return network


# At the end of a small ResNet18 units hardly vary, and maps are all border.
@pytest.mark.parametrize("architecture", [each for each in SMALL if each != "resnet18"])
def test_dependent_units_go_and_nothing_is_lost(architecture):
    network = small(architecture)
    copies = [[(1, 0, 2.5), (3, 2, 0.5)] for _ in network.wiring()]
    network = with_copies(network, copies)
    x = images(80)
    spare = dependent(network, x)
    assert min(spare.values()) >= 2  # more than the copies, where units are never active
    narrow = refactor(network, x, removed=spare)
    for wiring in narrow.wiring():
        assert units(narrow, wiring) == units(network, wiring) - spare[wiring.layers[0]]
    equal(narrow(x), network(x))
    other = images(10, seed=5)
    equal(narrow(other), network(other))


@settings(max_examples=20)
@given(st.integers(1, 6), st.integers(1, 6), st.integers(1, 5), st.integers(1, 4))
def test_units_that_are_always_active_have_the_rank_of_their_inputs(inputs, rank, extra, classes):
    """All units active: the layer is affine, and has as many independent units as inputs, or units."""
    network = randomized(DenseNetwork(inputs, (rank + extra,), classes))
    with torch.no_grad():
        network.fc1.bias.fill_(100.0)
    x = images(30, shape=(inputs,)).clamp(-3, 3)
    spare = max(rank + extra - inputs, 0)
    assert dependent(network, x) == {"fc1": spare}
    equal(refactor(network, x, removed={"fc1": spare})(x), network(x))


def test_constant_units_are_dependent_and_go_into_the_bias():
    network = small("mlp")
    with torch.no_grad():
        network.fc1.weight[2:] = 0
        network.fc1.bias[2:] = 1.5
    x = images(30)
    assert dependent(network, x)["fc1"] == 5
    equal(refactor(network, x, removed={"fc1": 5})(x), network(x))
    with torch.no_grad():
        network.fc1.weight[:] = 0
    assert dependent(network, x)["fc1"] == 6  # one stays
    equal(refactor(network, x, removed={"fc1": 6})(x), network(x))


def test_a_literal_case():
    """u = (x, y, x + 2 y + 3) for positive x, y: any one is affine in the others; the third varies most and stays."""
    network = DenseNetwork(2, (3,), 1).double()
    with torch.no_grad():
        network.fc1.weight.copy_(torch.tensor([[1.0, 0], [0, 1], [1, 2]]))
        network.fc1.bias.copy_(torch.tensor([0.0, 0, 3]))
        network.proj.weight.copy_(torch.tensor([[5.0, 7, 11]]))
        network.proj.bias.fill_(0.25)
    x = torch.tensor([[1.0, 1], [2, 1], [1, 3], [2, 3]], dtype=torch.float64)  # uncorrelated, y varies more
    narrow = refactor(network, x, removed={"fc1": 1})
    kept = narrow.fc1.weight.tolist()
    assert [1.0, 2.0] in kept
    equal(narrow(x), network(x))
    # Pivots: u3 (variance 1/4 + 4), then what u3 leaves of x and y; x is left (2/17 of its own), y has 4/17 * 1/4.
    assert kept == [[1.0, 0.0], [1.0, 2.0]]
    equal(narrow.proj.weight, torch.tensor([[5 - 7 / 2, 11 + 7 / 2]], dtype=torch.float64))  # y = (u3 - x - 3) / 2
    equal(narrow.proj.bias, torch.tensor([0.25 - 7 * 3 / 2], dtype=torch.float64))


@pytest.mark.parametrize("scale", [1.0, 1e-6, 1e-12, 1e12])
def test_the_scale_of_a_unit_changes_nothing(scale):
    """Units x, y, scale * z and x + y, in single precision: whatever the scale, one depends on the others."""
    network = DenseNetwork(3, (4,), 3).eval()
    of_unit = torch.tensor([1.0, 1.0, scale, 1.0])
    with torch.no_grad():
        network.fc1.weight.copy_(torch.cat([torch.eye(3), torch.tensor([[1.0, 1, 0]])]) * of_unit[:, None])
        network.fc1.bias.copy_(10 * of_unit)  # always active
        network.proj.weight.copy_(torch.tensor([[1.0, 1, 5, 1], [4, -3, 1, 2], [-2, 1, -5, 1]]) / of_unit)
    x = images(400, shape=(3,)).float().clamp(-3, 3)
    assert dependent(network, x) == {"fc1": 1}
    narrow = refactor(network, x, removed={"fc1": 1})
    assert difference(network, narrow, x).largest < 1e-4
    assert dependent(narrow, x) == {"fc1": 0}
    # Of units that all count, that goes which the answers need least, not that whose numbers are small.
    fewer = refactor(narrow, x, removed={"fc1": 1})
    assert fewer.proj.in_features == 2
    seen = torch.cat([fewer.activations(x)["fc1"] / fewer.fc1.bias, torch.ones(400, 1)], dim=1).double()
    best = seen @ torch.linalg.lstsq(seen, network(x).double()).solution
    torch.testing.assert_close(fewer(x).double(), best, rtol=1e-4, atol=1e-3)
    assert difference(network, fewer, x).same_answers > 0.9


@pytest.mark.parametrize("count", [1, 3])
def test_where_nothing_is_redundant_the_best_linear_stand_in_is_taken(count):
    """Least squares: of all readouts of the units that stay, none is nearer to the network on these images."""
    network = randomized(DenseNetwork(20, (9,), 2))
    x = images(200, shape=(20,))
    narrow = refactor(network, x, removed={"fc1": count})
    with torch.no_grad():
        seen = torch.cat([narrow.activations(x)["fc1"], torch.ones(200, 1)], dim=1)
        best = seen @ torch.linalg.lstsq(seen, network(x)).solution
        assert difference(network, narrow, x).largest > 1e-3
        equal(narrow(x), best)


@torch.no_grad()
def test_constants_are_right_on_average_over_the_positions_of_padded_convolutions():
    """A filter that is another plus 3: the padding has 0 of both, so a border is off by the taps that it lacks."""
    network = small("conv2")
    network.conv1.weight[1] = network.conv1.weight[0]
    network.conv1.bias[0], network.conv1.bias[1] = 30.0, 33.0  # always active
    x = images(40)
    narrow = refactor(network, x, removed={"conv1": 1})
    wide_map, narrow_map = (each.conv2(each.activations(x)["conv1"]) for each in (network, narrow))
    apart = wide_map - narrow_map  # [images, filters, 6, 4]
    equal(apart.mean(dim=(2, 3)), torch.zeros(40, 5, dtype=torch.float64))
    equal(apart[:, :, 1:-1, 1:-1], apart[:1, :, 1:2, 1:2].expand(40, 5, 4, 2))  # the same wherever no tap is missing
    lacking = apart[0, :, 2, 0] - apart[0, :, 2, 2]
    unit, sign = (1, -3) if torch.equal(narrow.conv1.bias[0], network.conv1.bias[0]) else (0, 3)
    equal(lacking, sign * network.conv2.weight[:, unit, :, 0].sum(1))
    unshared = small("conv2-unshared")  # has a bias for each position
    unshared.conv1.weight[:, 1] = unshared.conv1.weight[:, 0]
    unshared.conv1.bias[0] += 30
    unshared.conv1.bias[1] = unshared.conv1.bias[0] + 3
    equal(refactor(unshared, x, removed={"conv1": 1})(x), unshared(x))


@pytest.mark.parametrize(("loudness", "least", "most"), [(1, 0, 1e-3), (30, 1e-3, 1e-1)])
def test_normalisation_across_neighbours_loses_those_that_go(loudness, least, most):
    """Copies are exact in the dense layers; in the convolutions as far as normalisation hardly does anything."""
    network = with_copies(small("alexnet"), [[(1, 0, 1.0)]] * 4).float()
    x = loudness * images(40).float()
    spread = network(x).std().item()
    dense = refactor(network, x, removed={"fc1": 1, "fc2": 1})
    assert difference(network, dense, x).largest < 1e-5 * spread
    assert [units(dense, wiring) for wiring in dense.wiring()] == [6, 7, 4, 3]
    all_of_it = refactor(network, x, removed={"conv1": 1, "conv2": 1})
    assert least * spread <= difference(network, all_of_it, x).mean < most * spread


def test_few_rows_at_a_time_are_decomposed_together(monkeypatch):
    """The triangle of wide layers costs more than the few rows that come of an image."""
    decompose, sizes = torch.linalg.qr, []
    monkeypatch.setattr(torch.linalg, "qr", lambda a, mode: sizes.append(len(a)) or decompose(a, mode=mode))
    few, wide = Activations(4), Activations(600)
    for part in images(2 * ROWS + 10, shape=(4,)).split(5):
        few.add(part)
    for part in images(2405, shape=(600,)).split(100):
        wide.add(part)
    assert len(few.means) == 4
    assert len(wide.norms) == 600
    # What waits is in whole parts, and comes on top of the triangle; what is left is decomposed where it is asked for.
    assert sizes == [ROWS + 2, 5 + ROWS + 2, 2400, 5 + 6, 601 + 5]


@pytest.mark.parametrize("rows_at_once", [1, 7, ROWS])
def test_activations_have_the_means_and_products_of_their_rows_however_these_come(rows_at_once, monkeypatch):
    monkeypatch.setattr("raydensity.narrowing.refactoring.ROWS", rows_at_once)
    rows = images(50, shape=(4,)) * torch.tensor([1, 2, 3, 0]) + 5
    whole, parts = Activations(4), Activations(4)
    whole.add(rows)
    for part in rows.split(7):
        parts.add(part)
    centered = rows - rows.mean(0)
    for each in (whole, parts):
        equal(each.means, rows.mean(0))
        equal(each.norms, rows.norm(dim=0))
        equal(each.centered.T @ each.centered, centered.T @ centered)


def test_difference():
    network = small("mlp")
    other = small("mlp")
    x = images(300)
    assert difference(network, other, x) == (1.0, 0.0, 0.0)
    with torch.no_grad():
        other.proj.bias[1] += 0.5
        other.proj.bias[2] -= 100.0
    found = difference(network, other, x)
    assert found.largest == pytest.approx(100)
    assert found.mean == pytest.approx(100.5 / 3)
    assert found.same_answers == pytest.approx((network(x).argmax(1) == other(x).argmax(1)).double().mean().item())
    with pytest.raises(ValueError, match="images: at least one is needed"):
        difference(network, other, x[:0])


def test_differences_are_of_as_many_images_at_a_time_as_measures_take():
    network, sizes = DenseNetwork(1, (MEASURE_NUMBERS // 3,), 2), []
    network.register_forward_pre_hook(lambda module, inputs: sizes.append(len(inputs[0])))
    assert difference(network, network, torch.zeros(7, 1)) == (1.0, 0.0, 0.0)
    assert sizes == [3, 3, 3, 3, 1, 1]


@pytest.mark.parametrize(
    ("removed", "problem"),
    [
        ({"fc1": 7}, "removed: fc1 has 7 units and can lose 0 to 6, not 7"),
        ({"fc1": -1}, "removed: fc1 has 7 units and can lose 0 to 6, not -1"),
        ({"conv1": 1}, "no hidden layer 'conv1' in this network, it has fc1, fc2"),
    ],
)
def test_what_cannot_be_removed_is_one_clear_line(removed, problem):
    with pytest.raises(ValueError, match=problem):
        refactor(small("mlp"), images(5), removed=removed)


def test_images_are_needed():
    with pytest.raises(ValueError, match="images: at least one is needed"):
        dependent(small("mlp"), images(0))
