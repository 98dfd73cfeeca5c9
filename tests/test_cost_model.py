"""What training a network takes: arithmetic as torch counts it, seconds that follow, memory as measured."""

import subprocess
import sys
from pathlib import Path

import networks
import pytest
import simulated
import torch
from torch.utils.flop_counter import FlopCounterMode

from raydensity import cost_model, data, models
from raydensity.models.flops import count
from raydensity.spec import MLP, AlexNet, Compression, Conv2, LastEpoch, NoPruning, ResNet, Spiral
from raydensity.spec.sparsity import SNIP


@pytest.mark.parametrize("name", sorted(networks.ARCHITECTURES))
def test_arithmetic_and_parameters_are_counted_as_torch_does(name):
    architecture = networks.ARCHITECTURES[name].model_copy(update={"width": 0.5})
    counted = count("digits", architecture)
    model = models.build(architecture, input_shape=(1, 8, 8), classes=10).eval()
    with FlopCounterMode(display=False) as counter:
        model(torch.zeros(1, 1, 8, 8))
    assert counted.flops == counter.get_total_flops()
    assert counted.parameters == sum(p.numel() for p in model.parameters())
    assert counted.largest_layer == max(p.numel() for p in models.prunable(model).values())
    hidden = [output.numel() for output in model.activations(torch.zeros(1, 1, 8, 8)).values()]
    assert counted.largest_output == max(hidden)
    assert counted.produced >= sum(hidden)


def test_seconds_follow_from_flops_of_forward_backward_and_evaluation():
    spec = networks.network(Conv2(width=0.1), "adam", epochs=3, batch_size=32)
    known = data.describe("digits")
    steps = (known.train_size - known.validation_size) // 32 * 3
    model = models.build(spec.architecture, input_shape=(1, 8, 8), classes=10)
    with FlopCounterMode(display=False) as counter:
        model(torch.zeros(32, 1, 8, 8)).sum().backward()
    trained = steps * counter.get_total_flops()
    own = count("digits", spec.architecture)
    evaluated = known.validation_size * (3 + 50)
    produced = (3 * steps * 32 + evaluated) * own.produced * cost_model.PRODUCED_SECONDS
    counted = (trained + evaluated * own.flops) / cost_model.PEAK_FLOPS + produced
    counted += steps * cost_model.STEP_SECONDS["cpu"]
    # the first layer needs no gradient of its input, so that counting says a little more than autograd does
    assert cost_model.need(spec, device="cpu").seconds == pytest.approx(counted, rel=0.1)


def test_wider_networks_need_more():
    needs = [cost_model.need(networks.network(MLP(width=width)), device="cpu") for width in (0.1, 1, 5)]
    assert needs[0].seconds < needs[1].seconds < needs[2].seconds
    assert needs[0].bytes < needs[1].bytes < needs[2].bytes


def test_a_width_that_leaves_a_layer_empty_is_found_before_training():
    with pytest.raises(ValueError, match="width"):
        cost_model.need(networks.network(MLP(width=0.001)), device="cpu")


