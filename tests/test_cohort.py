"""A cohort of N equals N single networks: a plain torch loop to rounding, other packings bit for bit."""

import copy

import pytest
import torch
import torch.nn.functional as F
from networks import ARCHITECTURES, OPTIMIZERS, network

from raydensity import dense, dropout, models
from raydensity.cohort import Cohort
from raydensity.optimizers import StackedOptimizer
from raydensity.spec import MLP, SGD, Adagrad, Adam, InceptionV3, ResNet18, ResNet56

SHAPE = {"input_shape": (1, 8, 8), "classes": 10}
SHALLOW = MLP(width=0.3, hidden=(128,))
REFERENCES = {
    "sgd": (SGD(learning_rate=0.05), lambda p: torch.optim.SGD(p, lr=0.05)),
    "adam": (Adam(learning_rate=1e-3), lambda p: torch.optim.Adam(p, lr=1e-3)),
    "adagrad": (Adagrad(learning_rate=0.01), lambda p: torch.optim.Adagrad(p, lr=0.01)),
}


def batches(networks, steps, seed=0, size=16):
    """Images and labels [steps, networks, size, ...]."""
    source = torch.Generator().manual_seed(seed)
    images = torch.rand(steps, networks, size, 1, 8, 8, generator=source)
    return images, torch.randint(0, 10, (steps, networks, size), generator=source)


def dropped_units(cohort, specs, step, *, batch_size=16):
    seeds = [spec.order_seed for spec in specs]
    return dropout.factors(cohort.model.dropped, seeds, epoch=1, step=step, batch_size=batch_size)


def plain_network(cohort, index, architecture):
    plain = models.build(architecture, **SHAPE)
    plain.load_state_dict(cohort.state(index))
    return plain


@pytest.mark.parametrize("optimizer", REFERENCES)
@pytest.mark.parametrize("architecture", ["mlp", SHALLOW, "conv2", "conv2-unshared", "resnet", "alexnet", "resnet56"])
def test_cohort_equals_single_plain_networks(architecture, optimizer):
    equals_plain_networks(architecture, optimizer)


@pytest.mark.parametrize("optimizer", REFERENCES)
def test_so_does_one_of_networks_that_see_many_inputs(monkeypatch, optimizer):
    monkeypatch.setattr(dense, "WIDE", 64)
    equals_plain_networks("mlp", optimizer)


def equals_plain_networks(architecture, optimizer):
    rule, reference = REFERENCES[optimizer]
    specs = [network(architecture, rule, init_seed=seed) for seed in range(3)]
    cohort = Cohort(specs, **SHAPE)
    ours = StackedOptimizer(cohort, specs)
    plain = [plain_network(cohort, index, specs[0].architecture) for index in range(3)]
    theirs = [reference(one.parameters()) for one in plain]
    for number, (images, labels) in enumerate(zip(*batches(3, 6), strict=True), start=1):
        factors = dropped_units(cohort, specs, number)
        losses, correct = ours.train(images, labels, number, factors)
        for index, (one, rule_of_one) in enumerate(zip(plain, theirs, strict=True)):
            logits = one(images[index], {layer: every[index] for layer, every in factors.items()})
            loss = F.cross_entropy(logits, labels[index])
            rule_of_one.zero_grad()
            loss.backward()
            rule_of_one.step()
            assert losses[index].item() == pytest.approx(loss.item(), rel=2e-4, abs=2e-5)
            assert correct[index].item() == (logits.argmax(1) == labels[index]).sum()
    for index, one in enumerate(plain):
        for name, value in one.state_dict().items():
            torch.testing.assert_close(cohort.state(index)[name], value, rtol=2e-3, atol=2e-4)
        logits = cohort.logits(images)[index]
        torch.testing.assert_close(logits, one.eval()(images[index]), rtol=2e-3, atol=2e-3)


def trained_states(specs, images, labels):
    cohort = Cohort(specs, **SHAPE)
    optimizer = StackedOptimizer(cohort, specs)
    for number, (x, y) in enumerate(zip(images, labels, strict=True), start=1):
        optimizer.train(x, y, number, dropped_units(cohort, specs, number, batch_size=y.shape[1]))
    return [cohort.state(index) for index in range(cohort.size)], cohort.logits(images[0])


WIDE_AND_NARROW = [*(MLP(width=width) for width in (0.1, 0.37, 1, 2)), SHALLOW]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize(
    "architecture",
    [*WIDE_AND_NARROW, ARCHITECTURES["conv2"], ARCHITECTURES["resnet"], ARCHITECTURES["alexnet"]],
    ids=lambda a: f"{a.name}-{a.width:g}",
)
def test_packing_does_not_change_a_bit(architecture, optimizer):
    packings_agree([network(architecture, optimizer, init_seed=seed, order_seed=seed) for seed in range(7)])


