"""A sweep on nodes of three kinds, on a real Ray: each cohort runs where its networks belong."""

import networks
import pyarrow as pa
import pytest
import ray
import simulated
import synthetic
from ray.cluster_utils import Cluster as RayCluster
from test_sweep import Sweep, mlps, once

from raydensity import cluster, cost_model, plan, record
from raydensity.experiment import cohort_id
from raydensity.placement import MEMORY_SHARE, Node
from raydensity.spec.sparsity import SNIP

# Every worker imports torch and MLflow, which a busy machine does slowly.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

LARGE = mlps(2, width=5)
POOR = int(0.9 * cost_model.need(LARGE[0], device="cpu").cohort_bytes(1) / MEMORY_SHARE)  # bytes a core
ACCELERATOR = "accelerator_type:simulated"


@pytest.fixture(scope="module")
def nodes():
    """Two cores with a GPU that is none of CUDA's, two cores without, and one core with eight times the memory."""
    own = {"object_store_memory": 100 * 2**20}
    running = RayCluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False, **own})
    running.add_node(num_cpus=2, num_gpus=1, memory=2 * POOR, resources={ACCELERATOR: 1}, **own)
    running.add_node(num_cpus=2, memory=2 * POOR, **own)
    running.add_node(num_cpus=1, memory=8 * POOR, **own)
    with cluster.connection(running.address, resources=cluster.local_resources()) as found:
        yield found
    running.shutdown()


def where(specs, log):
    """A runner that trains nothing: it notes on which node and with which share of a GPU it ran."""
    rows = {spec.id: synthetic.network(spec) for spec in specs}

    def run(specs, **_):
        context = ray.get_runtime_context()
        share = context.get_assigned_resources().get("GPU", 0)
        (log / f"{specs[0].id} {context.get_node_id()} {share:g}").touch()
        own = [{**rows[spec.id], "cohort_id": cohort_id(specs)} for spec in specs]
        return pa.Table.from_pylist(own, schema=record.SCHEMA)

    return run


def test_every_cohort_runs_on_a_node_that_suits_it(nodes, tmp_path):
    expected = [Node(2, 1, POOR, 0, ACCELERATOR), Node(2, 0, POOR), Node(1, 0, 8 * POOR)]
    assert sorted(nodes, key=repr) == sorted(expected, key=repr)

    convolutions = [networks.network("conv2", init_seed=seed) for seed in range(3)]
    sparse = [simulated.spiral(SNIP(nonzeros=20), init_seed=seed) for seed in range(3)]
    specs = [*LARGE, *convolutions, *sparse]
    mine = Sweep(tmp_path)
    planned = plan.make(
        "density", scale="quick", networks={spec.id: spec for spec in specs}, ledger=mine.ledger, nodes=nodes
    )
    log = tmp_path / "log"
    log.mkdir()
    assert mine.run(planned, runner=where(specs, log)).missing == 0
    assert mine.finished() == mine.shown() == once(specs)

    ran = {first: (node, share) for first, node, share in (mark.name.split() for mark in log.iterdir())}
    assert len(ran) == len(planned.cohorts)
    by_id = {node["NodeID"]: node["Resources"] for node in ray.nodes()}
    seen = {"large": set(), "convolutions": set(), "sparse": set()}
    for cohort in planned.cohorts:
        first = cohort.specs[0]
        kind = "large" if first in LARGE else "convolutions" if first in convolutions else "sparse"
        node, share = ran[first.id]
        seen[kind].add((by_id[node]["CPU"], share))
    assert seen["large"] == {(1, "0")}
    assert seen["convolutions"] == {(2, "0.25")}
    assert {share for _, share in seen["sparse"]} == {"0"}
