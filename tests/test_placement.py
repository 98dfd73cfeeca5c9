"""Placement: needs, cohort sizes, shares of a GPU, order."""

import math
import subprocess
import sys
from pathlib import Path

import networks
import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from raydensity import data, models, placement
from raydensity.placement import Cluster, Need, Slots
from raydensity.spec import MLP, Compression, Conv2, LastEpoch, NoPruning, Spiral

GIB = 2**30


@pytest.mark.parametrize("name", sorted(networks.ARCHITECTURES))
def test_arithmetic_and_parameters_are_counted_as_torch_does(name):
    architecture = networks.ARCHITECTURES[name].model_copy(update={"width": 0.5})
    counted = placement._count("digits", architecture)
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
    evaluated = known.validation_size * (3 + 50) * placement._count("digits", spec.architecture).flops
    counted = (trained + evaluated) / placement.FLOPS["cpu"] + steps * placement.STEP_SECONDS["cpu"]
    # the first layer needs no gradient of its input, so that counting says a little more than autograd does
    assert placement.need(spec, device="cpu").seconds == pytest.approx(counted, rel=0.1)


def test_wider_networks_need_more():
    needs = [placement.need(networks.network(MLP(width=width)), device="cpu") for width in (0.1, 1, 5)]
    assert needs[0].seconds < needs[1].seconds < needs[2].seconds
    assert needs[0].bytes < needs[1].bytes < needs[2].bytes


def test_a_width_that_leaves_a_layer_empty_is_found_before_training():
    with pytest.raises(ValueError, match="width"):
        placement.need(networks.network(MLP(width=0.001)), device="cpu")


def test_stacks_of_dense_networks_are_faster_on_a_core_than_convolutions():
    rates = []
    for architecture in (MLP(width=1), Conv2(width=1)):
        few, many = (networks.network(architecture, epochs=epochs) for epochs in (1, 2))
        seconds = placement.need(many, device="cpu").seconds - placement.need(few, device="cpu").seconds
        rates.append(placement._count("digits", architecture).flops / seconds)
    assert rates[0] > 2 * rates[1]


def test_a_stack_of_one_takes_as_much_as_two_on_a_cpu_alone():
    dense, convolutions = networks.network(MLP(width=1)), networks.network(Conv2(width=1))
    need = placement.need(dense, device="cpu")
    assert need.cohort_bytes(1) == need.cohort_bytes(2) < need.cohort_bytes(3)
    assert need.cohort_seconds(1) == need.cohort_seconds(2) < need.cohort_seconds(3)
    for spec, device in ((dense, "gpu"), (convolutions, "gpu"), (convolutions, "cpu")):
        need = placement.need(spec, device=device)
        assert need.cohort_bytes(1) < need.cohort_bytes(2)
        assert need.cohort_seconds(1) < need.cohort_seconds(2)


def test_shared_memory_holds_the_data_set_and_on_a_gpu_its_context():
    mnist = networks.network(MLP(width=0.1)).model_copy(update={"dataset": "mnist"})
    shared = {device: placement.need(mnist, device=device).shared_bytes for device in ("cpu", "gpu")}
    assert shared["cpu"] > 70_000 * 28 * 28
    assert shared["gpu"] - shared["cpu"] == placement.CONTEXT


def test_what_an_optimiser_keeps_counts():
    def state(optimizer):
        spec = networks.network(MLP(width=1), optimizer)
        parameters = placement._count("digits", spec.architecture).parameters
        return placement.need(spec, device="cpu").checkpoint_bytes / (4 * parameters) - 2

    assert [state(name) for name in ("sgd", "momentum", "adam", "adagrad")] == [0, 1, 2, 1]


PEAK = """
from pathlib import Path

import networks
import numpy as np

from raydensity import data, placement
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
print(placement.need(large[0], device="cpu").cohort_bytes(4) / (peak() - before))
"""


