"""Joining a cluster that has no worker yet, as an autoscaled one may."""

import re
import shutil

import pytest
from ray.cluster_utils import Cluster as RayCluster

from raydensity import cluster, provenance


@pytest.fixture
def head_without_cores():
    running = RayCluster(
        initialize_head=True,
        head_node_args={"num_cpus": 0, "include_dashboard": False, "object_store_memory": 100 * 2**20},
    )
    yield running
    running.shutdown()


def test_a_cluster_without_cores_is_waited_for_and_then_refused_in_one_line(head_without_cores, monkeypatch):
    here = cluster.local_resources()
    monkeypatch.setattr(cluster, "WORKER_PATIENCE", 2.0)
    with (
        pytest.raises(ValueError, match=r"--address: .* has no CPU core, and none came in 2 s$"),
        cluster.connection(head_without_cores.address, resources=here),
    ):
        pass
    head_without_cores.add_node(num_cpus=3, object_store_memory=100 * 2**20)
    with cluster.connection(head_without_cores.address, resources=here) as nodes:
        assert [node.cpus for node in nodes] == [3]
    with (
        pytest.raises(ValueError, match=r"--address: .* has no GPU, and none came in 2 s$"),
        cluster.connection(head_without_cores.address, resources=here, gpu=True),
    ):
        pass


@pytest.mark.parametrize("address", ["nowhere", "127.0.0.1:port", "127.0.0.1:1", "127.0.0.1:99999"])
def test_an_address_that_does_not_answer_is_one_line(address):
    with pytest.raises(ValueError, match="--address: ") as error:
        cluster.check_address(address)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("change", ["a line more", "no package"])
def test_a_node_with_other_code_is_refused_in_one_line(head_without_cores, tmp_path, monkeypatch, change):
    """Its processes import the copy, as those of a machine whose checkout is another."""
    copy = shutil.copytree(provenance.PACKAGE, tmp_path / "raydensity", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.chdir(copy)  # Ray has workers look first in the driver's folder
    if change == "a line more":
        with (copy / "stopping.py").open("a") as file:
            file.write("\n# a line more\n")
        expected = rf"has other code of raydensity than the driver \({provenance.digest(copy)[:12]}, not "
    else:
        (copy / "provenance.py").write_text("raise ImportError('nothing here')\n")
        expected = r"cannot run raydensity \(.*nothing here.*\)$"
    added = head_without_cores.add_node(
        num_cpus=1, object_store_memory=100 * 2**20, env_vars={"PYTHONPATH": str(tmp_path)}
    )
    address = added.node_ip_address
    with (
        pytest.raises(ValueError, match=rf"^--address: the node {re.escape(address)} {expected}"),
        cluster.connection(head_without_cores.address, resources=cluster.local_resources()),
    ):
        pass