def rate(architecture, dataset, batch_size=64):
    """Arithmetic a second that training is planned at, on a core."""
    one = networks.network(architecture, epochs=1, batch_size=batch_size).model_copy(update={"dataset": dataset})
    few, many = (one.model_copy(update={"training": one.training.model_copy(update={"max_epochs": n})}) for n in (1, 2))
    seconds = cost_model.need(many, device="cpu").seconds - cost_model.need(few, device="cpu").seconds
    known = data.describe(dataset)
    images = 3 * (known.fitted_size // batch_size) * batch_size + known.judged_size
    return count(dataset, architecture).flops * images / seconds


def test_wide_convolutions_are_planned_near_the_peak_of_a_core_and_narrow_ones_far_below():
    """By the measured times of steps, which are 85, 54, 21 and 13 GFLOP/s of one core."""
    wide, less, narrow, narrowest = (
        rate(architecture, "cifar10") / 1e9
        for architecture in (AlexNet(width=0.5), AlexNet(width=0.25), ResNet(width=0.5), Conv2(width=0.1))
    )
    assert 60 < wide < 100
    assert 40 < less < 70
    assert 12 < narrow < 35
    assert 8 < narrowest < 20


def test_a_stack_of_one_takes_as_much_as_two_on_a_cpu_alone():
    dense, convolutions = networks.network(MLP(width=1)), networks.network(Conv2(width=1))
    need = cost_model.need(dense, device="cpu")
    assert need.cohort_bytes(1) == need.cohort_bytes(2) < need.cohort_bytes(3)
    assert need.cohort_seconds(1) == need.cohort_seconds(2) < need.cohort_seconds(3)
    for spec, device in ((dense, "gpu"), (convolutions, "gpu"), (convolutions, "cpu")):
        need = cost_model.need(spec, device=device)
        assert need.cohort_bytes(1) < need.cohort_bytes(2)
        assert need.cohort_seconds(1) < need.cohort_seconds(2)


def test_shared_memory_holds_the_data_set_and_on_a_gpu_its_context():
    mnist = networks.network(MLP(width=0.1)).model_copy(update={"dataset": "mnist"})
    shared = {device: cost_model.need(mnist, device=device).shared_bytes for device in ("cpu", "gpu")}
    assert shared["cpu"] > 70_000 * 28 * 28
    assert shared["gpu"] - shared["cpu"] == cost_model.CONTEXT


def test_compiled_passes_are_those_of_one_logit_and_of_few_inputs_with_one_hidden_layer():
    def compiled(spec):
        return cost_model.need(spec, device="cpu").compiled

    assert compiled(simulated.spiral(SNIP(nonzeros=20)))
    assert compiled(networks.network(MLP(width=1, hidden=(8,))))
    assert not compiled(networks.network(MLP(width=1, hidden=(8, 8))))
    assert not compiled(networks.network(MLP(width=1, hidden=(8,))).model_copy(update={"dataset": "mnist"}))
    assert not compiled(networks.network("conv2"))


def test_what_an_optimiser_keeps_counts():
    def state(optimizer):
        spec = networks.network(MLP(width=1), optimizer)
        parameters = count("digits", spec.architecture).parameters
        return cost_model.need(spec, device="cpu").checkpoint_bytes / (4 * parameters) - 2

    assert [state(name) for name in ("sgd", "momentum", "adam", "adagrad")] == [0, 1, 2, 1]


PEAK = """
from pathlib import Path

import networks
import numpy as np

from raydensity import cost_model, data
from raydensity.experiment import run_cohort
from raydensity.spec import MLP, LastEpoch, MagnitudePruning


def cohort(width, count):
    like = networks.network(MLP(width=width), epochs=1, batch_size=256, stopping=LastEpoch())
    quick = {"pruning": MagnitudePruning(step=0.25), "measures": ()}
    return [like.model_copy(update={**quick, "init_seed": seed}) for seed in range(count)]


def peak():
    [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    return 1024 * int(line.split()[1])


run_cohort(cohort(0.1, 1))  # loads the data and what torch loads late
before, large = peak(), cohort(10, 4)
run_cohort(large)
print(cost_model.need(large[0], device="cpu").cohort_bytes(4) / (peak() - before))
"""


def test_the_planned_memory_is_what_a_cohort_takes():
    # A process of its own, and its VmHWM: a child's ru_maxrss starts from what its parent had.
    result = subprocess.run([sys.executable, "-c", PEAK], cwd=Path(__file__).parent, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert 0.75 < float(result.stdout) < 1.6


@pytest.mark.parametrize("dataset", ["digits", Spiral(samples=1000)], ids=["stacked", "compiled"])
def test_networks_that_are_compressed_take_a_refinement_and_share_their_original(dataset):
    rule = Compression(method="magnitude_global", level=0.5, compensation="none", refinement=0.25)
    whole = networks.network(MLP(width=1, hidden=(4, 4)), "sgd", epochs=20, stopping=LastEpoch())
    whole = whole.model_copy(update={"dataset": dataset, "pruning": NoPruning(), "measures": ()})
    one, refined = (
        cost_model.need(spec, device="cpu") for spec in (whole, whole.model_copy(update={"compression": rule}))
    )
    evaluated = cost_model.COMPILED_NETWORK_SECONDS + 0.1 * one.seconds
    assert refined.seconds == pytest.approx(0.25 * one.seconds, abs=evaluated)
    assert refined.shared_seconds > one.cohort_seconds(1)
    assert refined.most == cost_model.MOST_OF_ONE
