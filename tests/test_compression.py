"""Which units and weights a rule removes, by literal cases, and what the network without them computes."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from observed import dense, observed, random_network
from torch.autograd.functional import hessian
from torch.func import functional_call

from raydensity.compression import Emptied, compress, observe
from raydensity.compression.methods import SCORES, UNITS_MERGED, WEIGHTS_LEFT
from raydensity.compression.weights import hessian_diagonal
from raydensity.losses import mean_loss
from raydensity.models import prunable
from raydensity.models.mlp import embedded, extracted
from raydensity.spec import Compression
from raydensity.spec.compression import UNIT_MERGES, UNIT_SCORES, WEIGHT_SCORES, units_left

# Two inputs, three hidden units, two classes.
SMALL = (
    ([[1.0, 0.0], [0.0, 2.0], [-1.0, 1.0]], [0.0, 1.0, 0.0]),
    ([[1.0, -2.0, 0.5], [0.0, 1.0, 4.0]], [0.0, 0.25]),
)
IMAGES = torch.tensor([[1.0, 1.0], [2.0, -1.0], [3.0, 1.0], [-2.0, 3.0]])
# After ReLU: first 1 2 3 0, second 3 0 3 7, third 0 0 0 5.
LABELS = torch.tensor([0, 1, 1, 0])


def small():
    return observe(dense(*SMALL), IMAGES, LABELS)


def rule(method: str, level: float, **options) -> Compression:
    own = {} if method in UNIT_SCORES else {"compensation": "none"}
    return Compression(method=method, level=level, **{**own, **options})


# Scores ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("output_deviation", [1.25**0.5, 6.1875**0.5, 4.6875**0.5]),
        ("incoming_l1", [1, 2, 2]),
        ("incoming_l2", [1, 2, 2**0.5]),
        ("outgoing_l1", [1, 3, 4.5]),
        ("outgoing_l2", [1, 5**0.5, 16.25**0.5]),
        ("geometric_median", [5**0.5 * 2, 5**0.5 + 2**0.5, 5**0.5 + 2**0.5]),
        ("mean_activation", [1.5, 3.25, 1.25]),
        ("average_percentage_of_zeros", [0.75, 0.75, 0.25]),
    ],
)
def test_scores_of_units_by_hand(method, expected) -> None:
    assert SCORES[method](small(), "fc1").tolist() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("regression", [False, True])
def test_gradients_are_those_of_each_image(regression) -> None:
    """By differences of the loss, unit by unit and image by image, and the scores that are made of them."""
    network = random_network(1, 3, (4, 5), 1 if regression else 3).double()
    images = torch.randn(6, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    labels = torch.randn(6, dtype=torch.float64) if regression else torch.randint(3, (6,))
    seen = observe(network, images, labels)
    steps, step_size = network.steps(), 1e-6
    for layer in seen.layers:
        after = list(steps)[list(steps).index(layer) + 1 :]
        expected = torch.empty_like(seen.outputs[layer])
        for image in range(6):
            for unit in range(expected.shape[1]):
                losses = []
                for direction in (-1, 1):
                    x = seen.outputs[layer][image : image + 1].clone()
                    x[0, unit] += direction * step_size
                    for name in after:
                        x = steps[name](x)
                    losses.append(mean_loss(x, labels[image : image + 1]).item())
                expected[image, unit] = (losses[1] - losses[0]) / (2 * step_size)
        torch.testing.assert_close(seen.gradients[layer], expected, atol=1e-6, rtol=1e-5)
        change = (seen.outputs[layer] * expected).abs().mean(0)
        torch.testing.assert_close(SCORES["taylor"](seen, layer), change, atol=1e-6, rtol=1e-5)
        slope = expected.abs().mean(0)
        torch.testing.assert_close(SCORES["activation_gradient"](seen, layer), slope, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("hidden", [(4,), (3, 4)])
def test_the_hessian_of_the_last_layers_is_exact(hidden) -> None:
    """Of the last kernel always; of the one before where there is one output, so that the others' terms are none."""
    network = random_network(3, 3, hidden, 1).double()
    images = torch.randn(9, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(4))
    labels = torch.randn(9, dtype=torch.float64)
    found = hessian_diagonal(observe(network, images, labels))
    names = list(prunable(network))
    for name in names[-2:]:
        state = dict(network.named_parameters())

        def loss(kernel, name=name, state=state):
            return mean_loss(functional_call(network, {**state, name: kernel}, (images,)), labels)

        kernel = state[name].detach()
        whole = hessian(loss, kernel).reshape(kernel.numel(), -1)
        torch.testing.assert_close(found[name].flatten(), whole.diagonal(), atol=1e-9, rtol=1e-6)


