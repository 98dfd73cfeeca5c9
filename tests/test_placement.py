"""Placement: slots, where networks train, cohort sizes, shares of a GPU, order."""

import math

import networks
import numpy as np
import pytest
import simulated

from raydensity import cost_model, placement
from raydensity.cost_model import Need
from raydensity.placement import Node, Slots
from raydensity.spec import MLP, AlexNet
from raydensity.spec.sparsity import SNIP

GIB = 2**30


def test_slots_are_shares_of_gpus_and_the_cores_that_drive_none():
    assert placement.slots([Node(cpus=6)]) == [Slots(count=6, gpu=0, memory=2 * GIB)]
    one_gpu = [Node(cpus=16, gpus=1, gpu_memory=80 * GIB)]
    quarters = Slots(count=4, gpu=0.25, memory=20 * GIB, gpu_memory=80 * GIB)
    assert placement.slots(one_gpu) == [quarters, Slots(count=12, gpu=0, memory=2 * GIB)]
    halves = Slots(count=2, gpu=0.5, memory=40 * GIB, gpu_memory=80 * GIB)
    assert placement.slots(one_gpu, gpus_per_cohort=0.5) == [halves]
    assert placement.slots(one_gpu, gpus_per_cohort=0) == [Slots(count=16, gpu=0, memory=2 * GIB)]
    # a GPU that is none of CUDA's only places: what counts is the memory beside the core
    assert placement.slots([Node(cpus=4, gpus=1)], gpus_per_cohort=0.5) == [Slots(count=2, gpu=0.5, memory=2 * GIB)]
    # no more cohorts at a time than cores to drive them, on each node
    assert [slot.count for slot in placement.slots([Node(cpus=3, gpus=2, gpu_memory=80 * GIB)])] == [3]
    mixed = [Node(cpus=2, gpus=1), Node(cpus=8, gpus=1), Node(cpus=5)]
    assert [slot.count for slot in placement.slots(mixed)] == [6, 9]


def test_slots_of_richer_nodes_are_a_kind_of_their_own():
    cores = placement.slots([Node(cpus=2, memory_per_cpu=each * GIB) for each in (1, 1.1, 8, 9)])
    assert cores == [Slots(8, 0, GIB), Slots(4, 0, 8 * GIB, required=(("memory", 8 * GIB),))]
    small, large = "accelerator_type:A10G", "accelerator_type:H100"
    nodes = [Node(4, 1, 4 * GIB, 24 * GIB, small), Node(16, 2, 4 * GIB, 80 * GIB, large), Node(4, 1, 4 * GIB, 24 * GIB)]
    assert placement.slots(nodes) == [
        Slots(16, 0.25, 6 * GIB, 24 * GIB),
        Slots(8, 0.25, 20 * GIB, 80 * GIB, ((large, placement.ANY),)),
        Slots(8, 0, 4 * GIB),
    ]


CORES, RICH = Slots(32, 0, 2 * GIB), Slots(4, 0, 16 * GIB, required=(("memory", 16 * GIB),))
GPUS, LARGE = Slots(8, 0.25, 6 * GIB, 24 * GIB), Slots(4, 0.25, 20 * GIB, 80 * GIB, (("accelerator_type:H100", 0.001),))
PLACES = [GPUS, LARGE, CORES, RICH]


def placed(spec, places):
    return placement.place({device: cost_model.need(spec, device=device) for device in ("cpu", "gpu")}, places)


def test_convolutions_go_to_gpus_and_networks_with_compiled_passes_to_cores():
    convolutions = networks.network(AlexNet(width=1), epochs=50).model_copy(update={"dataset": "cifar10"})
    dense, sparse = networks.network(MLP(width=1)), simulated.spiral(SNIP(nonzeros=20))
    assert [placed(spec, [GPUS, CORES]).device for spec in (convolutions, dense, sparse)] == ["gpu", "gpu", "cpu"]
    for spec in (convolutions, dense, sparse):
        assert placed(spec, [GPUS]) == GPUS
        assert placed(spec, [CORES]) == CORES
    # one core beside eight GPUs is no place for them
    assert placed(sparse, [Slots(32, 0.25, 20 * GIB, 80 * GIB), Slots(1, 0, 2 * GIB)]).device == "gpu"


