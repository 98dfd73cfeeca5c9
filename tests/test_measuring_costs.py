"""What measuring units takes, against what torch counts while it is done."""

from collections import Counter

import pytest
import torch
from networks import ARCHITECTURES, network
from random_networks import images

from raydensity import cost_model, data, measuring_costs, models
from raydensity.measures.covariance import covariances
from raydensity.measures.prunability import prunability
from raydensity.models.flops import count as counted
from raydensity.narrowing import refactor
from raydensity.spec import MLP, ImageFolder, InceptionV3, Spiral


def measured(spec, *measures):
    return spec.model_copy(update={"measures": measures})


@pytest.mark.parametrize("name", sorted(ARCHITECTURES))
def test_as_many_images_as_planned_pass_each_step(name):
    spec, tested = network(name), data.describe("digits").test_size
    model = models.build(spec.architecture, input_shape=(1, 8, 8), classes=10).eval()
    steps, seen = model.steps(), Counter()

    def counting(name):
        def step(x):
            seen[name] += len(x)
            return steps[name](x)

        return step

    model.steps = lambda: {name: counting(name) for name in steps}
    prunability(model, [torch.rand(50, 1, 8, 8)], seed=0)
    flops = {step.name: step.flops for step in measuring_costs.layers("digits", spec.architecture)}
    planned = measuring_costs.flops(measured(spec, "prunability")) * 50 / tested
    # Where all units are ablated one image passes, which is not planned.
    assert planned == pytest.approx(sum(seen[name] * flops[name] for name in steps), rel=0.01)
    assert sum(flops.values()) == counted("digits", spec.architecture).flops


@pytest.mark.parametrize("name", sorted(ARCHITECTURES))
def test_steps_are_counted_at_every_width(name):
    architecture = ARCHITECTURES[name].model_copy(update={"width": 0.37})
    steps = measuring_costs.layers("digits", architecture)
    model = models.build(architecture, input_shape=(1, 8, 8), classes=10).eval()
    with torch.no_grad():
        outputs = model.activations(torch.rand(1, 1, 8, 8))
    assert [(step.name, step.units, step.units * step.positions) for step in steps[:-1]] == [
        (layer, output.shape[1], output.numel()) for layer, output in outputs.items()
    ]


@pytest.mark.parametrize(
    ("varied", "width", "name", "units"),
    [
        ("all", 0.25, "Mixed_6d", 3 * 48 + 192),  # whose pooled branch has 192 channels at every width
        ("layer", 4.0, "Mixed_6a", 384 + 96 + 4 * 288),  # one branch is what it sees: Mixed_5d, four times as wide
    ],
)
def test_branches_that_do_not_have_the_width_of_the_network_are_counted(varied, width, name, units):
    architecture = InceptionV3(width=width, varied=varied)
    photographs = ImageFolder(folder="photographs", size=75)
    steps = {step.name: step for step in measuring_costs.layers(photographs, architecture)}
    assert steps[name].units == units
    model = models.outline(architecture, data.describe(photographs)).eval()
    outputs = model.activations(torch.zeros(1, 3, 75, 75, device="meta"))
    assert {layer: output.shape[1] for layer, output in outputs.items()} == {
        layer: step.units for layer, step in steps.items() if layer != "logits"
    }


def test_covariances_need_what_they_hold():
    spec = network(MLP(width=2))
    model = models.build(spec.architecture, input_shape=(1, 8, 8), classes=10).eval()
    found = covariances(model, [torch.rand(2047, 1, 8, 8)], count=2047, seed=0)
    held = sum(8 * own.scatter.numel() + 4 * sum(map(torch.numel, own._waiting)) for [own] in found.values())
    planned = measuring_costs.bytes_needed(measured(spec, "redundancy"))
    assert held < planned < 4 * held


@pytest.mark.parametrize("name", ["mlp", "conv2", "alexnet", "resnet56"])
def test_refactoring_takes_what_its_passes_and_decompositions_do(name, monkeypatch):
    architecture = ARCHITECTURES[name].model_copy(update={"width": 0.125})
    model = models.build(architecture, input_shape=(1, 8, 8), classes=10).eval()
    whole = sum(step.flops for step in measuring_costs.layers("digits", architecture))
    seen, counted, held = images(300, shape=(1, 8, 8)).float(), 0, 0
    decompose = torch.linalg.qr

    def counting(matrix, mode):
        nonlocal counted, held
        rows, columns = matrix.shape
        counted += 2 * rows * columns**2
        held = max(held, 8 * matrix.numel())
        return decompose(matrix, mode=mode)

    monkeypatch.setattr(torch.linalg, "qr", counting)
    removed = {layer: 1 for wiring in model.wiring() for layer in wiring.layers}
    refactor(model, seen, removed=removed)
    counted += len(model.wiring()) * len(seen) * whole
    # Each layer is seen with those before it already narrow, and pooled.
    assert 0.8 * counted < measuring_costs.refactoring_flops("digits", architecture, len(seen)) < 5 * counted
    assert held < measuring_costs.refactoring_bytes("digits", architecture, len(seen)) < 20 * held


def test_more_images_than_there_are_and_too_few_are_refused():
    spec = measured(network("mlp"), "redundancy")
    for count, problem in ((1, "need two images or more"), (360, "digits has 359 images to measure on, not 360")):
        with pytest.raises(ValueError, match=problem):
            measuring_costs.check(spec.model_copy(update={"measured_images": count}))
    for count in (0, 2, 359):
        measuring_costs.check(spec.model_copy(update={"measured_images": count}))


def test_a_layer_without_units_is_what_is_wrong_and_not_the_measures():
    spec = measured(network(MLP(width=0.001)), "narrowing")
    with pytest.raises(ValueError, match=r"^width 0\.001 leaves layer fc1 of mlp empty"):
        measuring_costs.check(spec)
    wide = spec.model_copy(update={"dataset": ImageFolder(), "architecture": InceptionV3(width=1)})
    with pytest.raises(ValueError, match=r"^measures: narrowing is not for inception_v3: units cannot be removed"):
        measuring_costs.check(wide)


def test_measures_count_in_what_a_network_needs():
    for like in (network("conv2"), network("mlp"), network("mlp").model_copy(update={"dataset": Spiral(samples=1000)})):
        bare, some, all_of_it = (
            cost_model.need(measured(like, *names), device="cpu")
            for names in ((), ("prunability",), ("prunability", "prunability_by_position", "redundancy"))
        )
        assert bare.seconds < some.seconds < all_of_it.seconds
        assert bare.shared_bytes <= some.shared_bytes <= all_of_it.shared_bytes
