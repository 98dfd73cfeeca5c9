"""Stacked optimisers against torch.optim, one network at a time."""

import pytest
import torch
from networks import OPTIMIZERS, network

from raydensity.cohort import Cohort
from raydensity.optimizers import StackedOptimizer, decayed
from raydensity.spec import MLP, SGD, Adagrad, Adam, ProximalAdagrad, RMSProp
from raydensity.update_rules import initial_slots

SHAPE = {"input_shape": (1, 8, 8), "classes": 10}


def rmsprop(parameters, lr, alpha, **options):
    """torch's rule as TensorFlow starts it, with a mean square of 1; without epsilon, which the two add elsewhere."""
    rule = torch.optim.RMSprop(parameters, lr=lr, alpha=alpha, eps=0.0, **options)
    for parameter in parameters:
        rule.state[parameter] = {"step": torch.tensor(0.0), "square_avg": torch.ones_like(parameter)}
    return rule


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
    (ProximalAdagrad(learning_rate=0.1), lambda p: torch.optim.Adagrad(p, lr=0.1, initial_accumulator_value=0.1)),
    (
        ProximalAdagrad(learning_rate=0.1, initial_accumulator=0.5, weight_decay=0.1),
        lambda p: torch.optim.Adagrad(p, lr=0.1, initial_accumulator_value=0.5, weight_decay=0.1),
    ),
    (RMSProp(learning_rate=0.1), lambda p: rmsprop(p, lr=0.1, alpha=0.9)),
    (RMSProp(learning_rate=0.01, decay=0.5, weight_decay=0.1), lambda p: rmsprop(p, 0.01, 0.5, weight_decay=0.1)),
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


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_what_is_masked_stays_zero_and_is_forgotten(name):
    specs = [network(optimizer=name, init_seed=seed) for seed in range(2)]
    cohort = Cohort(specs, **SHAPE)
    optimizer = StackedOptimizer(cohort, specs)
    source = torch.Generator().manual_seed(0)

    def step(number):
        for parameter, gradient in cohort.gradients.items():
            inside = cohort.weights(parameter, gradient.zero_())
            inside.copy_(torch.randn(inside.shape, generator=source))
        optimizer.step(number)

    step(1)
    masks = {"fc1.weight": torch.rand(2, 30, 64, generator=source) < 0.5}
    cohort.set_masks(masks)
    optimizer.forget_masked()
    step(2)
    kept = masks["fc1.weight"]
    assert cohort.weights("fc1.weight")[~kept].eq(0).all()
    assert cohort.weights("fc1.weight")[kept].ne(0).float().mean() > 0.99
    for slot, start in initial_slots(specs[0].training.optimizer).items():
        stacked = cohort.weights("fc1.weight", optimizer.slots[slot]["fc1.weight"])
        if (
            name != "rmsprop"
        ):  # whose mean square fades while nothing comes: it is forgotten at the next change of masks
            assert stacked[~kept].eq(start).all()
        assert stacked[kept].ne(start).float().mean() > 0.99
    optimizer.reset()
    for slot, start in initial_slots(specs[0].training.optimizer).items():
        assert all(stacked.eq(start).all() for stacked in optimizer.slots[slot].values())


@pytest.mark.parametrize(
    ("architecture", "decayed", "shrunk"),
    [
        ("mlp", "all", {"fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias", "proj.weight", "proj.bias"}),
        ("mlp", "hidden_dense", {"fc1.weight", "fc2.weight"}),
        ("conv2", "hidden_dense", {"fc1.weight", "fc2.weight"}),
        ("conv2-unshared", "hidden_dense", {"fc1.weight", "fc2.weight"}),
        ("resnet", "hidden_dense", set()),
        ("mlp", "all_but_norms", {"fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias", "proj.weight", "proj.bias"}),
    ],
)
def test_weight_decay_acts_on_what_the_spec_says(architecture, decayed, shrunk):
    rule = SGD(learning_rate=0.5, weight_decay=0.5)
    one = network(architecture, rule)
    specs = [one.model_copy(update={"training": one.training.model_copy(update={"decayed": decayed})})]
    cohort = Cohort(specs, **SHAPE)
    for parameter in cohort.parameters.values():
        parameter.detach().fill_(1.0)
    for gradient in cohort.gradients.values():
        gradient.zero_()
    StackedOptimizer(cohort, specs).step(1)
    after = {name: cohort.weights(name).unique().tolist() for name in cohort.shapes}
    assert after == {name: [0.75 if name in shrunk else 1.0] for name in cohort.shapes}


def test_weight_decay_may_spare_batch_norm():
    rule = SGD(learning_rate=0.5, weight_decay=0.5)
    one = network("resnet", rule)
    spared = one.training.model_copy(update={"decayed": "all_but_norms"})
    cohort = Cohort([one.model_copy(update={"training": spared})], **SHAPE)
    assert decayed(cohort, spared) == {name for name in cohort.shapes if "norm" not in name}
    assert any("norm" in name for name in cohort.shapes)


def test_networks_whose_decay_spares_parameters_are_not_compiled():
    rule = SGD(learning_rate=0.1, weight_decay=0.5)
    one = network(MLP(width=1, hidden=(4, 4)), rule)
    spared = one.model_copy(update={"training": one.training.model_copy(update={"decayed": "hidden_dense"})})
    points = {"input_shape": (2,), "classes": 1}
    whole, part = (Cohort([spec], **points) for spec in (one, spared))
    assert (whole.compiled, part.compiled) == (True, False)
    before = part.state(0)
    x, y = torch.zeros(1, 16, 2), torch.ones(1, 16, dtype=torch.int64)
    optimizer = StackedOptimizer(part, [spared])
    optimizer.train(x, y, 1)
    # no input, so that fc1's kernel has no gradient but that of its decay
    torch.testing.assert_close(part.state(0)["fc1.weight"], before["fc1.weight"] * 0.95)