def test_nor_does_it_in_a_deep_network_with_batch_norm():
    specs = [network("resnet56", "momentum", init_seed=seed) for seed in range(3)]
    images, labels = batches(3, 2)
    together, logits = trained_states(specs, images, labels)
    for part in ([2], [1, 0]):
        apart, own_logits = trained_states([specs[i] for i in part], images[:, part], labels[:, part])
        for row, index in enumerate(part):
            assert all(torch.equal(apart[row][name], together[index][name]) for name in apart[row])
            assert torch.equal(own_logits[row], logits[index])


@pytest.mark.parametrize("size", [1, 25])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize(
    "architecture", [*WIDE_AND_NARROW, ARCHITECTURES["conv2"]], ids=lambda a: f"{a.name}-{a.width:g}"
)
def test_nor_does_a_batch_of_odd_size(architecture, optimizer, size):
    packings_agree([network(architecture, optimizer, init_seed=seed) for seed in range(7)], size=size)


@pytest.mark.parametrize("size", [16, 25])
@pytest.mark.parametrize("optimizer", ["sgd", "momentum"])
@pytest.mark.parametrize("architecture", WIDE_AND_NARROW[:-1], ids=lambda a: f"{a.width:g}")
def test_nor_does_it_where_networks_see_many_inputs(monkeypatch, architecture, optimizer, size):
    monkeypatch.setattr(dense, "WIDE", 64)
    specs = [network(architecture, optimizer, init_seed=seed) for seed in range(7)]
    assert Cohort(specs, **SHAPE).shares_images
    packings_agree(specs, size=size)


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam"])
@pytest.mark.parametrize("size", [16, 25, 128])
@pytest.mark.parametrize("networks", [1, 3, 20])
@pytest.mark.parametrize("wide", [64, 4096])
def test_nor_does_sharing_images(monkeypatch, size, optimizer, networks, wide):
    monkeypatch.setattr(dense, "WIDE", wide)
    specs = [network(MLP(width=0.37), optimizer, init_seed=seed) for seed in range(networks)]
    cohort = Cohort(specs, **SHAPE)
    assert cohort.shares_images
    assert not cohort.shallow
    images, labels = (each[:, :1].expand(-1, networks, *each.shape[2:]) for each in batches(1, 4, size=size))
    assert networks == 1 or images.stride(1) == 0
    shared, logits = trained_states(specs, images, labels)
    own, own_logits = trained_states(specs, images.contiguous(), labels.contiguous())
    assert all(torch.equal(a[name], b[name]) for a, b in zip(shared, own, strict=True) for name in a)
    assert torch.equal(logits, own_logits)


@pytest.mark.parametrize("size", [16, 25])
def test_nor_does_bf16(size):
    packings_agree([network(MLP(width=0.37), init_seed=seed, precision="bf16") for seed in range(7)], size=size)


def packings_agree(specs, size=16):
    images, labels = batches(7, 4, size=size)
    together, logits = trained_states(specs, images, labels)
    for part in ([0], [6], [1, 2], [5, 3, 4]):
        apart, own_logits = trained_states([specs[i] for i in part], images[:, part], labels[:, part])
        for row, index in enumerate(part):
            assert all(torch.equal(apart[row][name], together[index][name]) for name in apart[row])
            assert torch.equal(own_logits[row], logits[index])


