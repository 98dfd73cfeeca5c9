"""Steps of the rules that torch does not have, by hand; stacks of networks against single ones."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import network

from raydensity import compiled_adam, update_rules
from raydensity.cohort import Cohort
from raydensity.optimizers import StackedOptimizer
from raydensity.spec import FTRL, MLP, SGD, Adagrad, Adam, ProximalAdagrad, RMSProp
from raydensity.update_rules import initial_slots, update

RATE = 0.5


def steps(rule, start, *gradients, rate=RATE):
    """The weights after each step from `start`, with the same gradient for all of them, and the slots at the end."""
    parameter = torch.tensor(start)
    slots = {name: torch.full_like(parameter, value) for name, value in initial_slots(rule).items()}
    seen = []
    for number, gradient in enumerate(gradients, start=1):
        update(rule, parameter, torch.full_like(parameter, gradient), torch.tensor(rate), slots, number=number)
        seen.append(pytest.approx(parameter.tolist(), rel=1e-6))
    return seen, {name: slot.tolist() for name, slot in slots.items()}


def test_proximal_adagrad():
    rule = ProximalAdagrad(learning_rate=RATE, initial_accumulator=16)
    # sum 16 + 9 = 25, so that the step is 0.5 / 5 = 0.1 times the gradient, 3
    assert steps(rule, [1.0, -0.25, 0.35], 3.0) == ([[0.7, -0.55, 0.05]], {"sum": [25.0] * 3})
    # nearer to 0 by 0.1 l1, but not beyond; divided by 1 + 0.1 l2
    pulled = rule.model_copy(update={"l1": 1.0, "l2": 2.0})
    assert steps(pulled, [1.0, -0.25, 0.35], 3.0)[0] == [[0.6 / 1.2, -0.45 / 1.2, 0.0]]
    assert steps(pulled, [1.0], 3.0, 0.0)[0][1] == [0.4 / 1.2]


def test_rmsprop():
    rule = RMSProp(learning_rate=RATE, decay=0.75, epsilon=1.0)
    # mean square 0.75 * 1 + 0.25 * 9 = 3, whose root with epsilon is 2; then 0.75 * 3 + 0.25 * 23 = 8, whose is 3
    weights, slots = steps(rule, [1.0, 0.0], 3.0, 23**0.5)
    assert weights == [[0.25, -0.75], [0.25 - 23**0.5 / 6, -0.75 - 23**0.5 / 6]]
    assert slots["square"] == pytest.approx([8.0, 8.0])


def test_ftrl():
    rule = FTRL(learning_rate=RATE, initial_accumulator=16)
    # roots of the sums 4, 5, 13; linear 3 - (5 - 4) / 0.5 w, and the weight -linear / (5 / 0.5)
    weights, slots = steps(rule, [1.0, 0.0], 3.0, 12.0)
    assert weights[0] == [-0.1, -0.3]
    assert weights[1] == [-14.6 / 26, -19.8 / 26]
    assert slots == {"sum": [169.0] * 2, "linear": pytest.approx([14.6, 19.8])}
    # linear 1, 3, -0.5: what is not beyond l1 is 0, the rest is nearer to 0 by it; the divisor is larger by 2 l2
    pulled = rule.model_copy(update={"l1": 0.5, "l2": 1.0})
    assert steps(pulled, [1.0, 0.0, 1.75], 3.0)[0] == [[-0.5 / 12, -2.5 / 12, 0.0]]


@pytest.mark.parametrize(("gradient", "share"), [(0.0, 0.0), (0.01, 0.0004998), (0.3, 0.2745239), (10.0, 0.9683930)])
def test_the_first_step_of_ftrl_leaves_a_share_of_the_initial_weights(gradient, share):
    (weights,), _ = steps(FTRL(learning_rate=RATE), [0.0, 1.0], gradient)
    far, near = torch.tensor(weights.expected, dtype=torch.float64)[[1, 0]]
    assert far - near == pytest.approx(share, rel=1e-3, abs=1e-7)


def test_then_ftrl_is_adagrad():
    ours, _ = steps(FTRL(learning_rate=RATE), [0.3, -2.0], 0.5, 1.0, -0.2)
    there = torch.nn.Parameter(torch.tensor(ours[0].expected))
    adagrad = torch.optim.Adagrad([there], lr=RATE, initial_accumulator_value=0.1 + 0.25)
    for expected, gradient in zip(ours[1:], (1.0, -0.2), strict=True):
        there.grad = torch.full_like(there, gradient)
        adagrad.step()
        assert there.tolist() == expected


def test_a_rate_that_falls_shrinks_the_weights_of_ftrl():
    parameter, rule = torch.tensor([1.0]), FTRL(learning_rate=RATE)
    slots = {name: torch.full_like(parameter, value) for name, value in initial_slots(rule).items()}
    update(rule, parameter, torch.tensor([2.0]), torch.tensor(RATE), slots, number=1)
    before = parameter.item()
    update(rule, parameter, torch.tensor([0.0]), torch.tensor(RATE / 4), slots, number=2)
    assert parameter.item() == pytest.approx(before / 4)


RULES = st.one_of(
    st.builds(SGD, learning_rate=st.just(1.0), momentum=st.sampled_from([0.0, 0.9])),
    st.builds(Adam, learning_rate=st.just(1.0)),
    st.builds(Adagrad, learning_rate=st.just(1.0), initial_accumulator=st.sampled_from([0.0, 0.1])),
    st.builds(
        ProximalAdagrad,
        learning_rate=st.just(1.0),
        l1=st.sampled_from([0.0, 0.01]),
        l2=st.sampled_from([0.0, 0.1]),
    ),
    st.builds(RMSProp, learning_rate=st.just(1.0), decay=st.floats(0, 0.99)),
    st.builds(FTRL, learning_rate=st.just(1.0), l1=st.sampled_from([0.0, 0.01]), l2=st.sampled_from([0.0, 0.1])),
)


@given(
    rule=RULES,
    decay=st.sampled_from([0.0, 0.1]),
    decayed=st.sampled_from(["all", "hidden_dense"]),
    rates=st.lists(st.floats(1e-4, 10), min_size=2, max_size=4),
    scale=st.sampled_from([1e-4, 1.0, 1e4]),
    width=st.sampled_from([0.01, 0.07]),
)
@settings(max_examples=30)
def test_stacked_steps_are_those_of_single_networks(rule, decay, decayed, rates, scale, width):
    def spec(seed, rate):
        own = rule.model_copy(update={"weight_decay": decay, "learning_rate": rate})
        one = network(MLP(width=width), own, init_seed=seed)
        return one.model_copy(update={"training": one.training.model_copy(update={"decayed": decayed})})

    specs = [spec(seed, rate) for seed, rate in enumerate(rates)]
    together, *alone = (
        StackedOptimizer(Cohort(own, input_shape=(1, 2, 2), classes=3), own) for own in (specs, *([s] for s in specs))
    )
    source = torch.Generator().manual_seed(0)
    for number in range(1, 4):
        for name, gradient in together.cohort.gradients.items():
            gradient.zero_()
            inside = together.cohort.weights(name, gradient)
            inside.copy_(scale * torch.randn(inside.shape, generator=source))
            for row, single in enumerate(alone):
                single.cohort.gradients[name].copy_(gradient[row : row + 1].expand(2, *gradient.shape[1:]))
        for each in (together, *alone):
            each.step(number)
    for row, single in enumerate(alone):
        ours, theirs = (each.cohort.state(i) | each.state(i) for each, i in ((together, row), (single, 0)))
        assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


@pytest.mark.parametrize(
    "rule",
    [
        Adagrad(learning_rate=1),
        RMSProp(learning_rate=1),
        FTRL(learning_rate=1),
        ProximalAdagrad(learning_rate=1),
    ],
    ids=lambda rule: rule.name,
)
@pytest.mark.parametrize("numbers", [1, 100, 1000])
def test_blocks_change_no_bit(monkeypatch, rule, numbers):
    source = torch.Generator().manual_seed(0)

    def after(three_steps=3):
        source.manual_seed(0)
        matrices = torch.randn(3, 20, 16, generator=source).transpose(1, 2)  # as stacks store dense layers
        kernels = torch.randn(3, 6, 5, 3, 3, generator=source)
        for parameter in (matrices, kernels):
            slots = {name: torch.full_like(parameter, value) for name, value in initial_slots(rule).items()}
            rate = torch.tensor([0.1, 0.2, 0.3]).view(-1, *[1] * (parameter.ndim - 1))
            for number in range(1, three_steps + 1):
                gradient = torch.randn(parameter.shape, generator=source)
                update(rule, parameter, gradient, rate, slots, number=number)
        return matrices, kernels

    whole = after()
    monkeypatch.setattr(update_rules, "BLOCK_NUMBERS", numbers)
    for parameter in whole:
        seen = torch.zeros(parameter.shape)
        for block in update_rules._blocks(parameter):
            seen[block] += 1
            assert seen[block].numel() <= max(numbers, parameter[0, 0].numel() * 3)
        assert (seen == 1).all()
    assert all(torch.equal(one, other) for one, other in zip(whole, after(), strict=True))


@given(
    shape=st.sampled_from([(3, 5, 7), (2, 16, 33), (4, 1, 1), (3, 19), (2, 3, 2, 3, 3)]),
    transposed=st.booleans(),
    masked=st.booleans(),
    other_layout=st.booleans(),
    seed=st.integers(0, 99),
)
@settings(max_examples=60)
def test_compiled_adam_is_that_of_tensors(shape, transposed, masked, other_layout, seed):
    """The same rule written in tensors, in double precision; and each network alone, bit for bit."""
    source = torch.Generator().manual_seed(seed)

    def laid_out(tensor):
        turned = transposed and tensor.ndim == 3
        return tensor.transpose(1, 2).contiguous().transpose(1, 2) if turned else tensor.contiguous()

    rule = Adam(learning_rate=1, beta1=0.8, beta2=0.9, epsilon=1e-3)
    parameter = laid_out(torch.randn(shape, generator=source))
    mask = laid_out(torch.rand(shape, generator=source) < 0.7) if masked else None
    rate = torch.rand(len(parameter), generator=source).view(-1, *[1] * (parameter.ndim - 1))
    slots = {name: torch.zeros_like(parameter) for name in initial_slots(rule)}
    exact = parameter.double().clone()
    exact_slots = {name: torch.zeros_like(exact) for name in slots}
    alone = [(parameter[r : r + 1].clone(), {n: slot[r : r + 1].clone() for n, slot in slots.items()}) for r in (0, 1)]
    for number in range(1, 5):
        gradient = laid_out(torch.randn(shape, generator=source))
        given = gradient.contiguous() if other_layout else gradient
        update(rule, parameter, given, rate, slots, number=number, mask=mask)
        double = gradient.double() * (1 if mask is None else mask)
        exact -= update_rules._adam(rule, double, exact_slots, number) * rate
        for row, (own, own_slots) in enumerate(alone):
            part = slice(row, row + 1)
            own_mask = None if mask is None else mask[part]
            update(rule, own, gradient[part], rate[part], own_slots, number=number, mask=own_mask)
    torch.testing.assert_close(parameter.double(), exact, rtol=1e-5, atol=1e-5)
    for name in slots:
        torch.testing.assert_close(slots[name].double(), exact_slots[name], rtol=1e-5, atol=1e-6)
    for row, (own, own_slots) in enumerate(alone):
        assert torch.equal(own[0], parameter[row])
        assert all(torch.equal(own_slots[name][0], slots[name][row]) for name in slots)


def test_compiled_adam_is_taken_where_networks_have_no_gaps():
    """One network or several: it must not depend on the stack."""
    for tensor, expected in (
        (torch.zeros(2, 3, 4), True),
        (torch.zeros(2, 4, 3).transpose(1, 2), True),
        (torch.zeros(2, 20)[:, :12], True),
        (torch.zeros(2, 20)[:, :12].view(2, 3, 4), True),
        (torch.zeros(2, 20)[:, ::2], False),
        (torch.zeros(2, 3, 4, dtype=torch.float64), False),
    ):
        assert compiled_adam.can_be_compiled(tensor) == compiled_adam.can_be_compiled(tensor[:1]) == expected


@pytest.mark.parametrize("masked", [True, False])
def test_gaps_between_networks_change_no_bit(masked):
    """As stacks that are worked off in a loop have them, where 12 numbers stand in the room of 16."""
    source = torch.Generator().manual_seed(0)
    rule, rate = Adam(learning_rate=1), torch.tensor([0.1, 0.2, 0.3]).view(3, 1, 1)
    apart, together = torch.zeros(3, 16)[:, :12].view(3, 3, 4), torch.zeros(3, 3, 4)
    room = torch.zeros(3, 16, dtype=torch.bool)[:, :12].view(3, 3, 4)
    masks = room.copy_(torch.rand(3, 3, 4, generator=source) < 0.5) if masked else None
    slots = [{name: torch.zeros_like(each) for name in initial_slots(rule)} for each in (apart, together)]
    for number in (1, 2, 3):
        gradient = torch.randn(3, 3, 4, generator=source)
        update(rule, apart, gradient, rate, slots[0], number=number, mask=masks)
        update(rule, together, gradient, rate, slots[1], number=number, mask=masks)
    assert together.any()
    assert torch.equal(apart, together)
