"""Stacked optimisers against torch.optim, one network at a time."""

import pytest
import torch
from networks import network

from raydensity.cohort import Cohort
from raydensity.optimizers import StackedOptimizer
from raydensity.spec import SGD, Adagrad, Adam

SHAPE = {"input_shape": (1, 8, 8), "classes": 10}
RULES = [
    (SGD(learning_rate=0.1), lambda p: torch.optim.SGD(p, lr=0.1)),
    (
        SGD(learning_rate=0.1, momentum=0.9, weight_decay=0.01),
        lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.01),
    ),
    (Adam(learning_rate=0.01), lambda p: torch.optim.Adam(p, lr=0.01)),
    (
        Adam(learning_rate=0.01, beta1=0.8, beta2=0.9, epsilon=1e-3, weight_decay=0.1),
        lambda p: torch.optim.Adam(p, lr=0.01, betas=(0.8, 0.9), eps=1e-3, weight_decay=0.1),
    ),
    (Adagrad(learning_rate=0.1), lambda p: torch.optim.Adagrad(p, lr=0.1)),
    (
        Adagrad(learning_rate=0.1, initial_accumulator=0.1, epsilon=1e-7),
        lambda p: torch.optim.Adagrad(p, lr=0.1, initial_accumulator_value=0.1, eps=1e-7),
    ),
]


@pytest.mark.parametrize(("rule", "reference"), RULES, ids=lambda r: r.name if hasattr(r, "name") else "")
def test_rules_are_those_of_torch(rule, reference):
    specs = [network(optimizer=rule, init_seed=seed) for seed in range(3)]
    cohort = Cohort(specs, **SHAPE)
    optimizer = StackedOptimizer(cohort, specs)
    single = [torch.nn.Parameter(cohort.state(1)[name]) for name in cohort.shapes]
    theirs = reference(single)
    source = torch.Generator().manual_seed(0)
    for number in range(1, 6):
        for gradient in cohort.gradients.values():
            gradient.copy_(torch.randn(gradient.shape, generator=source))
        for parameter, name in zip(single, cohort.shapes, strict=True):
            parameter.grad = cohort.weights(name, cohort.gradients[name])[1].clone()
        optimizer.step(number)
        theirs.step()
    for parameter, name in zip(single, cohort.shapes, strict=True):
        torch.testing.assert_close(cohort.weights(name)[1], parameter.data, rtol=1e-5, atol=1e-6)


def test_each_network_has_its_own_learning_rate():
    specs = [network(optimizer=SGD(learning_rate=rate)) for rate in (0.1, 0.3)]
    cohort = Cohort(specs, **SHAPE)
    before = cohort.weights("fc1.weight").clone()
    for gradient in cohort.gradients.values():
        gradient.fill_(1.0)
    StackedOptimizer(cohort, specs).step(1)
    moved = before - cohort.weights("fc1.weight")
    torch.testing.assert_close(moved[0], torch.full_like(moved[0], 0.1))
    torch.testing.assert_close(moved[1], torch.full_like(moved[1], 0.3))


def test_slots_follow_their_networks_when_the_stack_shrinks():
    specs = [network(optimizer="adam", init_seed=seed) for seed in range(4)]
    cohort = Cohort(specs, **SHAPE)
    optimizer = StackedOptimizer(cohort, specs)
    for gradient in cohort.gradients.values():
        gradient.copy_(torch.rand(gradient.shape))
    optimizer.step(1)
    states = [cohort.state(i) | optimizer.state(i) for i in range(4)]
    optimizer.keep([1, 3])
    for row, index in enumerate([1, 3]):
        after = cohort.state(row) | optimizer.state(row)
        assert all(torch.equal(after[name], states[index][name]) for name in after)
