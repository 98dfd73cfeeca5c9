"""Plans from a ledger that has measured some of the networks."""

from collections import Counter
from itertools import product

import networks
import pytest
import simulated
import synthetic

from raydensity import cost_model, placement, plan, sweep
from raydensity.ledger import Ledger
from raydensity.placement import Node
from raydensity.pruning.search import structured
from raydensity.spec import MLP, Compression, Teacher
from raydensity.spec.sparsity import SNIP, Explicit


@pytest.fixture
def ledger(tmp_path):
    ledger = Ledger(tmp_path, "density")
    ledger.prepare()
    return ledger


def mlps(count, width=0.1):
    specs = [networks.network(MLP(width=width), init_seed=seed, epochs=20) for seed in range(count)]
    return {spec.id: spec for spec in specs}


def finish(ledger, specs, *, device, cohort_size, factor=1.0):
    """Write records of networks that took `factor` times what was expected of cohorts of this size."""
    need = cost_model.need(specs[0], device=device)
    seconds = factor * need.cohort_seconds(cohort_size) / cohort_size
    took = {"seconds_training": 0.75 * seconds, "seconds_pruning": 0.25 * seconds, "seconds_measuring": 0.0}
    rows = [synthetic.network(spec, device="cpu" if device == "cpu" else "NVIDIA", **took) for spec in specs]
    for table in synthetic.records(rows, cohort_size=cohort_size):
        ledger.write(table)


def planned(ledger, specs, device):
    node = Node(cpus=4, gpus=float(device == "gpu"), gpu_memory=80 * 2**30 if device == "gpu" else 0)
    return plan.make("density", scale="quick", networks=specs, ledger=ledger, nodes=[node])


@pytest.mark.parametrize("factor", [1.0, 0.5])
@pytest.mark.parametrize("device", ["cpu", "gpu"])
@pytest.mark.parametrize("cohort_size", [1, 10, 50])
def test_seconds_as_estimated_confirm_the_estimate(ledger, device, cohort_size, factor):
    every = mlps(100)
    need = cost_model.need(next(iter(every.values())), device=device)
    finish(ledger, list(every.values())[:50], device=device, cohort_size=cohort_size, factor=factor)
    # another width has no measured networks: it goes by its architecture
    wide = mlps(10, width=0.5)
    wide_need = cost_model.need(next(iter(wide.values())), device=device)
    made = planned(ledger, every | wide, device)
    assert sum(len(cohort.specs) for cohort in made.cohorts) == 60
    for cohort in made.cohorts:
        expected = need if cohort.specs[0].architecture.width == 0.1 else wide_need
        assert cohort.seconds == pytest.approx(factor * expected.cohort_seconds(len(cohort.specs)))


def test_seconds_of_another_device_say_nothing(ledger):
    every = mlps(20)
    finish(ledger, list(every.values())[:10], device="gpu", cohort_size=10, factor=100)
    need = cost_model.need(next(iter(every.values())), device="cpu")
    for cohort in planned(ledger, every, "cpu").cohorts:
        assert cohort.seconds == pytest.approx(need.cohort_seconds(len(cohort.specs)))


def full(*dims, **changes):
    """The full mask of a structure in a network of width 16."""
    return simulated.spiral(Explicit(rows=structured(dims)), **changes)


def test_a_search_is_packed_into_cohorts_that_take_as_long(ledger):
    """One group: its networks differ in their weights, from 4 to 560, and so twentyfold in their seconds."""
    specs = [full(*dims, init_seed=seed) for dims in product((1, 3, 8, 16), repeat=3) for seed in range(200)]
    made = planned(ledger, {spec.id: spec for spec in specs}, "cpu")
    assert Counter(spec.id for cohort in made.cohorts for spec in cohort.specs) == Counter(spec.id for spec in specs)
    assert 8 < len(made.cohorts) < 40
    seconds, sizes = zip(*((cohort.seconds, len(cohort.specs)) for cohort in made.cohorts), strict=True)
    assert max(seconds) < 1.2 * min(seconds)
    assert max(sizes) > 4 * min(sizes)
    needs = {spec.id: cost_model.need(spec, device="cpu") for spec in specs}
    for cohort in made.cohorts:
        own = sum(needs[spec.id].seconds for spec in cohort.specs)
        assert cohort.seconds == pytest.approx(needs[cohort.specs[0].id].shared_seconds + own)


