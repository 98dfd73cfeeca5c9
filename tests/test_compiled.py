"""The compiled steps against autograd and torch.optim.SGD, in double precision."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from small_stacks import copy, each, layers, random_batches, random_stack, tensors, zeros

from raydensity import compiled

DEEP = (2, 16, 16, 16, 1)
RULE = {"momentum": 0.9, "weight_decay": 0.01}


def outputs(weights, biases, x):
    """Logits [B] of one network for images [I, B]."""
    x = x.T
    for number, (weight, bias) in enumerate(zip(weights, biases, strict=True), start=1):
        x = x @ weight.T + bias
        x = x.relu() if number < len(weights) else x
    return x[:, 0]


def by_autograd(parameters, masks, images, labels, network, *, rate, momentum, weight_decay):
    """One network's parameters, momenta, summed loss and correct answers after the steps of images [S, I, B]."""
    values = [tensor[network].double().requires_grad_() for tensor in tensors(parameters)]
    kept = [mask[network] for mask in tensors(masks)]
    half = len(values) // 2
    optimizer = torch.optim.SGD(values, lr=rate, momentum=momentum, weight_decay=weight_decay)
    total, correct = 0.0, 0
    for x, y in zip(images.double(), labels.double(), strict=True):
        optimizer.zero_grad()
        logits = outputs(values[:half], values[half:], x)
        loss = F.binary_cross_entropy_with_logits(logits, y)
        loss.backward()
        for value, mask in zip(values, kept, strict=True):
            value.grad.mul_(mask)
        optimizer.step()
        total, correct = total + loss.item(), correct + int(((logits > 0) == (y > 0.5)).sum())
    speeds = [optimizer.state[value].get("momentum_buffer") for value in values]
    return [value.detach() for value in values], speeds, total, correct


def hold_to_autograd(parameters, masks, *, batch=20, steps=6, rates=(0.1, 0.02, 0.3), rule=RULE):
    networks = len(parameters.weights[0])
    sizes = (parameters.weights[0].shape[2], *(weight.shape[1] for weight in parameters.weights))
    images, labels = random_batches(sizes, 2, steps, batch)
    order = torch.arange(networks) % 2
    rate = torch.tensor([rates[index % len(rates)] for index in range(networks)])
    trained, speeds = copy(parameters), zeros(parameters)
    losses, correct = compiled.descend(
        trained, speeds, masks, images=images, labels=labels, order=order, rates=rate, **rule
    )
    for network in range(networks):
        own = images[order[network]], labels[order[network]], network
        values, momenta, total, right = by_autograd(parameters, masks, *own, rate=rate[network].item(), **rule)
        for mine, theirs in zip(tensors(trained), values, strict=True):
            torch.testing.assert_close(mine[network].double(), theirs, rtol=2e-4, atol=2e-5)
        for mine, theirs in zip(tensors(speeds), momenta, strict=True):
            if theirs is not None:
                torch.testing.assert_close(mine[network].double(), theirs, rtol=2e-4, atol=2e-4)
        assert losses[network].item() == pytest.approx(total, rel=2e-5)
        assert correct[network] == right
    return trained


@pytest.mark.parametrize("density", [1.0, 0.5, 0.2])
@pytest.mark.parametrize("sizes", [DEEP, (3, 5, 1, 7, 1), (64, 12, 3, 3, 1), (2, 3, 1)])
def test_steps_equal_autograd(sizes, density):
    hold_to_autograd(*random_stack(sizes, 4, density=density))


@settings(max_examples=30)
@given(
    st.lists(st.integers(1, 6), min_size=4, max_size=4),
    st.floats(0, 1),
    st.integers(1, 40),
    st.sampled_from([0.0, 0.9]),
    st.integers(0, 1000),
)
def test_any_mask_of_any_shape_equals_autograd(sizes, density, batch, momentum, seed):
    rule = {"momentum": momentum, "weight_decay": 0.01}
    stack = random_stack((*sizes, 1), 2, density=density, seed=seed)
    hold_to_autograd(*stack, batch=batch, steps=3, rule=rule)


@pytest.mark.parametrize("batch", [1, 16, 25, 128])
def test_batches_of_any_size(batch):
    hold_to_autograd(*random_stack(DEEP, 2, density=0.6), batch=batch)