def test_the_hessian_of_a_softmax_layer_is_exact() -> None:
    network = random_network(5, 3, (4,), 3).double()
    images = torch.randn(9, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(4))
    labels = torch.randint(3, (9,))
    state = dict(network.named_parameters())

    def loss(kernel):
        return mean_loss(functional_call(network, {**state, "proj.weight": kernel}, (images,)), labels)

    kernel = state["proj.weight"].detach()
    whole = hessian(loss, kernel).reshape(kernel.numel(), -1)
    found = hessian_diagonal(observe(network, images, labels))["proj.weight"]
    torch.testing.assert_close(found.flatten(), whole.diagonal(), atol=1e-9, rtol=1e-6)


# Which units stay -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("criterion", "level", "stay"),
    [
        # Deviations 1.118, 2.487, 2.165.
        ("absolute", 1.0, [0, 1, 2]),
        ("absolute", 1.2, [1, 2]),
        ("absolute", 2.2, [1]),
        ("absolute", 1.25**0.5, [1, 2]),  # a unit at the level goes
        ("relative", 0.4, [0, 1, 2]),
        ("relative", 0.5, [1, 2]),
        ("relative", 0.9, [1]),
        ("relative", 1.0, [1]),  # the largest stays
        ("share", 0.3, [0, 1, 2]),  # less than a unit
        ("share", 1 / 3, [1, 2]),
        ("share", 0.99, [1]),
    ],
)
def test_which_units_stay(criterion, level, stay) -> None:
    smaller = compress(small(), rule("output_deviation", level, criterion=criterion), seed=0).network
    assert smaller.fc1.weight.tolist() == [SMALL[0][0][unit] for unit in stay]
    assert smaller.fc1.bias.tolist() == [SMALL[0][1][unit] for unit in stay]
    assert smaller.proj.weight.tolist() == [[row[unit] for unit in stay] for row in SMALL[1][0]]
    assert (smaller.fc1.out_features, smaller.proj.in_features) == (len(stay), len(stay))


def test_a_layer_never_loses_all_its_units() -> None:
    """It keeps the one that varies most, or the rule refuses, as asked."""
    smaller = compress(small(), rule("output_deviation", 100, criterion="absolute"), seed=0).network
    assert smaller.fc1.weight.tolist() == [SMALL[0][0][1]]
    with pytest.raises(Emptied, match="fc1 loses all its 3 units at absolute level 100"):
        compress(small(), rule("output_deviation", 100, criterion="absolute", empty_layer="refuse"), seed=0)


