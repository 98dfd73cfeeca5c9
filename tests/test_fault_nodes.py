"""Machines of a cluster that go away, broken for real on one of three simulated machines."""

import os
import signal

import pytest
from processes import family
from ray.cluster_utils import Cluster as RayCluster
from real_sweeps import assert_all_tracked, assert_the_same, finish, records, start, wait_for, workers
from synthetic import new_store

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

STORE = 100 * 2**20  # bytes of a node's object store


class Machines:
    """A head that drives and keeps, and two nodes of one core."""

    def __init__(self):
        # Nobody waits for a lost node for longer than a second.
        patience = {"health_check_initial_delay_ms": 0, "health_check_period_ms": 500, "health_check_timeout_ms": 500}
        self.cluster = RayCluster(
            initialize_head=True,
            head_node_args={
                "num_cpus": 0,
                "include_dashboard": False,
                "object_store_memory": STORE,
                "_system_config": patience | {"health_check_failure_threshold": 2},
            },
        )
        self.nodes = [self.cluster.add_node(num_cpus=1, object_store_memory=STORE) for _ in range(2)]

    @staticmethod
    def workers(node):
        """Processes of a node in which a cohort trains."""
        [raylet] = node.all_processes["raylet"]
        return workers(raylet.process.pid)

    def cut_power(self, node):
        """All processes of a node at once."""
        first = [each.process.pid for kind in node.all_processes.values() for each in kind]
        for process in {each for parent in first for each in family(parent)}:
            os.kill(process, signal.SIGKILL)


@pytest.fixture
def machines():
    running = Machines()
    yield running
    running.cluster.shutdown()


def test_a_lost_node_costs_nothing(tmp_path, machines, undisturbed):
    new_store(tmp_path)
    sweep = start(tmp_path, options=["--address", machines.cluster.address])
    wait_for(lambda: records(tmp_path) and all(machines.workers(node) for node in machines.nodes))
    machines.cut_power(machines.nodes[0])
    finish(sweep)
    assert_the_same(tmp_path, undisturbed)
    assert_all_tracked(f"sqlite:///{tmp_path}/mlflow.db")


def test_a_lost_head_ends_the_sweep_in_one_line_and_another_goes_on(tmp_path, machines, undisturbed):
    new_store(tmp_path)
    sweep = start(tmp_path, options=["--address", machines.cluster.address])
    wait_for(lambda: records(tmp_path) and all(machines.workers(node) for node in machines.nodes))
    kept = {path.name: path.read_bytes() for path in records(tmp_path)}
    machines.cut_power(machines.cluster.head_node)
    output = finish(sweep, 1)
    assert output.splitlines()[-1] == (
        f"error: the Ray cluster at {machines.cluster.address} is gone; what is finished is safe, and the same command "
        "goes on with the rest where one runs again"
    )
    assert "Traceback" not in output
    machines.cluster.shutdown()

    again = Machines()
    try:
        finish(start(tmp_path, options=["--address", again.cluster.address]))
    finally:
        again.cluster.shutdown()
    for name, content in kept.items():
        assert (records(tmp_path)[0].parent / name).read_bytes() == content
    assert_the_same(tmp_path, undisturbed)
    assert_all_tracked(f"sqlite:///{tmp_path}/mlflow.db")