def test_the_largest_batches_have_a_loss_as_well():
    """The product of 1 + exp(-|logit|) over a batch is 2^batch at first: more than a double holds, from 1,024 on."""
    flat = layers(DEEP, 1, torch.zeros)
    images, labels = random_batches(DEEP, 1, 1, 3000)
    loss, _ = compiled.gradients(flat, zeros(flat), images=images[0], labels=labels[0])
    assert loss.item() == pytest.approx(math.log(2))
    hold_to_autograd(*random_stack(DEEP, 1, density=1.0), batch=3000, steps=2)


def test_plain_descent_and_descent_without_weight_decay():
    parameters, masks = random_stack((2, 5, 5, 5, 1), 3, density=0.7)
    hold_to_autograd(parameters, masks, rule={"momentum": 0.0, "weight_decay": 0.0})
    hold_to_autograd(parameters, masks, rule={"momentum": 0.9, "weight_decay": 0.0})
    hold_to_autograd(parameters, masks, rule={"momentum": 0.0, "weight_decay": 0.1})


def mask_of(sizes, **gone):
    """All True but for `gone`: weights_1=(slice, slice) means the second layer's weights there."""
    masks = layers(sizes, 1, lambda shape: torch.ones(shape, dtype=torch.bool))
    for name, place in gone.items():
        part, layer = name.rsplit("_", 1)
        getattr(masks, part)[int(layer)][(0, *place)] = False
    return masks


def test_what_does_not_reach_the_output_decays_alone():
    sizes, rate, decay, steps = (2, 3, 2, 2, 1), 0.1, 0.01, 6
    parameters, _ = random_stack(sizes, 1, density=1.0)
    masks = mask_of(sizes, weights_1=(slice(None), 1))  # nothing leaves unit 1 of the first layer
    parameters = each(lambda value, mask: value * mask, parameters, masks)
    rule = {"momentum": 0.0, "weight_decay": decay}
    trained = hold_to_autograd(parameters, masks, steps=steps, rates=(rate,), rule=rule)
    left = (1 - rate * decay) ** steps
    torch.testing.assert_close(trained.weights[0][0, 1], parameters.weights[0][0, 1] * left)
    torch.testing.assert_close(trained.biases[0][0, 1], parameters.biases[0][0, 1] * left)


def test_units_without_inputs_pass_their_bias_on():
    sizes = (2, 3, 2, 2, 1)
    parameters, _ = random_stack(sizes, 1, density=1.0)
    masks = mask_of(sizes, weights_0=(1,), weights_1=(0,))
    parameters = each(lambda value, mask: (value * mask).abs(), parameters, masks)  # so that no ReLU holds them back
    trained = hold_to_autograd(parameters, masks, rule={"momentum": 0.9, "weight_decay": 0.0})
    assert trained.biases[0][0, 1] != parameters.biases[0][0, 1]
    assert trained.biases[1][0, 0] != parameters.biases[1][0, 0]


def test_masked_biases_stay_zero():
    sizes = (2, 3, 2, 2, 1)
    parameters, _ = random_stack(sizes, 1, density=1.0)
    masks = mask_of(sizes, biases_0=(1,), biases_1=(0,), biases_3=(0,))
    parameters = each(lambda value, mask: value * mask, parameters, masks)
    trained = hold_to_autograd(parameters, masks)
    for bias, mask in zip(trained.biases, masks.biases, strict=True):
        assert ((bias != 0) == mask).all()