@pytest.mark.parametrize(
    ("gib", "expected"),
    [(0.1, GPUS), (8, GPUS), (30, LARGE), (500, LARGE)],
    ids=["small", "whole", "large", "too large"],
)
def test_what_does_not_fit_goes_to_larger_gpus(gib, expected):
    need = Need(seconds=1, bytes=gib * GIB)
    assert placement.place({"cpu": need, "gpu": need}, PLACES) == expected


@pytest.mark.parametrize(("gib", "expected"), [(0.01, CORES), (1, CORES), (1.5, RICH), (9, RICH), (90, RICH)])
def test_what_does_not_fit_goes_to_richer_nodes(gib, expected):
    assert placement.place({"cpu": Need(seconds=1, bytes=gib * GIB)}, [CORES, RICH]) == expected


def test_a_poor_node_does_not_make_all_cohorts_small():
    """What networks share takes long: five richer slots with whole cohorts do more than six with tiny ones."""
    nodes = [Node(cpus=1, memory_per_cpu=GIB), Node(cpus=5, memory_per_cpu=16 * GIB)]
    need = Need(seconds=1, bytes=GIB / 8, shared_seconds=100)
    slot = placement.place({"cpu": need}, placement.slots(nodes))
    assert (slot.count, slot.required) == (5, (("memory", 16 * GIB),))
    assert placement.largest_cohort(need, slot) == 76


@pytest.mark.parametrize(("fraction", "gpus"), [(0.25, 0), (1.5, 2), (-0.5, 1), (math.inf, 1)])
def test_a_share_that_no_node_can_give_is_one_clear_line(fraction, gpus):
    with pytest.raises(ValueError, match="--gpus-per-cohort") as caught:
        placement.slots([Node(cpus=4, gpus=gpus)], gpus_per_cohort=fraction)
    assert "\n" not in str(caught.value)


def test_a_cohort_that_needs_more_memory_gets_more_of_a_gpu():
    slot = Slots(count=4, gpu=0.25, memory=20 * GIB, gpu_memory=80 * GIB)
    share = lambda gib: placement.share(gib * GIB, slot)  # noqa: E731
    assert [share(gib) for gib in (0.1, 12, 13, 20, 40, 500)] == [0.25, 0.25, 1 / 3, 0.5, 1.0, 1.0]


def test_memory_limits_a_cohort_but_leaves_one_network():
    slot = Slots(count=1, gpu=0, memory=GIB)
    assert placement.largest_cohort(Need(seconds=1, bytes=GIB / 16), slot) == 9
    assert placement.largest_cohort(Need(seconds=1, bytes=GIB / 16, shared_bytes=GIB / 4), slot) == 5
    assert placement.largest_cohort(Need(seconds=1, bytes=10 * GIB), slot) == 1
    assert placement.largest_cohort(Need(seconds=1, bytes=1), slot) == cost_model.MAX_NETWORKS


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


def test_makespan_fills_the_first_free_slot_of_a_kind():
    cpu, gpu = ("cpu", ()), ("gpu", ())
    assert placement.makespan([(cpu, each) for each in (5, 4, 3, 3)], {cpu: 2}) == 8
    assert placement.makespan([], {cpu: 3}) == 0
    both = [(cpu, 5), (gpu, 4), (cpu, 3), (gpu, 3)]
    assert placement.makespan(both, {cpu: 2, gpu: 1}) == 7
    assert placement.starts(both, {cpu: 2, gpu: 1}) == [0, 0, 0, 4]


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