def test_measured_seconds_of_small_masks_tell_those_of_large_ones(ledger):
    small, large = ([full(*dims, init_seed=seed) for seed in range(10)] for dims in ((3, 2, 2), (16, 16, 16)))
    finish(ledger, small, device="cpu", cohort_size=10, factor=3)
    [cohort] = planned(ledger, {spec.id: spec for spec in small + large}, "cpu").cohorts[:1]
    need = cost_model.need(large[0], device="cpu")
    assert cohort.seconds == pytest.approx(3 * need.cohort_seconds(len(cohort.specs)))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (simulated.spiral(SNIP(nonzeros=561)), "--set nonzeros: 561 is more than the 560 weights of mlp at width 16"),
        (full(3, 2, 17), "--set structure: 3x2x17 does not fit into a network of"),
    ],
)
def test_a_network_that_keeps_more_than_there_is_is_refused(ledger, wrong, message):
    """Among others of its group that are fine."""
    fine = [full(3, 2, 2), full(3, 2, 16), *(simulated.spiral(SNIP(nonzeros=kept)) for kept in (1, 15, 560))]
    assert planned(ledger, {spec.id: spec for spec in fine}, "cpu").cohorts
    with pytest.raises(ValueError, match=message):
        planned(ledger, {spec.id: spec for spec in [*fine, wrong, *fine]}, "cpu")


def test_the_disk_that_runs_of_networks_take_counts_where_they_are_wanted(ledger):
    specs = mlps(20)
    finish(ledger, list(specs.values())[:10], device="cpu", cohort_size=10)
    row = ledger.bytes_per_network(ledger.summary())
    arguments = {"scale": "quick", "networks": specs, "ledger": ledger, "nodes": [Node(cpus=1)]}
    disk = {tracked: plan.make("density", tracked=tracked, **arguments).disk for tracked in (True, False)}
    checkpoints = 10 * cost_model.need(next(iter(specs.values())), device="cpu").checkpoint_bytes
    assert disk[False] == pytest.approx(2 * 10 * row + checkpoints)
    assert disk[True] - disk[False] == pytest.approx(10 * plan.TRACKED_BYTES * (4 * 20 + 2 * 50))


def test_the_table_counts_every_kind(ledger):
    specs = mlps(20) | mlps(6, width=0.5)
    finish(ledger, list(specs.values())[:10], device="cpu", cohort_size=10)
    table = planned(ledger, specs, "cpu").table()
    columns = {column.header: list(column.cells) for column in table.columns}
    assert columns["width"] == ["0.1", "0.5"]
    assert columns["networks"] == ["20", "6"]
    assert columns["done"] == ["10", "0"]


def test_a_summary_of_nothing_has_its_columns(ledger):
    """Where all cohorts failed their errors are what is to be read."""
    empty = planned(ledger, mlps(2), "cpu")
    table = sweep.summary_table(empty, ledger.summary())
    assert table.row_count == 0
    assert {"width", "n", "diverged", "emptied"} <= {column.header for column in table.columns}


def test_the_table_tells_kinds_apart(ledger):
    usual = networks.network(MLP(width=1, hidden=(8,)), "momentum")
    large = usual.model_copy(update={"dataset": Teacher(inputs=12, samples=2000)})
    small = usual.model_copy(update={"dataset": Teacher()})
    plain = small.model_copy(update={"training": networks.network("mlp", "sgd").training})
    specs = {spec.id: spec for spec in (usual, large, small, plain)}
    table = planned(ledger, specs, "cpu").table()
    columns = {column.header: list(column.cells) for column in table.columns}
    assert columns["data set"] == [
        "digits",
        "teacher, 12 inputs, 2,000 samples",
        *["teacher, 10 inputs, 1,000 samples"] * 2,
    ]
    assert columns["optimizer"] == [*["sgd, momentum 0.9"] * 3, "sgd"]
    assert not {"sparsity", "GPU each"} & set(columns), "columns with nothing in them"


