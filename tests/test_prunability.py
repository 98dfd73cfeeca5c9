"""Prunability against closed forms, and against a whole pass for each ablation."""

import pytest
import torch
import torch.nn.functional as F
from networks import ARCHITECTURES

from raydensity import models
from raydensity.measures import prunability as module
from raydensity.measures.prunability import REPEATS, prunability
from raydensity.models.mlp import DenseNetwork
from raydensity.randomness import generator

SHARES = [part / 6 for part in range(7)]


def order(seed, repeat, layer, units):
    return torch.randperm(units, generator=generator(seed, "prunability", repeat, layer)).tolist()


def curves(found):
    return {(curve.layer, curve.repeat): curve.unchanged for curve in found}


def selecting(units, layers=1):
    """Image i raises unit i of every layer, and so logit i; without it the answer is the class after the last."""
    network = DenseNetwork(units, (units,) * layers, units + 1).eval()
    for name, parameter in network.named_parameters():
        parameter.data = torch.eye(*parameter.shape) if name.endswith("weight") else torch.zeros_like(parameter)
    network.proj.bias.data[-1] = 0.5
    return network


def test_where_every_unit_is_needed_each_takes_its_image_with_it():
    found = prunability(selecting(12), [torch.eye(12)], seed=0)
    assert [(curve.layer, curve.repeat) for curve in found] == [
        (layer, repeat) for layer in ("all", "fc1") for repeat in range(REPEATS)
    ]
    for curve in found:
        assert curve.removed == SHARES
        assert curve.unchanged == pytest.approx([1 - share for share in SHARES])
        assert not curve.by_position


def test_in_all_layers_at_once_an_image_needs_its_unit_in_each():
    found = curves(prunability(selecting(9, layers=2), [torch.eye(9)], seed=3))
    for repeat in range(REPEATS):
        orders = [order(3, repeat, layer, 9) for layer in ("fc1", "fc2")]
        gone = [int(share * 9) for share in (0, 1 / 6, 1 / 3, 1 / 2, 2 / 3, 5 / 6, 1)]
        assert gone == [0, 1, 3, 4, 6, 7, 9]
        left = [len(set(orders[0][count:]) & set(orders[1][count:])) / 9 for count in gone]
        assert found["all", repeat] == pytest.approx(left)
        for layer in ("fc1", "fc2"):
            assert found[layer, repeat] == pytest.approx([1 - count / 9 for count in gone])


def test_units_without_outgoing_weights_are_free():
    network = selecting(6)
    network.proj.weight.data[:, 1:] = 0  # unit 0 alone is heard
    found = curves(prunability(network, [torch.eye(6)], seed=1))
    for repeat in range(REPEATS):
        place = order(1, repeat, "fc1", 6).index(0)
        expected = [1.0 if count <= place else 5 / 6 for count in range(7)]
        assert found["fc1", repeat] == pytest.approx(expected)
    network.proj.weight.data.zero_()
    assert all(curve.unchanged == [1.0] * 7 for curve in prunability(network, [torch.eye(6)], seed=1))


def test_one_logit_says_yes_or_no():
    network = DenseNetwork(6, (6,), 1).eval()
    network.fc1.weight.data, network.proj.weight.data = torch.eye(6), torch.ones(1, 6)
    network.fc1.bias.data.zero_()
    network.proj.bias.data.fill_(-0.5)
    assert curves(prunability(network, [torch.eye(6)], seed=0))["all", 0] == pytest.approx(SHARES[::-1])


def plain(network, images, seed, *, by_position):
    """One whole pass for each ablation."""
    with torch.no_grad():
        given = network(images).argmax(1)
        outputs = network.activations(images)
        found = {}
        for target in ("all", *outputs):
            for repeat in range(REPEATS):
                found[target, repeat] = []
                for share in SHARES:
                    x = images
                    for name, step in network.steps().items():
                        x = step(x)
                        if name != "logits" and target in ("all", name):
                            shape = x.shape[1:] if by_position else x.shape[1:2]
                            units = shape.numel()
                            mask = torch.ones(units)
                            mask[order(seed, repeat, name, units)[: int(share * units + 1e-9)]] = 0
                            mask = mask.view(shape) if by_position else mask.view(-1, *[1] * (x.ndim - 2))
                            x = torch.where(mask.bool(), x, 0.0)
                    found[target, repeat].append((x.argmax(1) == given).double().mean().item())
        return found


def drawn(architecture, images):
    """A network that answers these images in all ways."""
    source = torch.Generator().manual_seed(0)
    network = models.build(architecture, input_shape=(1, 8, 8), classes=10)
    for parameter in network.parameters():
        fan_in = max(parameter.shape[1:].numel(), 1) if parameter.ndim != 3 else parameter.shape[2]
        parameter.data.normal_(std=fan_in**-0.5, generator=source)
    network.train()(images)  # batch norm has statistics of its own
    with torch.no_grad():
        logits = network.eval()(images)
        network.proj.weight /= logits.std(0)[:, None]
        network.proj.bias.copy_((network.proj.bias - logits.mean(0)) / logits.std(0))
    assert len(network(images).argmax(1).unique()) > 5
    return network


@pytest.mark.parametrize("by_position", [False, True])
@pytest.mark.parametrize("name", sorted(ARCHITECTURES))
def test_it_equals_a_whole_pass_for_each_ablation(name, by_position):
    images = torch.rand(24, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    network = drawn(ARCHITECTURES[name].model_copy(update={"width": 0.2}), images)
    ours = prunability(network, images.split(13), seed=5, by_position=by_position)
    theirs = plain(network, images, 5, by_position=by_position)
    assert {curve.by_position for curve in ours} == {by_position}
    assert curves(ours).keys() == theirs.keys()
    for key, unchanged in curves(ours).items():
        assert unchanged == pytest.approx(theirs[key], abs=1e-12), key
    assert len({tuple(unchanged) for unchanged in theirs.values()}) > 6


def test_how_many_images_come_at_a_time_changes_nothing():
    images = torch.rand(30, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    network = drawn(ARCHITECTURES["conv2"], images)
    whole = prunability(network, [images], seed=0)
    assert prunability(network, images.split(7), seed=0) == whole
    with pytest.raises(ValueError, match="needs images"):
        prunability(network, [], seed=0)


@pytest.mark.parametrize("memory_format", [torch.channels_last, torch.contiguous_format])
@pytest.mark.parametrize("zero", [(), (0, 2), (0, 1, 2, 3, 4)])
def test_channels_that_are_zero_are_left_out(zero, memory_format):
    torch.manual_seed(0)
    x = torch.randn(3, 5, 6, 6)
    x[:, list(zero)] = 0
    x, weight, bias = x.contiguous(memory_format=memory_format), torch.randn(4, 5, 3, 3), torch.randn(4)
    (narrow, weights, *_), _ = module._narrowed(x, weight)
    assert narrow.shape[1] == weights.shape[1] == max(1, 5 - len(zero))
    assert narrow.is_contiguous(memory_format=memory_format)
    with module._WithoutZeroChannels():
        found = F.conv2d(x, weight, bias, padding=1)
    assert torch.allclose(found, F.conv2d(x, weight, bias, padding=1), rtol=1e-5, atol=1e-5)
    grouped = torch.randn(5, 1, 3, 3)
    with module._WithoutZeroChannels():
        assert torch.equal(F.conv2d(x, grouped, groups=5), torch.conv2d(x, grouped, groups=5))