@given(units=st.integers(1, 300), percent=st.integers(0, 99))
def test_shares_are_rounded_down_and_leave_a_unit(units: int, percent: int) -> None:
    left = units_left(units, percent / 100)
    assert left >= 1
    assert units - left == min(units - 1, units * percent // 100)


def test_random_units_are_those_of_the_seed() -> None:
    seen = observed(random_network(0, 5, (40, 40), 3))
    first, again, other = (compress(seen, rule("random_units", 0.5), seed=seed).network for seed in (1, 1, 2))
    assert torch.equal(first.fc1.weight, again.fc1.weight)
    assert not torch.equal(first.fc1.weight, other.fc1.weight)


# What the network without them computes -------------------------------------------------------------------------------

NETWORKS = st.tuples(st.integers(0, 99), st.integers(1, 6), st.lists(st.integers(1, 8), min_size=1, max_size=3))


@settings(max_examples=40)
@given(NETWORKS, st.sampled_from(UNIT_SCORES), st.sampled_from([0.0, 0.3, 0.6, 0.99]), st.booleans())
def test_the_sliced_network_equals_the_masked_one(shape, method, level, regression) -> None:
    seed, inputs, hidden = shape
    network = random_network(seed, inputs, tuple(hidden), 1 if regression else 3)
    seen = observed(network, seed=seed, regression=regression)
    smaller = compress(seen, rule(method, level, compensation="none"), seed=seed).network
    steps, x = network.steps(), seen.images
    for layer in seen.layers:
        # Which units there are is known by their biases, which are all different.
        stay = torch.isin(network.get_submodule(layer).bias, smaller.get_submodule(layer).bias)
        assert stay.sum() == units_left(len(stay), level)
        x = steps[layer](x) * stay
    torch.testing.assert_close(smaller(seen.images), steps["logits"](x), atol=1e-4, rtol=1e-4)


@settings(max_examples=30)
@given(NETWORKS)
def test_compensation_by_mean_is_exact_for_constant_units(shape) -> None:
    """Units whose incoming weights are zero give their bias to all images; without them nothing changes."""
    seed, inputs, hidden = shape
    network = random_network(seed, inputs, tuple(units + 2 for units in hidden), 3)
    with torch.no_grad():
        for name in [f"fc{number}" for number in range(1, len(hidden) + 1)]:
            layer = network.get_submodule(name)
            layer.weight[:2] = 0
            layer.bias[:2] = torch.tensor([0.5, 2.0])
    seen = observed(network, seed=seed)
    smaller = compress(seen, rule("output_deviation", 0.0, criterion="absolute"), seed=0).network
    assert smaller.fc1.out_features <= network.fc1.out_features - 2
    torch.testing.assert_close(smaller(seen.images), network(seen.images), atol=1e-4, rtol=1e-4)


def test_compensation_by_hand() -> None:
    """Without the first unit, of mean 1.5, outgoing weights 1 and 0, and bias 0; and the third of bias 0."""
    by_mean = compress(small(), rule("output_deviation", 1 / 3), seed=0).network
    assert by_mean.proj.bias.tolist() == [1.5, 0.25]
    assert by_mean.fc1.bias.tolist() == [1.0, 0.0]
    seen = observe(dense((SMALL[0][0], [3.0, 1.0, 0.5]), SMALL[1]), IMAGES, LABELS)
    literal = compress(seen, rule("incoming_l1", 1 / 3, compensation="literal"), seed=0).network
    assert literal.fc1.bias.tolist() == [1.0 + 1.5, 0.5 + 1.5]
    assert literal.proj.bias.tolist() == SMALL[1][1]
    without = compress(seen, rule("incoming_l1", 1 / 3, compensation="none"), seed=0).network
    assert (without.fc1.bias.tolist(), without.proj.bias.tolist()) == ([1.0, 0.5], SMALL[1][1])


@pytest.mark.parametrize("method", UNIT_MERGES)
def test_units_that_others_make_up_are_merged_without_loss(method) -> None:
    """Half of the units are multiples of the others, and one does not vary."""
    network = random_network(7, 4, (8, 8), 3)
    with torch.no_grad():
        for name in ("fc1", "fc2"):
            layer = network.get_submodule(name)
            for unit in range(4):
                layer.weight[4 + unit] = (unit + 1.5) * layer.weight[unit]
                layer.bias[4 + unit] = (unit + 1.5) * layer.bias[unit]
    seen = observed(network, count=200)
    smaller = compress(seen, rule(method, 0.5), seed=0).network
    assert (smaller.fc1.out_features, smaller.fc2.out_features) == (4, 4)
    torch.testing.assert_close(smaller(seen.images), network(seen.images), atol=1e-3, rtol=1e-3)


def test_of_two_correlated_units_one_is_merged() -> None:
    """The second is three times the first and one more: its weights go to the first, the rest into the biases."""
    network = dense(
        ([[1.0, 0.0], [3.0, 0.0], [0.0, 1.0]], [5.0, 16.0, 5.0]),
        ([[1.0, 2.0, 4.0]], [0.5]),
    )
    images = torch.tensor([[1.0, 0.0], [2.0, 1.0], [3.0, -1.0], [4.0, 0.5]])
    seen = observe(network, images, torch.zeros(4))
    smaller = compress(seen, rule("correlation", 1 / 3), seed=0).network
    torch.testing.assert_close(smaller(images), network(images))
    assert smaller.fc1.out_features == 2


# Weights --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", WEIGHT_SCORES)
@pytest.mark.parametrize("share", [0.0, 0.5, 0.75])
def test_as_many_weights_are_left_as_without_that_share_of_the_units(method, share) -> None:
    network = random_network(0, 6, (8, 8), 3)
    seen = observed(network)
    smaller = compress(seen, rule(method, share), seed=0)
    own = compress(seen, rule("incoming_l1", share), seed=0).network
    counts = {name: kernel.numel() for name, kernel in prunable(own).items()}
    kept = {name: int((kernel != 0).sum()) for name, kernel in prunable(smaller.network).items()}
    assert sum(kept.values()) == sum(counts.values())
    if method == "magnitude_layerwise":
        assert kept == counts
    assert all(
        torch.equal(kernel != 0, smaller.masks[name] & (prunable(network)[name] != 0))
        for name, kernel in prunable(smaller.network).items()
    )


def test_the_largest_weights_stay() -> None:
    seen = small()
    layerwise = compress(seen, rule("magnitude_layerwise", 1 / 3), seed=0).masks
    assert layerwise["fc1.weight"].tolist() == [[True, False], [False, True], [True, True]]
    assert layerwise["proj.weight"].tolist() == [[True, True, False], [False, True, True]]
    everywhere = compress(seen, rule("magnitude_global", 2 / 3), seed=0).masks  # two weights of each layer
    assert everywhere["fc1.weight"].tolist() == [[True, False], [False, True], [False, False]]
    assert everywhere["proj.weight"].tolist() == [[False, True, False], [False, False, True]]


def test_optimal_brain_damage_keeps_the_weights_that_the_loss_needs() -> None:
    """By brute force: the first input hardly varies the answers, so that its large weights go, and small ones stay."""
    network = dense(([[4.0, 0.5], [3.0, 0.4]], [0.0, 0.0]), ([[1.0, 2.0]], [0.0]))
    images = [[0.1, 5.0], [0.2, 10.0]]
    saliency = {}
    # Of a squared error: 2 (slope of the answer by the weight)^2, a mean over images, times w^2 / 2. All units are on.
    for unit, (incoming, outgoing) in enumerate(zip([[4.0, 0.5], [3.0, 0.4]], [1.0, 2.0], strict=True)):
        outputs = [sum(w * x for w, x in zip(incoming, image, strict=True)) for image in images]
        saliency["proj.weight", 0, unit] = sum(2 * output**2 for output in outputs) / 2 * outgoing**2 / 2
        for place, weight in enumerate(incoming):
            curvature = sum(2 * (outgoing * image[place]) ** 2 for image in images) / 2
            saliency["fc1.weight", unit, place] = curvature * weight**2 / 2
    seen = observe(network, torch.tensor(images), torch.zeros(2))
    found = hessian_diagonal(seen)
    weights = dict(network.named_parameters())
    for (name, row, column), expected in saliency.items():
        own = (found[name][row, column] * weights[name][row, column] ** 2 / 2).item()
        assert own == pytest.approx(expected, rel=1e-5)
    # Half of the units is one, of 2 + 1 weights.
    largest = sorted(saliency, key=saliency.__getitem__)[-3:]
    for method, expected in (
        ("optimal_brain_damage", set(largest)),
        ("magnitude_global", {("fc1.weight", 0, 0), ("fc1.weight", 1, 0), ("proj.weight", 0, 1)}),
    ):
        masks = compress(seen, rule(method, 0.5), seed=0).masks
        kept = {(name, *place) for name, mask in masks.items() for place in mask.nonzero().tolist()}
        assert kept == expected, method
    assert set(largest) == {("fc1.weight", 1, 1), ("proj.weight", 0, 0), ("proj.weight", 0, 1)}


# The registry, and rules ----------------------------------------------------------------------------------------------


def test_every_method_is_there_once() -> None:
    assert set(SCORES) | {"random_units"} == set(UNIT_SCORES)
    assert set(UNITS_MERGED) == set(UNIT_MERGES)
    assert set(WEIGHTS_LEFT) == set(WEIGHT_SCORES)
    # With SNIP, lottery tickets and RigL, which start before training, more than the fifteen rivals.
    assert len(UNIT_SCORES) + len(UNIT_MERGES) + len(WEIGHT_SCORES) - 1 + 3 == 18


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"method": "output_deviation", "level": 1.0}, "less than 1"),
        ({"method": "output_deviation", "level": -0.1}, "greater than or equal to 0"),
        ({"method": "taylor", "level": 0.1, "criterion": "absolute"}, "absolute is for output_deviation"),
        ({"method": "correlation", "level": 0.1}, "correlation has its own"),
        ({"method": "magnitude_global", "level": 0.1, "compensation": "literal"}, "magnitude_global has its own"),
        ({"method": "output_deviation", "level": 0.1, "refinement": 0.0}, "greater than 0"),
        ({"method": "variance", "level": 0.1}, "Input should be"),
    ],
)
def test_rules_without_sense_are_refused(options, said) -> None:
    with pytest.raises(ValueError, match=said):
        Compression(**options)


