"""ProsPr against the first steps of training of one network, unrolled in double precision."""

import math

import pytest
import torch
from sparse_networks import on_spiral, start_of
from two_layers import KERNELS, batch_of, drawn, loss_of, top

from raydensity import data
from raydensity.pruning.at_initialization import initial_masks
from raydensity.pruning.prospr import prospr
from raydensity.spec import SGD
from raydensity.spec.sparsity import ProsPr


def loss_after_steps(masks, state, batches, *, rate, momentum, first_gradient_fixed=False):
    """The loss on the last batch, after a step on each of the others; the masks are applied once, before.

    With `first_gradient_fixed` the first step goes where it would without masks.
    """
    weights = {name: value * masks.get(name, 1) for name, value in state.items()}
    speeds = {name: torch.zeros_like(value) for name, value in state.items()}
    *inner, last = batches
    for step, (images, labels) in enumerate(inner):
        at = state if first_gradient_fixed and not step else weights
        gradients = torch.autograd.grad(loss_of(at, images, labels), list(at.values()))
        speeds = {name: momentum * speeds[name] + gradient for name, gradient in zip(weights, gradients, strict=True)}
        weights = {name: value - rate * speeds[name] for name, value in weights.items()}
    return loss_of(weights, *last)


def slopes(state, batches, **rule):
    """How the loss after some steps changes with each mask, by finite differences: no second derivatives."""
    exact = {name: value.double().requires_grad_() for name, value in state.items()}
    found = {}
    for name in KERNELS:
        found[name] = torch.zeros_like(state[name], dtype=torch.float64)
        for place in range(found[name].numel()):
            values = []
            for change in (1e-5, -1e-5):
                masks = {each: torch.ones_like(exact[each]) for each in KERNELS}
                masks[name].view(-1)[place] += change
                values.append(loss_after_steps(masks, exact, batches, **rule).item())
            found[name].view(-1)[place] = (values[0] - values[1]) / 2e-5
    return found


def hold_to_slopes(seed, steps, momentum, *, published=False, fixed=False):
    """Masks of all counts, and the steps' slopes by them."""
    state, dataset = drawn(seed, points=32)
    rule = SGD(learning_rate=0.5, momentum=momentum)  # large, so that the second derivatives count
    method = ProsPr(nonzeros=1, inner_steps=steps, published=published)
    specs = [
        on_spiral(method.model_copy(update={"nonzeros": count}), hidden=(4,), optimizer=rule, batch_size=8)
        for count in range(1, 13)
    ]
    start = start_of(specs, dataset, state)
    masks = prospr(start, method)
    batches = [batch_of(start, step) for step in range(steps + 1)]
    found = slopes(state, batches, rate=0.5, momentum=momentum, first_gradient_fixed=fixed)
    expected = {name: slope.abs() for name, slope in found.items()}
    for index, count in enumerate(range(1, 13)):
        # The published code rounds up what floating point leaves of the count: of 12 weights it keeps 2 for 1.
        best = top(expected, math.ceil(12 * (1 - (1.0 - count / 12))) if published else count)
        assert all(torch.equal(masks[name][index], best[name]) for name in KERNELS), count
    return masks


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("steps", [1, 3])
@pytest.mark.parametrize("seed", range(3))
def test_the_meta_gradient_goes_through_all_of_the_first_steps(seed, steps, momentum):
    hold_to_slopes(seed, steps, momentum)


def test_as_published_the_first_gradient_is_a_constant_where_there_is_momentum():
    for steps in (1, 3):
        published = hold_to_slopes(0, steps, 0.9, published=True, fixed=True)
        exact = hold_to_slopes(0, steps, 0.9)
        assert any(not torch.equal(published[name], exact[name]) for name in KERNELS), "the test shows nothing"
    hold_to_slopes(0, 3, 0.0, published=True, fixed=False)


def test_networks_take_the_steps_of_their_own_learning_rates():
    state, dataset = drawn(0, points=32)
    rules = [SGD(learning_rate=rate, momentum=0.9) for rate in (0.01, 0.8, 2.0)]
    specs = [on_spiral(ProsPr(nonzeros=5), hidden=(4,), optimizer=rule, batch_size=8) for rule in rules]
    together = prospr(start_of(specs, dataset, state), ProsPr(nonzeros=5))
    alone = [prospr(start_of([spec], dataset, state), ProsPr(nonzeros=5)) for spec in specs]
    for index in range(3):
        assert all(torch.equal(together[name][index], alone[index][name][0]) for name in KERNELS)
    assert len({str([alone[index][name].tolist() for name in KERNELS]) for index in range(3)}) > 1


def test_the_published_code_spares_biases_of_layers_that_are_as_narrow_as_they_are_deep():
    """In layer l (from 0) where l is not below the units less one: the third of width 3."""
    for width, spared in ((3, [False, False, True]), (4, [False, False, False])):
        spec = on_spiral(ProsPr(nonzeros=4, published=True), hidden=(width,) * 3)
        masks = initial_masks([spec], data.load(spec.dataset), device=torch.device("cpu"), published={})
        for layer, whole in enumerate(spared, start=1):
            kept = masks[f"fc{layer}.bias"][0]
            above = masks[f"fc{layer + 1}.weight" if layer < 3 else "proj.weight"][0].any(0)
            assert torch.equal(kept, torch.ones_like(above) if whole else above)
            assert not above.all(), "nothing was removed: the test shows nothing"