def test_networks_that_are_compressed_stand_in_a_cohort_with_their_original(ledger):
    """Each original is trained once, however its networks stand in the grid."""
    rules = [Compression(method=method, level=level) for level in (0.3, 0.9) for method in ("incoming_l1", "taylor")]
    specs = [
        networks.network(MLP(width=0.1), init_seed=seed, epochs=20).model_copy(update={"compression": rule})
        for rule in (None, *rules * 40)
        for seed in range(3)
    ]
    specs = [spec.model_copy(update={"prune_seed": number // 12}) for number, spec in enumerate(specs)]
    found = planned(ledger, {spec.id: spec for spec in specs}, "cpu").cohorts
    originals = [{spec.original.id for spec in cohort.specs} for cohort in found]
    assert max(map(len, originals)) == 1
    assert len(originals) == len(set.union(*originals))


def test_networks_of_a_mixed_cluster_start_as_their_devices_get_free(ledger):
    """None waits behind those of the other device; GPUs get their cores first."""
    gib = 2**30
    nodes = [Node(cpus=2, gpus=1, gpu_memory=8 * gib), Node(cpus=4), Node(cpus=4)]
    convolutions = [networks.network("conv2", init_seed=seed, epochs=20) for seed in range(600)]
    sparse = [simulated.spiral(SNIP(nonzeros=20), init_seed=seed) for seed in range(4000)]
    specs = {spec.id: spec for spec in [*sparse, *convolutions]}
    made = plan.make("density", scale="quick", networks=specs, ledger=ledger, nodes=nodes)
    assert Counter(spec.id for cohort in made.cohorts for spec in cohort.specs) == Counter(specs.keys())
    for cohort in made.cohorts:
        assert (cohort.gpu > 0) == (cohort.specs[0].architecture.name == "conv2")
    assert [cohort.gpu > 0 for cohort in made.cohorts[:10]] == [True] * 2 + [False] * 8
    assert {cohort.gpu > 0 for cohort in made.cohorts[10:]} == {True, False}
    assert made.seconds == max(
        placement.makespan([own.work for own in made.cohorts if bool(own.gpu) == on_gpu], made.slot_counts)
        for on_gpu in (True, False)
    )
    assert "2 at a time, each on 0.25 of a GPU and 8 at a time on cores" in made.summary()

    # how much is done moves nothing to another device
    finish(ledger, sparse[:300], device="cpu", cohort_size=100, factor=9)
    again = plan.make("density", scale="quick", networks=specs, ledger=ledger, nodes=nodes)
    assert {cohort.gpu > 0 for cohort in again.cohorts if cohort.specs[0] in sparse} == {False}


def test_networks_for_richer_nodes_alone_stand_first_and_say_what_they_require(ledger):
    large = networks.network(MLP(width=5), epochs=20)
    poor = cost_model.need(large, device="cpu").cohort_bytes(1)  # of which a cohort may fill a part
    nodes = [Node(cpus=2, memory_per_cpu=poor), Node(cpus=2, memory_per_cpu=8 * poor)]
    specs = [large, *mlps(20).values(), *mlps(20, width=0.2).values()]
    made = plan.make("density", scale="quick", networks={s.id: s for s in specs}, ledger=ledger, nodes=nodes)
    assert made.cohorts[0].specs == (large,)
    assert made.cohorts[0].resources == {"cpu": 1, "gpu": 0, "memory": int(8 * poor)}
    assert {tuple(cohort.resources) for cohort in made.cohorts[1:]} == {("cpu", "gpu")}