def test_the_planned_memory_is_what_a_cohort_takes():
    # A process of its own, and its VmHWM: a child's ru_maxrss starts from what its parent had.
    result = subprocess.run([sys.executable, "-c", PEAK], cwd=Path(__file__).parent, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert 0.75 < float(result.stdout) < 1.6


def test_slots_are_cores_or_shares_of_gpus():
    assert placement.slots(Cluster(cpus=6)) == Slots(count=6, gpu=0, memory=2 * GIB)
    one_gpu = Cluster(cpus=16, gpus=1, gpu_memory=80 * GIB)
    assert placement.slots(one_gpu) == Slots(count=4, gpu=0.25, memory=20 * GIB)
    assert placement.slots(one_gpu, gpus_per_cohort=0.5) == Slots(count=2, gpu=0.5, memory=40 * GIB)
    assert placement.slots(one_gpu, gpus_per_cohort=0) == Slots(count=16, gpu=0, memory=2 * GIB)
    # a GPU that is none of CUDA's only places: what counts is the memory beside the core
    assert placement.slots(Cluster(cpus=4, gpus=1), gpus_per_cohort=0.5) == Slots(count=2, gpu=0.5, memory=2 * GIB)
    # no more cohorts at a time than cores to drive them
    assert placement.slots(Cluster(cpus=3, gpus=2, gpu_memory=80 * GIB)).count == 3


@pytest.mark.parametrize(("fraction", "gpus"), [(0.25, 0), (1.5, 2), (-0.5, 1), (math.inf, 1)])
def test_a_share_that_no_node_can_give_is_one_clear_line(fraction, gpus):
    with pytest.raises(ValueError, match="--gpus-per-cohort") as caught:
        placement.slots(Cluster(cpus=4, gpus=gpus), gpus_per_cohort=fraction)
    assert "\n" not in str(caught.value)


def test_a_cohort_that_needs_more_memory_gets_more_of_a_gpu():
    slot = placement.slots(Cluster(cpus=16, gpus=1, gpu_memory=80 * GIB))
    share = lambda gib: placement.share(gib * GIB, slot, gpu_memory=80 * GIB)  # noqa: E731
    assert [share(gib) for gib in (0.1, 12, 13, 20, 40, 500)] == [0.25, 0.25, 1 / 3, 0.5, 1.0, 1.0]


def test_memory_limits_a_cohort_but_leaves_one_network():
    slot = Slots(count=1, gpu=0, memory=GIB)
    assert placement.largest_cohort(Need(seconds=1, bytes=GIB / 16), slot) == 9
    assert placement.largest_cohort(Need(seconds=1, bytes=GIB / 16, shared_bytes=GIB / 4), slot) == 5
    assert placement.largest_cohort(Need(seconds=1, bytes=10 * GIB), slot) == 1
    assert placement.largest_cohort(Need(seconds=1, bytes=1), slot) == placement.MAX_NETWORKS


def test_every_slot_has_work():
    slot = Slots(count=8, gpu=0, memory=GIB)
    assert placement.split([32], [Need(seconds=10, bytes=1)], slot) == [32]
    assert sum(placement.split([20], [Need(seconds=0.01, bytes=1, shared_seconds=10)], slot)) == 8
    assert sum(placement.split([3], [Need(seconds=0.01, bytes=1, shared_seconds=10)], slot)) == 3


def test_stacks_are_never_split_below_two_networks():
    slot = Slots(count=8, gpu=0, memory=GIB)
    assert placement.split([8], [Need(seconds=10, bytes=1, smallest=2)], slot) == [4]
    assert placement.split([7], [Need(seconds=10, bytes=1, smallest=2)], slot) == [3]
    assert placement.split([1], [Need(seconds=10, bytes=1, smallest=2)], slot) == [1]


def test_small_networks_stay_together_where_steps_cost_more_than_what_is_in_them():
    slot = Slots(count=2, gpu=0, memory=GIB)
    small, large = Need(seconds=0.1, bytes=1, shared_seconds=1, smallest=2), Need(seconds=10, bytes=1, smallest=2)
    assert placement.split([8, 8], [small, large], slot)[0] == 1


def test_no_cohort_is_planned_for_much_longer_than_an_hour():
    need = Need(seconds=600, bytes=1)
    assert placement.split([100], [need], Slots(count=1, gpu=0, memory=GIB)) == [math.ceil(100 / 6)]


def test_makespan_fills_the_first_free_slot():
    assert placement.makespan([5, 4, 3, 3], 2) == 8
    assert placement.makespan([], 3) == 0


def test_a_cohort_has_as_many_networks_as_may_be_lost_at_their_true_speed():
    need = Need(seconds=0.1, bytes=1, most=4096, losable=120)
    assert need.largest == 1200
    assert need.scaled(2).largest == 600
    assert need.scaled(0.01).largest == 4096
    assert need.scaled(1e4).largest == 1


def test_networks_that_differ_in_cost_are_cut_into_cohorts_that_cost_as_much():
    slot, need = Slots(count=2, gpu=0, memory=GIB), Need(seconds=1, bytes=1)
    cut = lambda seconds, parts, need=need: [  # noqa: E731
        part.tolist() for part in placement.cut(np.array(seconds, dtype=float), parts, need, slot)
    ]
    assert cut([1, 1, 1, 1, 1, 1, 1], 3) == [[0, 1], [2, 3, 4], [5, 6]]
    assert cut([1, 1, 1, 1, 1, 5], 2) == [[0, 1, 2, 3, 4], [5]]
    assert cut([5, 5, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1], 4) == [[0], [1], [2, 3, 4, 5, 6], [7, 8, 9, 10, 11]]
    # one that costs more than a part leaves no empty ones
    assert cut([9, 1, 1], 3) == [[0], [1, 2]]
    # as many networks as one needs for the same cost may be too many
    assert cut([1] * 6 + [6], 2, Need(seconds=1, bytes=1, most=2)) == [[0, 1], [2, 3], [4, 5], [6]]
    same = placement.cut(np.full(100_000, 0.03), 31, Need(seconds=0.03, bytes=1, most=4096), slot)
    assert {len(part) for part in same} == {3225, 3226}


@pytest.mark.parametrize("dataset", ["digits", Spiral(samples=1000)], ids=["stacked", "compiled"])
def test_networks_that_are_compressed_take_a_refinement_and_share_their_original(dataset):
    rule = Compression(method="magnitude_global", level=0.5, compensation="none", refinement=0.25)
    whole = networks.network(MLP(width=1, hidden=(4, 4)), "sgd", epochs=20, stopping=LastEpoch())
    whole = whole.model_copy(update={"dataset": dataset, "pruning": NoPruning(), "measures": ()})
    one, refined = (
        placement.need(spec, device="cpu") for spec in (whole, whole.model_copy(update={"compression": rule}))
    )
    evaluated = placement.COMPILED_NETWORK_SECONDS + 0.1 * one.seconds
    assert refined.seconds == pytest.approx(0.25 * one.seconds, abs=evaluated)
    assert refined.shared_seconds > one.cohort_seconds(1)
    assert refined.most == placement.MOST_OF_ONE