@pytest.mark.parametrize("architecture", ["mlp", "conv2", "conv2-unshared", "resnet", "alexnet"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_stack_and_loop_agree(architecture, precision):
    """Batched (written out, or by vmap as on a GPU, batch norm included) against one network after the other."""
    training = network(architecture, precision=precision).training
    specs = [network(architecture, init_seed=s).model_copy(update={"training": training}) for s in range(3)]
    images, labels = (part[0] for part in batches(3, 1))
    stack, loop = (Cohort(specs, stacked=stacked, **SHAPE) for stacked in (True, False))
    factors = dropped_units(loop, specs, 1)
    results = [cohort.loss_and_gradients(images, labels, factors) for cohort in (stack, loop)]
    tolerance = 2e-4 if precision == "fp32" else 0.05
    torch.testing.assert_close(results[0][0], results[1][0], rtol=tolerance, atol=tolerance)
    for name in stack.shapes:
        ours, theirs = (cohort.weights(name, cohort.gradients[name]) for cohort in (stack, loop))
        if precision == "fp32":
            torch.testing.assert_close(ours, theirs, rtol=tolerance, atol=tolerance)
        else:  # batch norm over a channel or three magnifies what bf16 rounds
            assert (ours - theirs).norm() <= 0.3 * theirs.norm() + 0.05
    for name, buffer in stack.buffers.items():
        torch.testing.assert_close(buffer[:3], loop.buffers[name], rtol=tolerance, atol=tolerance)
    torch.testing.assert_close(stack.logits(images), loop.logits(images), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(
    ("architecture", "side"), [(ResNet56(width=0.125), 8), (ResNet18(width=0.05), 32), (InceptionV3(width=0.05), 75)]
)
def test_stack_and_loop_agree_in_deep_networks(architecture, side):
    specs = [network(architecture, init_seed=seed) for seed in range(2)]
    source = torch.Generator().manual_seed(0)
    images = torch.rand(2, 8, 3, side, side, generator=source)
    labels = torch.randint(0, 10, (2, 8), generator=source)
    shape = {"input_shape": (3, side, side), "classes": 10}
    stack, loop = (Cohort(specs, stacked=stacked, **shape) for stacked in (True, False))
    factors = dropped_units(loop, specs, 1, batch_size=8)
    losses = [cohort.loss_and_gradients(images, labels, factors)[0] for cohort in (stack, loop)]
    torch.testing.assert_close(losses[0], losses[1], rtol=1e-3, atol=1e-3)
    for name in loop.shapes:  # batch norm over 8 numbers magnifies what fp32 rounds, layer after layer
        ours, theirs = (cohort.weights(name, cohort.gradients[name]) for cohort in (stack, loop))
        assert (ours - theirs).norm() <= 0.05 * theirs.norm() + 1e-3
    for name, buffer in stack.buffers.items():
        torch.testing.assert_close(buffer, loop.buffers[name], rtol=1e-3, atol=1e-3)


def test_bf16_differs_from_fp32_and_stays_near():
    specs = [network("mlp", init_seed=seed) for seed in range(2)]
    half = [network("mlp", init_seed=seed, precision="bf16") for seed in range(2)]
    images, labels = (part[0] for part in batches(2, 1))
    exact, _ = Cohort(specs, **SHAPE).loss_and_gradients(images, labels)
    near, _ = Cohort(half, **SHAPE).loss_and_gradients(images, labels)
    assert not torch.equal(near, exact)
    torch.testing.assert_close(near, exact, rtol=0.02, atol=0.02)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_what_fills_a_batch_counts_for_nothing(precision):
    specs = [network("mlp", init_seed=seed, precision=precision) for seed in range(2)]
    images, labels = (part[0] for part in batches(2, 1, size=25))
    whole, plain = Cohort(specs, **SHAPE), Cohort(specs, stacked=False, **SHAPE)
    for ours, theirs in zip(
        whole.loss_and_gradients(images, labels), plain.loss_and_gradients(images, labels), strict=True
    ):
        torch.testing.assert_close(ours, theirs, rtol=0.02 if precision == "bf16" else 1e-5, atol=1e-5)


def test_padding_stays_zero_and_state_is_exact():
    specs = [network(MLP(width=0.1), "adam", init_seed=seed) for seed in range(2)]
    cohort = Cohort(specs, **SHAPE)
    optimizer = StackedOptimizer(cohort, specs)
    for number, (x, y) in enumerate(zip(*batches(2, 5), strict=True), start=1):
        optimizer.train(x, y, number)
    assert cohort.parameters["fc1.weight"].shape == (2, 32, 64)
    assert cohort.state(0)["fc1.weight"].shape == (30, 64)
    for name, stacked in cohort.parameters.items():
        inside = stacked.clone()
        cohort.weights(name, inside).zero_()
        assert inside.eq(0).all()


@pytest.mark.parametrize("architecture", ["mlp", "conv2"])
def test_a_diverging_network_harms_no_neighbour(architecture):
    def specs(rate):
        rates = (0.05, rate, 0.05)
        return [network(architecture, SGD(learning_rate=r), init_seed=seed) for seed, r in enumerate(rates)]

    images, labels = batches(3, 8)
    calm, _ = trained_states(specs(0.05), images, labels)
    wild, _ = trained_states(specs(1e30), images, labels)
    assert any(not torch.isfinite(tensor).all() for tensor in wild[1].values())
    for index in (0, 2):
        assert all(torch.equal(wild[index][name], calm[index][name]) for name in calm[index])


def test_keep_and_load_round_trip():
    specs = [network("resnet", init_seed=seed) for seed in range(3)]
    cohort = Cohort(specs, **SHAPE)
    states = [copy.deepcopy(cohort.state(index)) for index in range(3)]
    cohort.keep([2, 0])
    assert cohort.size == 2
    assert all(torch.equal(cohort.state(0)[name], states[2][name]) for name in states[2])
    cohort.load(1, states[1])
    assert all(torch.equal(cohort.state(1)[name], states[1][name]) for name in states[1])


def test_a_network_of_its_own_computes_the_same():
    specs = [network("mlp", init_seed=seed) for seed in range(2)]
    cohort = Cohort(specs, **SHAPE)
    images, _ = (part[0] for part in batches(2, 1))
    torch.testing.assert_close(cohort.network(1)(images[1]), cohort.logits(images)[1])


def test_mixed_architectures_are_refused():
    with pytest.raises(AssertionError, match="cohort_key"):
        Cohort([network("mlp"), network("conv2")], **SHAPE)