@pytest.mark.parametrize("layer", [0, 1, 2, 3])
def test_a_network_without_a_path_learns_no_more_than_its_biases(layer):
    sizes = (2, 3, 2, 2, 1)
    parameters, _ = random_stack(sizes, 1, density=1.0)
    masks = mask_of(sizes, **{f"weights_{layer}": ()})
    parameters = each(lambda value, mask: value * mask, parameters, masks)
    trained = hold_to_autograd(parameters, masks)
    assert trained.weights[layer].eq(0).all()
    images = torch.randn(1, 2, 50)
    assert compiled.logits(trained, images).unique().numel() == 1


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("sizes", [DEEP, (3, 5, 1, 7, 1), (64, 12, 3, 3, 1)])
def test_gradients_equal_autograd_for_all_weights_those_that_are_zero_included(sizes, shared):
    parameters, _ = random_stack(sizes, 3, density=0.5)
    images, labels = (part[:, 0] for part in random_batches(sizes, 1 if shared else 3, 1, 37))
    into = each(lambda tensor: torch.full_like(tensor, math.nan), parameters)
    losses, correct = compiled.gradients(parameters, into, images=images, labels=labels)
    for network in range(3):
        own = 0 if shared else network
        values = [tensor[network].double().requires_grad_() for tensor in tensors(parameters)]
        half = len(values) // 2
        logits = outputs(values[:half], values[half:], images[own].double())
        loss = F.binary_cross_entropy_with_logits(logits, labels[own].double())
        for mine, theirs in zip(tensors(into), torch.autograd.grad(loss, values), strict=True):
            torch.testing.assert_close(mine[network].double(), theirs, rtol=1e-4, atol=1e-6)
        assert losses[network].item() == pytest.approx(loss.item(), rel=1e-5)
        assert correct[network] == ((logits > 0) == (labels[own] > 0.5)).sum()


@pytest.mark.parametrize("density", [1.0, 0.4])
@pytest.mark.parametrize("count", [1, 512, 1031])
def test_logits_equal_the_plain_forward_pass(density, count):
    parameters, _ = random_stack(DEEP, 3, density=density)
    images = torch.randn(3, 2, count, generator=torch.Generator().manual_seed(2))
    for given_images in (images, images[:1]):
        results = compiled.logits(parameters, given_images)
        for network in range(3):
            weights, biases = ([t[network].double() for t in part] for part in parameters)
            expected = outputs(weights, biases, given_images[min(network, len(given_images) - 1)].double())
            torch.testing.assert_close(results[network].double(), expected, rtol=1e-4, atol=1e-5)


def with_logit(logit):
    """A network that always answers so."""
    flat = layers((1, 1, 1, 1, 1), 1, torch.zeros)
    flat.biases[3].fill_(logit)
    return flat


@pytest.mark.parametrize("count", [7, 512, 1300])
def test_evaluation_is_the_loss_of_the_logits(count):
    parameters, _ = random_stack(DEEP, 3, density=0.3)
    source = torch.Generator().manual_seed(3)
    images = torch.randn(3, 2, count, generator=source)
    labels = (torch.rand(3, count, generator=source) < 0.5).float()
    for own_images, own_labels in ((images, labels), (images[:1], labels[:1])):
        logits = compiled.logits(parameters, own_images).double()
        losses, correct = compiled.evaluate(parameters, own_images, own_labels)
        asked = own_labels.double().expand_as(logits)
        expected = F.binary_cross_entropy_with_logits(logits, asked, reduction="none").sum(1)
        torch.testing.assert_close(losses, expected, rtol=1e-5, atol=1e-6)
        assert torch.equal(correct, ((logits > 0) == (asked > 0.5)).sum(1))


def test_the_loss_of_any_logit():
    logits = torch.tensor([-300.0, -88.0, -87.0, -20.0, -1.0, -1e-6, 0.0, 1e-6, 1.0, 20.0, 87.0, 88.0, 300.0])
    for label in (0.0, 1.0):
        for logit in logits:
            flat = with_logit(logit)
            into = zeros(flat)
            images, labels = torch.ones(1, 1, 1), torch.full((1, 1), label)
            loss, correct = compiled.gradients(flat, into, images=images, labels=labels)
            exact = logit.double().requires_grad_()
            expected = F.binary_cross_entropy_with_logits(exact, torch.tensor(label).double())
            (slope,) = torch.autograd.grad(expected, exact)
            assert loss.item() == pytest.approx(expected.item(), rel=1e-6, abs=1e-7)
            assert into.biases[3].item() == pytest.approx(slope.item(), rel=1e-5, abs=1e-7)
            assert correct.item() == ((logit > 0) == bool(label))


@pytest.mark.parametrize("bad", [math.inf, -math.inf, math.nan])
@pytest.mark.parametrize("label", [0.0, 1.0])
def test_a_logit_that_is_not_finite_shows_in_the_loss(bad, label):
    broken = with_logit(bad)
    images, labels = torch.ones(1, 1, 20), torch.full((1, 20), label)
    loss, _ = compiled.gradients(broken, zeros(broken), images=images, labels=labels)
    assert not math.isfinite(loss.item())