@pytest.mark.parametrize(("share", "epochs", "expected"), [(0.15, 100, 15), (0.05, 30, 2), (0.05, 5, 1), (1, 7, 7)])
def test_epochs_of_a_refinement(share, epochs, expected) -> None:
    assert rule("output_deviation", 0.5, refinement=share).epochs(epochs) == expected


def test_two_images_are_needed() -> None:
    with pytest.raises(ValueError, match="two images or more"):
        observe(dense(*SMALL), IMAGES[:1], LABELS[:1])


@given(NETWORKS)
def test_a_narrow_network_comes_back_out_of_the_wide_one(shape) -> None:
    seed, inputs, hidden = shape
    narrow = random_network(seed, inputs, tuple(hidden), 2)
    wide = random_network(seed + 1, inputs, tuple(units + 3 for units in hidden), 2)
    shapes = {name: tuple(parameter.shape) for name, parameter in wide.named_parameters()}
    state = {name: parameter.detach() for name, parameter in narrow.named_parameters()}
    placed = embedded(state, shapes)
    assert {name: tuple(each.shape) for name, each in placed.items()} == shapes
    assert all((placed[name] != 0).sum() == (state[name] != 0).sum() for name in state)
    back = extracted(placed, hidden)
    assert all(torch.equal(back[name], state[name]) for name in state)
    wide.load_state_dict(placed)
    images = torch.randn(5, inputs)
    torch.testing.assert_close(wide(images), narrow(images))
