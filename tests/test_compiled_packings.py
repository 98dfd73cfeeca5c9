"""The compiled steps, bit for bit: alone or in any stack, in one go or in many, beside any neighbour."""

import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_stacks import copy, each, equal, pick, random_batches, random_stack, zeros

from raydensity import compiled

SIZES = (2, 16, 7, 16, 1)
RULE = {"momentum": 0.9, "weight_decay": 5e-4}
RATES = torch.tensor([0.05, 0.1, 0.2, 0.4, 0.01])


def five_networks(density=0.3):
    return random_stack(SIZES, 5, density=density)


def trained(parameters, masks, order, rates, images, labels, momenta=None):
    """Copies of parameters and momenta after the steps, with losses and correct answers."""
    parameters, momenta = copy(parameters), copy(momenta or zeros(parameters))
    batches = {"images": images, "labels": labels}
    return (
        parameters,
        momenta,
        *compiled.descend(parameters, momenta, masks, order=order, rates=rates, **batches, **RULE),
    )


@settings(max_examples=15)
@given(
    st.lists(st.integers(0, 4), min_size=1, max_size=6, unique=True),
    st.sampled_from([1, 7, 16, 25, 128]),
    st.floats(0, 1),
)
def test_a_network_is_the_same_alone_and_anywhere_in_any_stack(chosen, batch, density):
    parameters, masks = five_networks(density)
    images, labels = random_batches(SIZES, 3, 5, batch)
    order = torch.tensor([0, 1, 2, 0, 1])
    together, speeds, losses, correct = trained(parameters, masks, order, RATES, images, labels)
    part = pick(parameters, chosen), pick(masks, chosen), order[chosen], RATES[chosen]
    apart, own_speeds, own_losses, own_correct = trained(*part, images, labels)
    assert equal(apart, pick(together, chosen))
    assert equal(own_speeds, pick(speeds, chosen))
    assert torch.equal(own_losses, losses[chosen])
    assert torch.equal(own_correct, correct[chosen])


def test_a_network_sees_the_batches_of_its_order():
    parameters, masks = five_networks()
    images, labels = random_batches(SIZES, 3, 4, 25)
    order = torch.tensor([2, 0, 1, 1, 2])
    together, _, losses, _ = trained(parameters, masks, order, RATES, images, labels)
    for network, own in enumerate(order.tolist()):
        alone, _, loss, _ = trained(
            pick(parameters, [network]),
            pick(masks, [network]),
            torch.tensor([0]),
            RATES[network : network + 1],
            images[own : own + 1],
            labels[own : own + 1],
        )
        assert equal(alone, pick(together, [network]))
        assert loss[0] == losses[network]
    others, *_ = trained(parameters, masks, order.roll(1), RATES, images, labels)
    assert not equal(others, together)


@settings(max_examples=15)
@given(st.lists(st.integers(1, 11), max_size=5, unique=True), st.sampled_from([0.15, 0.5, 1.0]))
def test_any_segments_make_the_same_steps(cuts, density):
    parameters, masks = five_networks(density)
    images, labels = random_batches(SIZES, 1, 12, 25)
    order = torch.zeros(5, dtype=torch.int64)
    whole, speeds, losses, correct = trained(parameters, masks, order, RATES, images, labels)
    now, moving, bounds = parameters, zeros(parameters), [0, *sorted(cuts), 12]
    total, right = torch.zeros(5, dtype=torch.float64), torch.zeros(5, dtype=torch.int64)
    for begin, end in pairwise(bounds):
        part = images[:, begin:end].contiguous(), labels[:, begin:end].contiguous()
        now, moving, loss, good = trained(now, masks, order, RATES, *part, moving)
        total, right = total + loss, right + good
    assert equal(now, whole)
    assert equal(moving, speeds)
    assert torch.equal(right, correct)
    torch.testing.assert_close(total, losses, rtol=1e-12, atol=0)


@pytest.mark.parametrize("shared", [True, False])
def test_gradients_and_logits_are_the_same_in_any_stack(shared):
    parameters, _ = five_networks(0.5)
    images, labels = (part[:, 0] for part in random_batches(SIZES, 1 if shared else 5, 1, 37))
    into = zeros(parameters)
    losses, correct = compiled.gradients(parameters, into, images=images, labels=labels)
    outputs = compiled.logits(parameters, images)
    for chosen in ([0], [4], [3, 1], [2, 4, 0]):
        own = slice(None) if shared else chosen
        part, gradient = pick(parameters, chosen), zeros(pick(parameters, chosen))
        loss, right = compiled.gradients(part, gradient, images=images[own], labels=labels[own])
        assert equal(gradient, pick(into, chosen))
        assert torch.equal(loss, losses[chosen])
        assert torch.equal(right, correct[chosen])
        assert torch.equal(compiled.logits(part, images[own]), outputs[chosen])


def test_what_is_masked_might_as_well_not_be_there():
    """A mask that leaves the first units of each layer is a smaller network."""
    small = (2, 3, 2, 4, 1)
    parameters, masks = random_stack(small, 2, density=0.7)
    images, labels = random_batches(SIZES, 1, 5, 25)

    def enlarged(stack):
        wide = zeros(random_stack(SIZES, 2, density=1.0)[0])
        for part, into in zip(stack, wide, strict=True):
            for tensor, target in zip(part, into, strict=True):
                target[tuple(slice(length) for length in tensor.shape)] = tensor
        return wide

    order, rates = torch.zeros(2, dtype=torch.int64), RATES[:2]
    own, speeds, losses, _ = trained(parameters, masks, order, rates, images, labels)
    wide_masks = each(lambda tensor: tensor > 0, enlarged(each(torch.Tensor.float, masks)))
    wide, wide_speeds, wide_losses, _ = trained(enlarged(parameters), wide_masks, order, rates, images, labels)
    assert equal(wide, enlarged(own))
    assert equal(wide_speeds, enlarged(speeds))
    assert torch.equal(wide_losses, losses)


@pytest.mark.parametrize("rate", [1e30, 1e6])
def test_a_network_that_diverges_says_so_and_harms_no_neighbour(rate):
    parameters, masks = five_networks(0.8)
    images, labels = random_batches(SIZES, 1, 40, 16)
    order = torch.zeros(5, dtype=torch.int64)
    calm, _, losses, _ = trained(parameters, masks, order, RATES, images, labels)
    rates = RATES.clone()
    rates[2] = rate
    wild, _, wild_losses, _ = trained(parameters, masks, order, rates, images, labels)
    assert not math.isfinite(wild_losses[2])
    others = [0, 1, 3, 4]
    assert equal(pick(wild, others), pick(calm, others))
    assert torch.equal(wild_losses[others], losses[others])
    assert wild_losses[others].isfinite().all()
    for value, mask in zip((*wild.weights, *wild.biases), (*masks.weights, *masks.biases), strict=True):
        assert value[~mask].eq(0).all()
