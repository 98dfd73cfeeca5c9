"""SNIP, Iter-SNIP and FORCE: by hand, and against one network at a time in double precision."""

from functools import partial
from itertools import pairwise

import pytest
import torch
from sparse_networks import on_spiral, start_of
from two_layers import BY_HAND, KERNELS, POINT, batch_of, drawn, kept, loss_of, top

from raydensity.pruning.schedules import exponential
from raydensity.pruning.snip import iterative, snip
from raydensity.spec.sparsity import FORCE, SNIP, IterSNIP


def test_snip_by_hand():
    specs = [on_spiral(SNIP(nonzeros=count), hidden=(2,), batch_size=1) for count in (1, 2, 3, 5)]
    start = start_of(specs, POINT, BY_HAND)
    assert kept(snip(start, SNIP(nonzeros=1))) == [
        [[[0, 0], [0, 0]], [[1, 0]]],
        [[[1, 0], [0, 0]], [[1, 0]]],
        [[[1, 0], [0, 0]], [[1, 1]]],
        [[[1, 1], [0, 1]], [[1, 1]]],
    ]


@pytest.mark.parametrize("seed", range(5))
def test_snip_is_the_slope_by_the_mask(seed):
    state, dataset = drawn(seed)
    specs = [on_spiral(SNIP(nonzeros=count), hidden=(4,), batch_size=8) for count in range(1, 13)]
    start = start_of(specs, dataset, state)
    masks = snip(start, SNIP(nonzeros=1))
    exact, step = {name: value.double() for name, value in state.items()}, 1e-6
    images, labels = batch_of(start, 0)
    slopes = {name: torch.zeros_like(exact[name]) for name in KERNELS}
    for name in KERNELS:
        for place in range(exact[name].numel()):
            values = []
            for change in (1 + step, 1 - step):
                scaled = exact[name].clone()
                scaled.view(-1)[place] *= change
                values.append(loss_of({**exact, name: scaled}, images, labels))
            slopes[name].view(-1)[place] = abs(values[0] - values[1]) / (2 * step)
    for index, spec in enumerate(specs):
        expected = top(slopes, spec.sparsity.nonzeros)
        assert all(torch.equal(masks[name][index], expected[name]) for name in KERNELS)


def saliency(state, kept_weights, images, labels):
    """|weight times gradient|, the gradient that of the masked network."""
    masked = {name: value * kept_weights.get(name, 1) for name, value in state.items()}
    leaves = {name: value.clone().requires_grad_() for name, value in masked.items()}
    gradients = torch.autograd.grad(loss_of(leaves, images, labels), [leaves[name] for name in KERNELS])
    return {name: (state[name] * gradient).abs() for name, gradient in zip(KERNELS, gradients, strict=True)}


def in_steps(state, batch, counts, *, back):
    """The masks after each step; `back` lets weights return."""
    exact = {name: value.double() for name, value in state.items()}
    history = [{name: torch.ones_like(exact[name], dtype=torch.bool) for name in KERNELS}]
    for step, count in enumerate(counts, start=1):
        scores = saliency(exact, history[-1], *batch(step))
        if not back:
            scores = {name: scores[name].masked_fill(~history[-1][name], -1) for name in KERNELS}
        history.append(top(scores, count))
    return history


@pytest.mark.parametrize("method", [IterSNIP, FORCE])
@pytest.mark.parametrize("seed", range(6))
def test_steps_equal_one_network_at_a_time(method, seed):
    state, dataset = drawn(seed)
    specs = [on_spiral(method(nonzeros=count, steps=4), hidden=(4,), batch_size=8) for count in (2, 4, 7)]
    start = start_of(specs, dataset, state)
    masks = iterative(start, specs[0].sparsity)
    for index, spec in enumerate(specs):
        counts = [exponential(12, spec.sparsity.nonzeros, step / 4) for step in range(1, 5)]
        *_, last = in_steps(state, partial(batch_of, start), counts, back=method is FORCE)
        assert all(torch.equal(masks[name][index], last[name]) for name in KERNELS)


def test_force_lets_a_weight_come_back_and_iter_snip_does_not():
    differ = 0
    for seed in range(30):
        state, dataset = drawn(seed)
        found, histories = [], []
        for method in (IterSNIP, FORCE):
            start = start_of([on_spiral(method(nonzeros=3, steps=5), hidden=(4,), batch_size=16)], dataset, state)
            found.append(iterative(start, method(nonzeros=3, steps=5)))
            counts = [exponential(12, 3, step / 5) for step in range(1, 6)]
            histories.append(in_steps(state, partial(batch_of, start), counts, back=method is FORCE))
        came_back = any(
            (later[name] & ~earlier[name]).any() for earlier, later in pairwise(histories[1]) for name in KERNELS
        )
        same = all(torch.equal(found[0][name], found[1][name]) for name in KERNELS)
        assert came_back or same, "they can only differ where a weight came back"
        differ += not same
    assert differ > 3, "no weight came back: the test shows nothing"


def test_as_published_each_step_keeps_one_weight_fewer():
    state, dataset = drawn(0)
    for method in (IterSNIP, FORCE):
        specs = [
            # all images in a batch: with few, units that see none of them score the same, and are dropped together
            on_spiral(method(nonzeros=count, steps=4, published=True), hidden=(4,), batch_size=16)
            for count in (2, 4, 7)
        ]
        masks = iterative(start_of(specs, dataset, state), specs[0].sparsity)
        assert sum(mask.flatten(1).sum(1) for mask in masks.values()).tolist() == [1, 3, 6]


def test_batches_are_drawn_anew_by_seed_and_number_from_the_training_images():
    _, dataset = drawn(0, points=64)
    specs = [on_spiral(SNIP(nonzeros=1), hidden=(2,), batch_size=16, prune_seed=seed) for seed in (0, 0, 1)]
    specs.append(specs[0].model_copy(update={"init_seed": 5, "order_seed": 5}))
    start = start_of(specs, dataset)
    batches = [start.batch(number) for number in range(2)]
    for images, labels in batches:
        assert images.shape == (4, 16, 2)
        assert labels.shape == (4, 16)
        assert torch.equal(images[0], images[1])
        assert torch.equal(images[0], images[3])
        assert not torch.equal(images[0], images[2])
        assert len(images[0].unique(dim=0)) == 16
        for image, label in zip(images.flatten(0, 1), labels.flatten(), strict=True):
            (place,) = (dataset.train_images == image).all(1).nonzero().flatten().tolist()
            assert dataset.train_labels[place] == label
    assert not torch.equal(batches[0][0][0], batches[1][0][0])
    again = start_of(specs[2:], dataset).batch(1)
    assert torch.equal(again[0][0], batches[1][0][2])
